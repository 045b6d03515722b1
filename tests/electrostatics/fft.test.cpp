// SPDX-License-Identifier: MIT
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/thread_executor.hpp"

#include <leyden/core/random.hpp>
#include <leyden/electrostatics/mesh/fft.hpp>
#include <leyden/electrostatics/mesh/fft_eigen.hpp>
#include <leyden/electrostatics/mesh/fft_fftw.hpp>

#include <cmath>
#include <limits>
#include <numbers>

namespace fft_test {

namespace {

using namespace leyden;
using Size = std::array<int, 3>;

static_assert(MeshFourier<MeshTransform<float>> && MeshFourier<MeshTransform<double>>);
static_assert(MeshFourier<EigenMeshTransform<float>> && MeshFourier<EigenMeshTransform<double>>);
#if defined(LEYDEN_WITH_FFTW)
static_assert(MeshFourier<FftwMeshTransform<float>> && MeshFourier<FftwMeshTransform<double>>);
#endif

template <class R>
using Spectrum = Buffer<std::complex<R>>;

std::size_t count(Size n) { return static_cast<std::size_t>(n[0] * n[1] * n[2]); }
std::size_t half_count(Size n) { return static_cast<std::size_t>(n[0] * n[1] * (n[2] / 2 + 1)); }

template <class R>
Buffer<R> random_grid(Size n, std::uint64_t seed = 5) {
  RandomStream random(seed);
  Buffer<R> grid(count(n));
  for (R& x : grid) x = static_cast<R>(random.normal());
  return grid;
}

// Zero where nothing is filled.
template <class R>
Buffer<R> cut(Buffer<R> grid, Size n, Size filled) {
  std::size_t at = 0;
  for (int i = 0; i < n[0]; ++i)
    for (int j = 0; j < n[1]; ++j)
      for (int k = 0; k < n[2]; ++k, ++at)
        if (i >= filled[0] || j >= filled[1] || k >= filled[2]) grid[at] = R(0);
  return grid;
}

// The definition, axis after axis, in long double.
template <class R>
std::vector<std::complex<long double>> definition(const Buffer<R>& grid, Size n) {
  using C = std::complex<long double>;
  std::vector<C> a(grid.begin(), grid.end());
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::size_t stride = 1;
    for (std::size_t d = axis + 1; d < 3; ++d) stride *= static_cast<std::size_t>(n[d]);
    const auto size = static_cast<std::size_t>(n[axis]);
    std::vector<C> roots, line(size);
    for (std::size_t j = 0; j < size; ++j)
      roots.push_back(
          std::polar(1.0L, -2 * std::numbers::pi_v<long double> * static_cast<long double>(j) /
                               static_cast<long double>(size)));
    for (std::size_t at = 0; at < a.size(); ++at) {
      if (at / stride % size != 0) continue;
      for (std::size_t k = 0; k < size; ++k) {
        line[k] = 0;
        for (std::size_t j = 0; j < size; ++j) line[k] += a[at + j * stride] * roots[j * k % size];
      }
      for (std::size_t k = 0; k < size; ++k) a[at + k * stride] = line[k];
    }
  }
  std::vector<C> half;
  for (std::size_t at = 0; at < a.size(); ++at)
    if (at % static_cast<std::size_t>(n[2]) <= static_cast<std::size_t>(n[2] / 2))
      half.push_back(a[at]);
  return half;
}

// √(Σ|a − b|²/Σ|b|²)
template <class A, class B>
double relative_rms(const A& a, const B& b) {
  long double error = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    using C = std::complex<long double>;
    error += std::norm(C(a[i]) - C(b[i]));
    norm += std::norm(C(b[i]));
  }
  return static_cast<double>(std::sqrt(error / norm));
}

// Rounding errors of a fast transform grow as the square root of the number of passes: an ulp of
// the largest partial sum times log2 of the size is never reached.
template <class R>
double tolerance(Size n) {
  return static_cast<double>(std::numeric_limits<R>::epsilon()) *
         (1.0 + 0.5 * std::log2(static_cast<double>(count(n))));
}

template <class F>
void check_definition(Size n) {
  using R = typename F::real_type;
  INFO(n[0] << " x " << n[1] << " x " << n[2]);
  F transform;
  transform.plan(n);
  REQUIRE(transform.real_size() == count(n));
  REQUIRE(transform.spectrum_size() == half_count(n));
  const Buffer<R> grid = random_grid<R>(n);
  Spectrum<R> spectrum(half_count(n));
  transform.forward(grid, spectrum);
  CHECK(relative_rms(spectrum, definition(grid, n)) < tolerance<R>(n));
  Buffer<R> back(count(n));
  transform.backward(spectrum, back);
  for (R& x : back) x /= static_cast<R>(count(n));
  CHECK(relative_rms(back, grid) < tolerance<R>(n));
}

TEST_CASE("mesh transform is the discrete Fourier transform", "[fft]") {
  // Every radix alone, first and last; odd, even, prime and trivial sizes; full and cut packs.
  const Size n =
      GENERATE(Size{1, 1, 1}, Size{1, 1, 2}, Size{2, 1, 1}, Size{2, 3, 4}, Size{3, 4, 5},
               Size{5, 6, 7}, Size{6, 7, 8}, Size{8, 9, 10}, Size{9, 10, 12}, Size{10, 12, 16},
               Size{12, 16, 18}, Size{16, 5, 20}, Size{7, 8, 32}, Size{18, 20, 6}, Size{32, 15, 3},
               Size{25, 3, 14}, Size{1, 27, 2}, Size{21, 1, 40}, Size{11, 13, 22}, Size{17, 2, 26},
               Size{22, 33, 1}, Size{2, 19, 37}, Size{48, 3, 35}, Size{3, 64, 24}, Size{3, 2, 128},
               Size{4, 5, 32}, Size{5, 3, 64});
  check_definition<MeshTransform<double>>(n);
  check_definition<MeshTransform<float>>(n);
}

TEST_CASE("mesh transforms of other makers are the same", "[fft]") {
  const Size n = GENERATE(Size{1, 1, 1}, Size{3, 4, 5}, Size{6, 8, 10}, Size{11, 7, 2});
  check_definition<EigenMeshTransform<double>>(n);
#if defined(LEYDEN_WITH_FFTW)
  check_definition<FftwMeshTransform<double>>(n);
  check_definition<FftwMeshTransform<float>>(n);
#endif
}

TEST_CASE("mesh transform takes the real part of what no real grid has as spectrum", "[fft]") {
  const Size n = GENERATE(Size{4, 5, 6}, Size{3, 4, 32}, Size{6, 5, 16}, Size{4, 3, 5});
  MeshTransform<double> ours;
  EigenMeshTransform<double> theirs;
  ours.plan(n);
  theirs.plan(n);
  RandomStream random(3);
  Spectrum<double> a(half_count(n));
  for (auto& x : a) x = {random.normal(), random.normal()};
  Spectrum<double> b = a;
  Buffer<double> x(count(n)), y(count(n));
  ours.backward(a, x);
  theirs.backward(b, y);
  CHECK(relative_rms(x, y) < tolerance<double>(n));
}

TEST_CASE("mesh transform keeps sums of squares", "[fft]") {
  const Size n{12, 20, 18};
  MeshTransform<double> transform;
  transform.plan(n);
  const Buffer<double> grid = random_grid<double>(n);
  Spectrum<double> spectrum(transform.spectrum_size());
  transform.forward(grid, spectrum);
  double space = 0, wave = 0;
  for (double x : grid) space += x * x;
  for (std::size_t i = 0; i < spectrum.size(); ++i) {
    const std::size_t k = i % 10;
    wave += (k == 0 || k == 9 ? 1.0 : 2.0) * std::norm(spectrum[i]);
  }
  CHECK(std::abs(wave / static_cast<double>(count(n)) - space) < 1e-13 * space);
}

TEST_CASE("mesh transform is linear and turns shifts into phases", "[fft]") {
  const Size n{6, 9, 16};
  MeshTransform<double> transform;
  transform.plan(n);
  const Buffer<double> a = random_grid<double>(n, 1), b = random_grid<double>(n, 2);
  // c(x) = 2a(x) + b(x − s)
  const Size s{4, 2, 5};
  Buffer<double> c(count(n));
  const auto at = [&](int i, int j, int k) {
    return static_cast<std::size_t>((i * n[1] + j) * n[2] + k);
  };
  for (int i = 0; i < n[0]; ++i)
    for (int j = 0; j < n[1]; ++j)
      for (int k = 0; k < n[2]; ++k)
        c[at((i + s[0]) % n[0], (j + s[1]) % n[1], (k + s[2]) % n[2])] = b[at(i, j, k)];
  for (std::size_t i = 0; i < c.size(); ++i) c[i] += 2 * a[i];
  Spectrum<double> fa(half_count(n)), fb(half_count(n)), fc(half_count(n));
  transform.forward(a, fa);
  transform.forward(b, fb);
  transform.forward(c, fc);
  std::size_t index = 0;
  for (int i = 0; i < n[0]; ++i)
    for (int j = 0; j < n[1]; ++j)
      for (int k = 0; k <= n[2] / 2; ++k, ++index) {
        const double phase =
            2 * std::numbers::pi *
            (static_cast<double>(i * s[0]) / n[0] + static_cast<double>(j * s[1]) / n[1] +
             static_cast<double>(k * s[2]) / n[2]);
        fb[index] = 2.0 * fa[index] + fb[index] * std::polar(1.0, -phase);
      }
  // The phases carry the rounding of angles up to 60.
  CHECK(relative_rms(fc, fb) < 1e-14);
}

template <class F>
void check_filled(Size n, Size filled) {
  using R = typename F::real_type;
  INFO(n[0] << " x " << n[1] << " x " << n[2]);
  F all, part;
  all.plan(n);
  part.plan(n, filled);
  Buffer<R> grid = random_grid<R>(n);
  Spectrum<R> expected(half_count(n)), spectrum(half_count(n));
  all.forward(cut(grid, n, filled), expected);
  // The rest is not read, be it what it may.
  const Buffer<R> kept = cut(grid, n, filled);
  for (std::size_t i = 0; i < grid.size(); ++i)
    if (kept[i] == R(0)) grid[i] = std::numeric_limits<R>::quiet_NaN();
  for (auto& x : spectrum) x = std::numeric_limits<R>::quiet_NaN();
  part.forward(grid, spectrum);
  CHECK(relative_rms(spectrum, expected) < tolerance<R>(n));
  // Nor is it written.
  Buffer<R> back(count(n), R(7)), expected_back(count(n));
  all.backward(expected, expected_back);
  part.backward(spectrum, back);
  CHECK(relative_rms(cut(back, n, filled), cut(expected_back, n, filled)) < tolerance<R>(n));
  for (std::size_t i = 0; i < back.size(); ++i)
    if (kept[i] == R(0)) REQUIRE(back[i] == R(7));
}

TEST_CASE("mesh transform of a partly filled grid is that of the grid with zeros", "[fft]") {
  const auto [n, filled] = GENERATE(table<Size, Size>({{{8, 8, 8}, {4, 4, 4}},
                                                       {{24, 20, 36}, {12, 10, 18}},
                                                       {{24, 20, 36}, {24, 20, 18}},
                                                       {{18, 32, 40}, {7, 32, 11}},
                                                       {{9, 11, 15}, {4, 1, 8}},
                                                       {{2, 3, 5}, {1, 3, 5}}}));
  check_filled<MeshTransform<double>>(n, filled);
  check_filled<MeshTransform<float>>(n, filled);
  check_filled<EigenMeshTransform<double>>(n, filled);
#if defined(LEYDEN_WITH_FFTW)
  check_filled<FftwMeshTransform<double>>(n, filled);
#endif
}

TEST_CASE("mesh transform by threads is the same to the last bit", "[fft]") {
  const Size n{20, 18, 24}, filled = GENERATE(Size{20, 18, 24}, Size{11, 9, 13});
  MeshTransform<double> transform;
  transform.plan(n, filled);
  const Buffer<double> grid = random_grid<double>(n);
  Spectrum<double> one(half_count(n)), many(half_count(n));
  Buffer<double> back_one(count(n)), back_many(count(n));
  transform.forward(grid, one);
  for (int threads : {2, 5}) {
    transform.forward(grid, many, leyden_test::ThreadExecutor(threads));
    CHECK(many == one);
    transform.backward(many, back_many, leyden_test::ThreadExecutor(threads));
    Spectrum<double> copy = one;
    transform.backward(copy, back_one);
    CHECK(back_many == back_one);
  }
}

TEST_CASE("mesh transform does not allocate once planned", "[fft]") {
  MeshTransform<float> transform;
  const Size n{12, 10, 14};
  transform.plan(n);
  Buffer<float> grid = random_grid<float>(n);
  Spectrum<float> spectrum(half_count(n));
  const auto allocations = leyden_test::allocations_of([&] {
    transform.plan(n);
    transform.forward(grid, spectrum);
    transform.backward(spectrum, grid);
  });
  CHECK(allocations == 0);
}

TEST_CASE("mesh transform can be planned again and copied", "[fft]") {
  MeshTransform<double> transform;
  for (const Size n : {Size{8, 12, 10}, Size{4, 3, 2}, Size{9, 16, 30}}) {
    transform.plan(n);
    const MeshTransform<double> copy = transform;
    const Buffer<double> grid = random_grid<double>(n);
    Spectrum<double> spectrum(half_count(n));
    copy.forward(grid, spectrum);
    CHECK(relative_rms(spectrum, definition(grid, n)) < tolerance<double>(n));
  }
}

TEST_CASE("good mesh sizes are even and have small factors", "[fft]") {
  const int expected[][2] = {{0, 2},     {1, 2},     {3, 4},    {11, 12}, {17, 18},
                             {23, 24},   {25, 28},   {33, 36},  {65, 70}, {97, 98},
                             {121, 126}, {127, 128}, {129, 140}};
  for (const auto& [at_least, size] : expected)
    CHECK(MeshTransform<double>::good_size(at_least) == size);
}

TEST_CASE("mesh transform refuses what it cannot do", "[fft]") {
  MeshTransform<double> transform;
  CHECK_THROWS_AS(transform.plan({0, 2, 2}), ModelError);
  CHECK_THROWS_AS(transform.plan({4, 4, 4}, {4, 5, 4}), ModelError);
  CHECK_THROWS_AS(transform.plan({4, 4, 4}, {4, 0, 4}), ModelError);
  Buffer<double> grid(64);
  Spectrum<double> spectrum(48);
  CHECK_THROWS_AS(transform.forward(grid, spectrum), ModelError);
  transform.plan({4, 4, 4});
  spectrum.resize(47);
  CHECK_THROWS_WITH(transform.forward(grid, spectrum),
                    Catch::Matchers::ContainsSubstring("expected 64 and 48"));
}

}  // namespace

}  // namespace fft_test
