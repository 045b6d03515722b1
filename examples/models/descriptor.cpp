// SPDX-License-Identifier: MIT
#include "models.hpp"

LEYDEN_MACE_BODIES(template, double, LEYDEN_EXAMPLE_DESCRIPTOR)
