// SPDX-License-Identifier: MIT
// Compiled for this machine's instruction set and, as programs of their own, for the others.
#include "support/catch.hpp"

#include <leyden/core/pack.hpp>
#include <leyden/core/pack_lanes.hpp>
#include <leyden/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace pack_test {

using namespace leyden;

namespace {

// xsimd's functions are within a few last places of the standard library's, erf<double> within
// 34 ε (7.6e-15); tangents multiply and add a few such numbers.
template <class R>
constexpr double function_tolerance = 100 * static_cast<double>(std::numeric_limits<R>::epsilon());

template <class R>
Pack<R> random_pack(RandomStream& random, double low, double high) {
  R numbers[64];
  for (int i = 0; i < Pack<R>::lanes; ++i) numbers[i] = static_cast<R>(random.uniform(low, high));
  return Pack<R>::load(numbers);
}
template <class R>
Pack<Dual<R>> random_dual_pack(RandomStream& random, double low, double high) {
  const Pack<R> value = random_pack<R>(random, low, high);
  return {value, random_pack<R>(random, -1.0, 1.0)};
}

// Relative to one, or to the expected number where that is larger.
template <class R>
bool close(R a, R b) {
  return std::abs(static_cast<double>(a) - static_cast<double>(b)) <=
         function_tolerance<R> * std::max(1.0, std::abs(static_cast<double>(b)));
}
template <class R>
bool close(Dual<R> a, Dual<R> b) {
  return close(a.value, b.value) && close(a.tangent, b.tangent);
}

// A function of packs, lane by lane, is the same function of numbers: f(pack…)[i] = f(pack[i]…).
template <class T, class F, class... P>
void check_lanes(F&& f, const P&... p) {
  const Pack<T> result = f(p...);
  for (int i = 0; i < Pack<T>::lanes; ++i) {
    const T expected = f(p.lane(i)...);
    CAPTURE(i, value_of(expected), value_of(result.lane(i)), tangent_of(expected),
            tangent_of(result.lane(i)));
    CHECK(close(result.lane(i), expected));
  }
}

template <class T, class P>
void check_arithmetic(const P& a, const P& b) {
  using R = RealOf<T>;
  check_lanes<T>([](auto x) { return -x; }, a);
  check_lanes<T>([](auto x, auto y) { return x + y; }, a, b);
  check_lanes<T>([](auto x, auto y) { return x - y; }, a, b);
  check_lanes<T>([](auto x, auto y) { return x * y; }, a, b);
  check_lanes<T>([](auto x, auto y) { return x / y; }, a, b);
  check_lanes<T>(
      [](auto x, auto y) {
        auto z = x;
        z += y;
        z -= x * y;
        z *= y;
        return z;
      },
      a, b);
  check_lanes<T>([](auto x) { return x * R(1.5) + R(0.5) * x; }, a);
}

template <class T, class P>
void check_functions(const P& x, const P& positive) {
  check_lanes<T>(
      [](auto a) {
        using std::sqrt;
        return sqrt(a);
      },
      positive);
  check_lanes<T>(
      [](auto a) {
        using std::exp;
        return exp(a);
      },
      x);
  check_lanes<T>(
      [](auto a) {
        using std::sin;
        return sin(a);
      },
      x);
  check_lanes<T>(
      [](auto a) {
        using std::cos;
        return cos(a);
      },
      x);
  check_lanes<T>(
      [](auto a) {
        using std::tanh;
        return tanh(a);
      },
      x);
  check_lanes<T>(
      [](auto a) {
        using std::erf;
        return erf(a);
      },
      x);
}

#define LEYDEN_TEST_QUOTE_(x) #x
#define LEYDEN_TEST_QUOTE(x) LEYDEN_TEST_QUOTE_(x)
const std::string isa = LEYDEN_TEST_QUOTE(LEYDEN_ISA);

}  // namespace

TEST_CASE("the instruction set fixes the number of lanes", "[pack]") {
  int bytes = 0;
  if (isa == "avx512" || isa == "avx512f") bytes = 64;
  if (isa == "avx2" || isa == "avx2nofma" || isa == "avx") bytes = 32;
  if (isa == "sse2" || isa == "neon") bytes = 16;
  CAPTURE(isa);
  CHECK(Pack<double>::lanes == (bytes == 0 ? 1 : bytes / 8));
  CHECK(Pack<float>::lanes == (bytes == 0 ? 1 : bytes / 4));
  CHECK(Pack<Dual<double>>::lanes == Pack<double>::lanes);
  CHECK(sizeof(Pack<double>) == sizeof(double) * Pack<double>::lanes);
  CHECK(sizeof(Pack<Dual<float>>) == 2 * sizeof(Pack<float>));
#if defined(LEYDEN_TEST_EXPECTED_ISA)
  CHECK(isa == LEYDEN_TEST_EXPECTED_ISA);
#endif
}

TEMPLATE_TEST_CASE("packs are their numbers in order", "[pack]", float, double) {
  using R = TestType;
  constexpr int lanes = Pack<R>::lanes;
  std::vector<R> from(lanes + 1), to(lanes + 1);
  for (int i = 0; i <= lanes; ++i) from[static_cast<std::size_t>(i)] = static_cast<R>(i + 1);
  // One past the start: any address will do.
  Pack<R> p = Pack<R>::load(from.data() + 1);
  for (int i = 0; i < lanes; ++i) CHECK(p.lane(i) == static_cast<R>(i + 2));
  p.set_lane(lanes - 1, R(-7));
  p.store(to.data() + 1);
  for (int i = 0; i < lanes - 1; ++i)
    CHECK(to[static_cast<std::size_t>(i + 1)] == static_cast<R>(i + 2));
  CHECK(to[lanes] == R(-7));

  const Pack<R> zero, uniform(R(3));
  for (int i = 0; i < lanes; ++i) {
    CHECK(zero.lane(i) == R(0));
    CHECK(uniform.lane(i) == R(3));
  }

  Pack<Dual<R>> d(Dual<R>(R(1), R(2)));
  d.set_lane(0, {R(5), R(6)});
  CHECK(d.lane(0).tangent == R(6));
  CHECK(d.value.lane(0) == R(5));
  CHECK(Pack<Dual<R>>(R(4)).lane(lanes - 1).tangent == R(0));
}

TEMPLATE_TEST_CASE("arithmetic of packs is that of their lanes", "[pack]", float, double) {
  using R = TestType;
  RandomStream random(1);
  for (int trial = 0; trial < 10; ++trial) {
    check_arithmetic<R>(random_pack<R>(random, -3, 3), random_pack<R>(random, 0.5, 2));
    check_arithmetic<Dual<R>>(random_dual_pack<R>(random, -3, 3),
                              random_dual_pack<R>(random, 0.5, 2));
  }
}

TEMPLATE_TEST_CASE("functions of packs are those of their lanes", "[pack]", float, double) {
  using R = TestType;
  RandomStream random(2);
  for (int trial = 0; trial < 20; ++trial) {
    check_functions<R>(random_pack<R>(random, -3, 3), random_pack<R>(random, 0.1, 9));
    check_functions<Dual<R>>(random_dual_pack<R>(random, -3, 3),
                             random_dual_pack<R>(random, 0.1, 9));
  }
}

TEMPLATE_TEST_CASE("the smaller and the larger one are those of each lane", "[pack]", float,
                   double) {
  RandomStream random(5);
  const auto a = random_pack<TestType>(random, -2, 2), b = random_pack<TestType>(random, -2, 2);
  const auto low = min(a, b), high = max(a, b);
  for (int i = 0; i < Pack<TestType>::lanes; ++i) {
    CHECK(low.lane(i) == std::min(a.lane(i), b.lane(i)));
    CHECK(high.lane(i) == std::max(a.lane(i), b.lane(i)));
  }
}

TEMPLATE_TEST_CASE("a real pack times a dual pack scales both parts", "[pack]", float, double) {
  using R = TestType;
  RandomStream random(3);
  const Pack<R> r = random_pack<R>(random, -2, 2);
  const Pack<Dual<R>> d = random_dual_pack<R>(random, -2, 2);
  check_lanes<Dual<R>>([](auto x, auto y) { return x * y; }, r, d);
  check_lanes<Dual<R>>([](auto x, auto y) { return y * x; }, r, d);
}

TEMPLATE_TEST_CASE("multiply-add is one rounding where the machine has it", "[pack]", float,
                   double) {
  using R = TestType;
  RandomStream random(4);
  const bool fuses = isa == "avx2" || isa == "avx512" || isa == "avx512f";
  for (int trial = 0; trial < 20; ++trial) {
    const Pack<R> a = random_pack<R>(random, 1, 2), b = random_pack<R>(random, 1, 2);
    // c cancels the product up to its rounding error.
    const Pack<R> c = -(a * b);
    const Pack<R> sum = fma(a, b, c), difference = fnma(a, b, -c);
    for (int i = 0; i < Pack<R>::lanes; ++i) {
      const R exact = std::fma(a.lane(i), b.lane(i), c.lane(i));
      CAPTURE(isa, i);
      if (fuses) {
        CHECK(sum.lane(i) == exact);
        CHECK(difference.lane(i) == -exact);
      } else {
        // The scalar fallback may be contracted by the compiler.
        CHECK((sum.lane(i) == exact || sum.lane(i) == R(0)));
        CHECK((difference.lane(i) == -exact || difference.lane(i) == R(0)));
      }
    }
  }
}

TEMPLATE_TEST_CASE("multiply-add of duals is the product plus the sum", "[pack]", float, double) {
  using R = TestType;
  RandomStream random(5);
  const auto a = random_dual_pack<R>(random, -2, 2), b = random_dual_pack<R>(random, -2, 2),
             c = random_dual_pack<R>(random, -2, 2);
  const Pack<R> r = random_pack<R>(random, -2, 2);
  const Pack<Dual<R>> general = fma(a, b, c), left = fma(r, b, c), right = fma(b, r, c);
  for (int i = 0; i < Pack<R>::lanes; ++i) {
    CHECK(close(general.lane(i), a.lane(i) * b.lane(i) + c.lane(i)));
    CHECK(close(left.lane(i), r.lane(i) * b.lane(i) + c.lane(i)));
    CHECK(close(right.lane(i), r.lane(i) * b.lane(i) + c.lane(i)));
  }
}

TEMPLATE_TEST_CASE("lanes are summed and counted", "[pack]", float, double) {
  using R = TestType;
  constexpr int lanes = Pack<R>::lanes;
  Pack<Dual<R>> p;
  for (int i = 0; i < lanes; ++i) p.set_lane(i, {static_cast<R>(i + 1), static_cast<R>(-i)});
  // Small integers: exact in any order.
  CHECK(sum_lanes(p.value) == static_cast<R>(lanes * (lanes + 1) / 2));
  CHECK(sum_lanes(p).value == sum_lanes(p.value));
  CHECK(sum_lanes(p).tangent == static_cast<R>(-(lanes - 1) * lanes / 2));

  CHECK(pack_count<R>(0) == 0);
  CHECK(pack_count<R>(1) == 1);
  CHECK(pack_count<R>(lanes) == 1);
  CHECK(pack_count<Dual<R>>(lanes + 1) == 2);

  std::vector<Pack<R>> run(3);
  for (int i = 0; i < 3 * lanes; ++i)
    run[static_cast<std::size_t>(i / lanes)].set_lane(i % lanes, static_cast<R>(i));
  for (int i = 0; i < 3 * lanes; ++i) CHECK(lane_of(run.data(), i) == static_cast<R>(i));
}

TEMPLATE_TEST_CASE("rows become columns", "[pack]", float, double) {
  constexpr int lanes = Pack<TestType>::lanes;
  Pack<TestType> rows[lanes];
  for (int i = 0; i < lanes; ++i)
    for (int k = 0; k < lanes; ++k) rows[i].set_lane(k, static_cast<TestType>(100 * i + k));
  transpose(rows);
  for (int i = 0; i < lanes; ++i)
    for (int k = 0; k < lanes; ++k) CHECK(rows[i].lane(k) == static_cast<TestType>(100 * k + i));
}

TEST_CASE("buffers start at a cache line", "[pack]") {
  for (const std::size_t n : {1u, 3u, 17u}) {
    const Buffer<Pack<double>> packs(n);
    const Buffer<float> numbers(n);
    CHECK(reinterpret_cast<std::uintptr_t>(packs.data()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(numbers.data()) % 64 == 0);
    CHECK(packs[n - 1].lane(0) == 0.0);
  }
}

}  // namespace pack_test
