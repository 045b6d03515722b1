// SPDX-License-Identifier: MIT
#pragma once

/// The version of leyden. CMake reads these three lines; nothing else states the version.
#define LEYDEN_VERSION_MAJOR 0
#define LEYDEN_VERSION_MINOR 1
#define LEYDEN_VERSION_PATCH 0
