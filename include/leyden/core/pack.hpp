// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
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
/// Not offered on purpose: xsimd's reciprocal and reciprocal square root. They are inexact (2.5e-4)
/// or do not compile on AVX-512 (8.1); write the division, or take inverse_sqrt().
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

/// c + gradient_part(a b).
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> fma_gradient_part(Pack<R> a, Pack<R> b, Pack<R> c) {
  return fma(a, b, c);
}
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> fma_gradient_part(Pack<Dual<R>> a, Pack<Dual<R>> b, Pack<R> c) {
  return fma(a.value, b.tangent, fma(a.tangent, b.value, c));
}
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> gradient_part(Pack<R> a) {
  return a;
}
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> gradient_part(Pack<Dual<R>> a) {
  return a.tangent;
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

/// 1/√a to an ulp or two, for normal a > 0. (On AVX-512 zero and infinity give NaN.)
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> inverse_sqrt(Pack<R> a) {
#if defined(__AVX512F__) && !defined(LEYDEN_NO_SIMD)
  if constexpr (std::is_same_v<R, double>) {
    // An estimate of 14 bits, and the series of (1 − e)^(−1/2) to where e⁴/4 = 2^−54 is left.
    const Pack<R> y(typename Pack<R>::batch_type(_mm512_rsqrt14_pd(a.batch.data)));
    const Pack<R> e = fnma(a * y, y, Pack<R>(R(1)));
    Pack<R> s = fma(e, Pack<R>(R(5.0 / 16)), Pack<R>(R(3.0 / 8)));
    s = fma(e, s, Pack<R>(R(1.0 / 2)));
    return fma(y * e, s, y);
  }
#endif
  return Pack<R>(R(1)) / sqrt(a);
}

/// The smaller one, lane by lane.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> min(Pack<R> a, Pack<R> b) {
#if defined(LEYDEN_NO_SIMD)
  return Pack<R>(a.batch < b.batch ? a.batch : b.batch);
#else
  return Pack<R>(xsimd::min(a.batch, b.batch));
#endif
}

/// The larger one, lane by lane.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> max(Pack<R> a, Pack<R> b) {
#if defined(LEYDEN_NO_SIMD)
  return Pack<R>(a.batch < b.batch ? b.batch : a.batch);
#else
  return Pack<R>(xsimd::max(a.batch, b.batch));
#endif
}

/// Whether any lane of a is less than that of b.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE bool any_less(Pack<R> a, Pack<R> b) {
#if defined(LEYDEN_NO_SIMD)
  return a.batch < b.batch;
#else
  return xsimd::any(a.batch < b.batch);
#endif
}

/// Lanes of x where a < b, of y elsewhere.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> select_less(Pack<R> a, Pack<R> b, Pack<R> x, Pack<R> y) {
#if defined(LEYDEN_NO_SIMD)
  return a.batch < b.batch ? x : y;
#else
  return Pack<R>(xsimd::select(a.batch < b.batch, x.batch, y.batch));
#endif
}

/// 2^(−a) for 0 ≤ a ≤ 1000 (float: 120): cheaper than exp(). The relative error is 3e-16 (1 + a/2),
/// or with `Terms` = 9 in double 1e-12.
template <int Terms = 11, std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> exp2_minus(Pack<R> a) {
  static_assert(Terms == 9 || Terms == 11);
  using Int = std::conditional_t<sizeof(R) == 8, std::int64_t, std::int32_t>;
  typedef Int Bits __attribute__((vector_size(sizeof(Pack<R>))));
  // Adding 1.5 · 2^(mantissa bits) leaves the nearest integer in the lowest bits.
  constexpr int mantissa = std::numeric_limits<R>::digits - 1;
  const Pack<R> magic(R(1.5) * static_cast<R>(Int(1) << mantissa));
  const Pack<R> shifted = magic - a;
  const Pack<R> f = a + (shifted - magic);
  // Polynomials of least error on |f| ≤ 1/2; float needs eight terms.
  constexpr std::array<double, 11> eleven{1,
                                          -0.69314718055994973,
                                          0.24022650695908768,
                                          -0.05550410866445854,
                                          0.0096181291080348931,
                                          -0.0013333558228611423,
                                          0.00015403529960916822,
                                          -1.5252658085809034e-05,
                                          1.3215662875819533e-06,
                                          -1.02085441017253e-07,
                                          7.037281465547044e-09};
  constexpr std::array<double, 11> nine{
      0.99999999999976208,    -0.69314718054650371,    0.240226506988831,
      -0.055504109393846812,  0.009618128542451445,    -0.0013333452020397663,
      0.00015403851924041217, -1.5309748696564525e-05, 1.3175840746379826e-06};
  constexpr std::array<double, 11> c = Terms == 9 ? nine : eleven;
  constexpr std::size_t degree = sizeof(R) == 8 ? Terms - 1 : 7;
  Pack<R> p(static_cast<R>(c[degree]));
  for (std::size_t k = degree; k-- > 0;) p = fma(p, f, Pack<R>(static_cast<R>(c[k])));
  const Bits scaled = std::bit_cast<Bits>(p) + (std::bit_cast<Bits>(shifted) << mantissa);
  return std::bit_cast<Pack<R>>(scaled);
}

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

/// f(pack, numbers in it) for the packs that hold n numbers; how many there are is a constant of
/// the type where a pack is full.
template <class T, class F>
void for_each_pack_of(int n, F&& f) {
  constexpr int lanes = Pack<T>::lanes;
  for (int t = 0; t < pack_count<T>(n); ++t) {
    if (n - t * lanes >= lanes)
      f(t, std::integral_constant<int, lanes>());
    else
      f(t, n - t * lanes);
  }
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

/// Makes a buffer that serves by turns hold at least `size` numbers: one that shrank would have to
/// be set to zero where it grows again.
template <class T, class A>
void make_room(std::vector<T, A>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
}

}  // namespace leyden::inline LEYDEN_ABI
