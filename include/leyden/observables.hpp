// SPDX-License-Identifier: MIT
#pragma once

// What follows from a potential beside energy, forces and charges; a table is in
// docs/observables.md.
#include <leyden/observables/maps.hpp>
#include <leyden/observables/response.hpp>
