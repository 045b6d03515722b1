// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <concepts>

// Names of the types that stand in the interfaces of others, for headers that only mention them.
// Constrained templates (Chain, Potential) are not here: their concepts are what costs.
namespace leyden::inline LEYDEN_ABI {

class Error;
class InputError;
class ModelError;
class ConvergenceError;

template <class R>
struct Dual;
template <class T>
struct Pack;
template <class T>
struct Vector3;
template <class T>
struct Matrix3;

class RandomStream;
struct Initializer;
struct Slice;
struct ParameterInfo;
class ParameterLayout;
struct SerialExecutor;

struct Cell;
struct Structure;
struct Labels;
struct Frame;

}  // namespace leyden::inline LEYDEN_ABI
