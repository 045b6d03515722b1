// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#if !defined(LEYDEN_NO_SIMD)
#include <xsimd/xsimd.hpp>
#endif

/// SIMD lanes. The only file of leyden that sees xsimd or intrinsics.
///
/// `Pack<T>` holds `Pack<T>::lanes` numbers and has the arithmetic of one. `Pack<Dual<R>>` is a
/// dual of packs (all values, then all tangents), so one kernel source serves float, double and
/// their duals. Arrays of features are arrays of `Pack<T>` objects: nothing is ever shuffled on
/// loading.
///
/// Not offered on purpose: reciprocal and reciprocal square root. xsimd's are inexact (2.5e-4) or
/// do not compile on AVX-512 (8.1); write the division.
namespace leyden::inline LEYDEN_ABI {

template <class T>
struct Pack;

namespace detail {

#if defined(LEYDEN_NO_SIMD)
template <std::floating_point R>
struct Batch {
  static constexpr int lanes = 1;
  using type = R;
};
#else
template <std::floating_point R>
struct Batch {
  using type = xsimd::batch<R>;
  static constexpr int lanes = static_cast<int>(type::size);
};
#endif
template <class R>
using BatchOf = typename Batch<R>::type;

// a*b + c in one rounding where the machine has it. xsimd 8.1 multiplies and adds apart on AVX-512
// (PR xtensor-stack/xsimd#844 fixed it later) and clang 14 does not contract the two: half the
// peak.
#if defined(LEYDEN_NO_SIMD)
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE R fused(R a, R b, R c) {
  return a * b + c;
}
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE R fused_negated(R a, R b, R c) {
  return c - a * b;
}
#elif defined(__AVX512F__)
LEYDEN_ALWAYS_INLINE xsimd::batch<double> fused(xsimd::batch<double> a, xsimd::batch<double> b,
                                                xsimd::batch<double> c) {
  return {_mm512_fmadd_pd(a.data, b.data, c.data)};
}
LEYDEN_ALWAYS_INLINE xsimd::batch<float> fused(xsimd::batch<float> a, xsimd::batch<float> b,
                                               xsimd::batch<float> c) {
  return {_mm512_fmadd_ps(a.data, b.data, c.data)};
}
LEYDEN_ALWAYS_INLINE xsimd::batch<double> fused_negated(xsimd::batch<double> a,
                                                        xsimd::batch<double> b,
                                                        xsimd::batch<double> c) {
  return {_mm512_fnmadd_pd(a.data, b.data, c.data)};
}
LEYDEN_ALWAYS_INLINE xsimd::batch<float> fused_negated(xsimd::batch<float> a, xsimd::batch<float> b,
                                                       xsimd::batch<float> c) {
  return {_mm512_fnmadd_ps(a.data, b.data, c.data)};
}
#elif defined(__FMA__) && defined(__AVX__)
LEYDEN_ALWAYS_INLINE xsimd::batch<double> fused(xsimd::batch<double> a, xsimd::batch<double> b,
                                                xsimd::batch<double> c) {
  return {_mm256_fmadd_pd(a.data, b.data, c.data)};
}
LEYDEN_ALWAYS_INLINE xsimd::batch<float> fused(xsimd::batch<float> a, xsimd::batch<float> b,
                                               xsimd::batch<float> c) {
  return {_mm256_fmadd_ps(a.data, b.data, c.data)};
}
LEYDEN_ALWAYS_INLINE xsimd::batch<double> fused_negated(xsimd::batch<double> a,
                                                        xsimd::batch<double> b,
                                                        xsimd::batch<double> c) {
  return {_mm256_fnmadd_pd(a.data, b.data, c.data)};
}
LEYDEN_ALWAYS_INLINE xsimd::batch<float> fused_negated(xsimd::batch<float> a, xsimd::batch<float> b,
                                                       xsimd::batch<float> c) {
  return {_mm256_fnmadd_ps(a.data, b.data, c.data)};
}
#else
template <class B>
LEYDEN_ALWAYS_INLINE B fused(B a, B b, B c) {
  return xsimd::fma(a, b, c);
}
template <class B>
LEYDEN_ALWAYS_INLINE B fused_negated(B a, B b, B c) {
  return xsimd::fnma(a, b, c);
}
#endif

}  // namespace detail

/// Lanes of float or double.
template <std::floating_point R>
struct Pack<R> {
  static constexpr int lanes = detail::Batch<R>::lanes;
  using scalar_type = R;
  using batch_type = detail::BatchOf<R>;

  batch_type batch = batch_type(R(0));

  Pack() = default;
  LEYDEN_ALWAYS_INLINE Pack(batch_type b) : batch(b) {}  // NOLINT: the wrapper is transparent
  /// All lanes equal.
#if !defined(LEYDEN_NO_SIMD)
  LEYDEN_ALWAYS_INLINE Pack(R s) : batch(s) {}  // NOLINT: a number is a uniform pack
#endif

  /// Reads `lanes` numbers from any address.
  static LEYDEN_ALWAYS_INLINE Pack load(const R* from) {
#if defined(LEYDEN_NO_SIMD)
    return Pack(*from);
#else
    return Pack(batch_type::load_unaligned(from));
#endif
  }
  LEYDEN_ALWAYS_INLINE void store(R* to) const {
#if defined(LEYDEN_NO_SIMD)
    *to = batch;
#else
    batch.store_unaligned(to);
#endif
  }
  /// One lane of a pack that lives in memory. Packs are their numbers, in order.
  R lane(int i) const { return reinterpret_cast<const R*>(this)[i]; }
  void set_lane(int i, R s) { reinterpret_cast<R*>(this)[i] = s; }

  LEYDEN_ALWAYS_INLINE Pack& operator+=(Pack b) { return *this = *this + b; }
  LEYDEN_ALWAYS_INLINE Pack& operator-=(Pack b) { return *this = *this - b; }
  LEYDEN_ALWAYS_INLINE Pack& operator*=(Pack b) { return *this = *this * b; }

  friend LEYDEN_ALWAYS_INLINE Pack operator-(Pack a) { return Pack(batch_type(-a.batch)); }
  friend LEYDEN_ALWAYS_INLINE Pack operator+(Pack a, Pack b) {
    return Pack(batch_type(a.batch + b.batch));
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator-(Pack a, Pack b) {
    return Pack(batch_type(a.batch - b.batch));
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator*(Pack a, Pack b) {
    return Pack(batch_type(a.batch * b.batch));
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator/(Pack a, Pack b) {
    return Pack(batch_type(a.batch / b.batch));
  }
};

/// A dual of packs: `value` and `tangent` are packs of the real type.
template <class R>
struct Pack<Dual<R>> {
  static constexpr int lanes = Pack<R>::lanes;
  using scalar_type = Dual<R>;

  Pack<R> value;
  Pack<R> tangent;

  Pack() = default;
  LEYDEN_ALWAYS_INLINE Pack(Pack<R> v) : value(v) {}  // NOLINT: a real pack is a constant dual
  LEYDEN_ALWAYS_INLINE Pack(Pack<R> v, Pack<R> t) : value(v), tangent(t) {}
  LEYDEN_ALWAYS_INLINE Pack(Dual<R> s) : value(s.value), tangent(s.tangent) {}  // NOLINT
  LEYDEN_ALWAYS_INLINE Pack(R s) : value(s) {}                                  // NOLINT

  Dual<R> lane(int i) const { return {value.lane(i), tangent.lane(i)}; }
  void set_lane(int i, Dual<R> s) {
    value.set_lane(i, s.value);
    tangent.set_lane(i, s.tangent);
  }

  LEYDEN_ALWAYS_INLINE Pack& operator+=(Pack b) { return *this = *this + b; }
  LEYDEN_ALWAYS_INLINE Pack& operator-=(Pack b) { return *this = *this - b; }
  LEYDEN_ALWAYS_INLINE Pack& operator*=(Pack b) { return *this = *this * b; }

  friend LEYDEN_ALWAYS_INLINE Pack operator-(Pack a) { return {-a.value, -a.tangent}; }
  friend LEYDEN_ALWAYS_INLINE Pack operator+(Pack a, Pack b) {
    return {a.value + b.value, a.tangent + b.tangent};
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator-(Pack a, Pack b) {
    return {a.value - b.value, a.tangent - b.tangent};
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator*(Pack a, Pack b) {
    return {a.value * b.value,
            Pack<R>(detail::fused(a.value.batch, b.tangent.batch, (a.tangent * b.value).batch))};
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator/(Pack a, Pack b) {
    const Pack<R> q = a.value / b.value;
    return {q, (a.tangent - q * b.tangent) / b.value};
  }
  // A real factor has no tangent.
  friend LEYDEN_ALWAYS_INLINE Pack operator*(Pack a, Pack<R> b) {
    return {a.value * b, a.tangent * b};
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator*(Pack<R> a, Pack b) {
    return {a * b.value, a * b.tangent};
  }
  friend LEYDEN_ALWAYS_INLINE Pack operator*(Pack a, R b) { return a * Pack<R>(b); }
  friend LEYDEN_ALWAYS_INLINE Pack operator*(R a, Pack b) { return Pack<R>(a) * b; }
};

/// a·b + c, fused on machines that have it.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> fma(Pack<R> a, Pack<R> b, Pack<R> c) {
  return Pack<R>(detail::fused(a.batch, b.batch, c.batch));
}
/// c − a·b, fused on machines that have it.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> fnma(Pack<R> a, Pack<R> b, Pack<R> c) {
  return Pack<R>(detail::fused_negated(a.batch, b.batch, c.batch));
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> fma(Pack<Dual<R>> a, Pack<Dual<R>> b, Pack<Dual<R>> c) {
  return {fma(a.value, b.value, c.value),
          fma(a.value, b.tangent, fma(a.tangent, b.value, c.tangent))};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> fma(Pack<R> a, Pack<Dual<R>> b, Pack<Dual<R>> c) {
  return {fma(a, b.value, c.value), fma(a, b.tangent, c.tangent)};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> fma(Pack<Dual<R>> a, Pack<R> b, Pack<Dual<R>> c) {
  return {fma(a.value, b, c.value), fma(a.tangent, b, c.tangent)};
}

/// The sum of all lanes.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE R sum_lanes(Pack<R> a) {
#if defined(LEYDEN_NO_SIMD)
  return a.batch;
#elif XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(a.batch);
#else
  return xsimd::hadd(a.batch);
#endif
}
template <class R>
LEYDEN_ALWAYS_INLINE Dual<R> sum_lanes(Pack<Dual<R>> a) {
  return {sum_lanes(a.value), sum_lanes(a.tangent)};
}

#if defined(LEYDEN_NO_SIMD)
#define LEYDEN_DETAIL_PACK_FUNCTION(name) \
  template <std::floating_point R>        \
  inline Pack<R> name(Pack<R> a) {        \
    return Pack<R>(std::name(a.batch));   \
  }
#else
#define LEYDEN_DETAIL_PACK_FUNCTION(name)        \
  template <std::floating_point R>               \
  LEYDEN_ALWAYS_INLINE Pack<R> name(Pack<R> a) { \
    return Pack<R>(xsimd::name(a.batch));        \
  }
#endif
LEYDEN_DETAIL_PACK_FUNCTION(sqrt)
LEYDEN_DETAIL_PACK_FUNCTION(exp)
LEYDEN_DETAIL_PACK_FUNCTION(sin)
LEYDEN_DETAIL_PACK_FUNCTION(cos)
LEYDEN_DETAIL_PACK_FUNCTION(tanh)
LEYDEN_DETAIL_PACK_FUNCTION(erf)
#undef LEYDEN_DETAIL_PACK_FUNCTION

template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> sqrt(Pack<Dual<R>> a) {
  const Pack<R> s = sqrt(a.value);
  return {s, a.tangent / (Pack<R>(R(2)) * s)};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> exp(Pack<Dual<R>> a) {
  const Pack<R> e = exp(a.value);
  return {e, e * a.tangent};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> sin(Pack<Dual<R>> a) {
  return {sin(a.value), cos(a.value) * a.tangent};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> cos(Pack<Dual<R>> a) {
  return {cos(a.value), -(sin(a.value) * a.tangent)};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> tanh(Pack<Dual<R>> a) {
  const Pack<R> t = tanh(a.value);
  return {t, fnma(t, t, Pack<R>(R(1))) * a.tangent};
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> erf(Pack<Dual<R>> a) {
  constexpr R two_over_sqrt_pi = R(2) * std::numbers::inv_sqrtpi_v<R>;
  return {erf(a.value), Pack<R>(two_over_sqrt_pi) * exp(-(a.value * a.value)) * a.tangent};
}

namespace detail {
/// How many packs the register file holds: what kernels block their sums for.
#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_registers = 16;
#endif
}  // namespace detail

/// How many packs hold n numbers; the lanes beyond n are padding.
template <class T>
constexpr int pack_count(int n) {
  return (n + Pack<T>::lanes - 1) / Pack<T>::lanes;
}

/// Lane i of a run of packs, as one number.
template <class T>
LEYDEN_ALWAYS_INLINE T lane_of(const Pack<T>* packs, int i) {
  return packs[i / Pack<T>::lanes].lane(i % Pack<T>::lanes);
}

/// Memory at cache-line boundaries.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}  // NOLINT: rebinding is implicit
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
  // The form without a size: clang has the sized one only since 19.
  void deallocate(T* p, std::size_t) { ::operator delete(p, alignment); }
  friend bool operator==(AlignedAllocator, AlignedAllocator) { return true; }
};

/// A vector whose storage starts at a cache line. Growing is the only time it allocates, so a
/// buffer that is kept between evaluations is free of allocations once warm.
template <class T>
using Buffer = std::vector<T, AlignedAllocator<T>>;

}  // namespace leyden::inline LEYDEN_ABI
