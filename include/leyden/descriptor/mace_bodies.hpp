// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/descriptor/mace.hpp>

/// A third of the time that a potential takes to compile goes to its MACE. These compile its bodies
/// in one file for all potentials that read it; outside of namespaces:
///
///   LEYDEN_MACE_BODIES(extern template, double, Mace<MaceShape{…}>)  // where all of them see it
///   LEYDEN_MACE_BODIES(template, double, Mace<MaceShape{…}>)         // in one source file
///
/// The second argument is the precision of the third. Bodies for executors other than
/// SerialExecutor are compiled where they are used, as without this.
#define LEYDEN_MACE_BODIES(prefix, Real, ...)                                                      \
  namespace leyden::inline LEYDEN_ABI {                                                            \
  prefix class __VA_ARGS__;                                                                        \
  prefix void __VA_ARGS__::prepare(std::span<const double>, const SerialExecutor&, bool);          \
  prefix void __VA_ARGS__::add_pending(std::span<__VA_ARGS__::PendingGradient>, std::span<double>, \
                                       const SerialExecutor&) const;                               \
  LEYDEN_MACE_BODIES_OF(prefix, Real, __VA_ARGS__)                                                 \
  LEYDEN_MACE_BODIES_OF(prefix, Dual<Real>, __VA_ARGS__)                                           \
  }

#define LEYDEN_MACE_BODIES_OF(prefix, T, ...)                                     \
  prefix void __VA_ARGS__::forward(const Geometry<T>&, __VA_ARGS__::Tape<T>&,     \
                                   const SerialExecutor&) const;                  \
  prefix void __VA_ARGS__::backward(const Geometry<T>&, __VA_ARGS__::Tape<T>&, T, \
                                    std::span<double>, const SerialExecutor&) const;
