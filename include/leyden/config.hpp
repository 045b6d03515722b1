// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/version.hpp>

// Every compiler and library conditional of the project lives here, except the SIMD intrinsics of
// core/pack.hpp.
//
// LEYDEN_NO_SIMD        define it to use the scalar fallback of Pack<T> (one lane).
// LEYDEN_CHECKED        1 when kernels check their preconditions (debug builds, or set by hand).

#if !defined(LEYDEN_NO_SIMD) && !__has_include(<xsimd/xsimd.hpp>)
#define LEYDEN_NO_SIMD 1
#endif

#if !defined(LEYDEN_CHECKED)
#if defined(NDEBUG)
#define LEYDEN_CHECKED 0
#else
#define LEYDEN_CHECKED 1
#endif
#endif

// The inline namespace carries everything that changes an inline body: the version, the instruction
// set and the checks. Two translation units compiled with different -march then use different
// symbols instead of one linker-chosen body, which would be silently wrong.
#define LEYDEN_DETAIL_JOIN4(a, b, c, d) a##b##_##c##d
#define LEYDEN_DETAIL_EXPAND4(a, b, c, d) LEYDEN_DETAIL_JOIN4(a, b, c, d)

#if defined(LEYDEN_NO_SIMD)
#define LEYDEN_ISA scalar
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
#define LEYDEN_ISA avx512
#elif defined(__AVX512F__)
#define LEYDEN_ISA avx512f
#elif defined(__AVX2__) && defined(__FMA__)
#define LEYDEN_ISA avx2
#elif defined(__AVX2__)
#define LEYDEN_ISA avx2nofma
#elif defined(__AVX__)
#define LEYDEN_ISA avx
#elif defined(__SSE2__)
#define LEYDEN_ISA sse2
#elif defined(__ARM_NEON)
#define LEYDEN_ISA neon
#else
#define LEYDEN_ISA generic
#endif

#if LEYDEN_CHECKED
#define LEYDEN_CHECKED_TAG _checked
#else
#define LEYDEN_CHECKED_TAG
#endif

// v0_1_ is spelled out because the preprocessor cannot join the two version macros with an
// underscore in one step; tests/core/config.test.cpp holds it equal to version.hpp.
#define LEYDEN_ABI LEYDEN_DETAIL_EXPAND4(v0_, 1, LEYDEN_ISA, LEYDEN_CHECKED_TAG)

#define LEYDEN_ALWAYS_INLINE inline __attribute__((always_inline))
#define LEYDEN_RESTRICT __restrict__

/// Precondition of a kernel; costs nothing in a release build.
#if LEYDEN_CHECKED
#include <cassert>
#define LEYDEN_EXPECTS(condition) assert(condition)
#else
#define LEYDEN_EXPECTS(condition) static_cast<void>(0)
#endif
