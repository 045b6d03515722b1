// SPDX-License-Identifier: MIT
#pragma once

// Define LEYDEN_BENCH_FFTW and link fftw3 and fftw3f to compare with FFTW.
#if defined(LEYDEN_BENCH_FFTW) && __has_include(<fftw3.h>)
#define LEYDEN_WITH_FFTW
#define LEYDEN_BENCH_HAS_FFTW 1
#else
#define LEYDEN_BENCH_HAS_FFTW 0
#endif

#include "measure.hpp"

#include <leyden/core/random.hpp>
#include <leyden/electrostatics/mesh/fft.hpp>
#include <leyden/electrostatics/mesh/fft_eigen.hpp>
#include <leyden/electrostatics/mesh/fft_fftw.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

namespace leyden_bench {

/// Sides of cubic meshes as the mesh solver picks them.
inline constexpr int mesh_sides[] = {24, 32, 36, 40, 48, 54, 60, 64, 72, 80, 90, 96, 108, 120, 128};

/// A transform, a grid of noise and its spectrum.
template <class F>
struct MeshCase {
  using R = typename F::real_type;
  F transform;
  leyden::Buffer<R> grid, result;
  leyden::Buffer<std::complex<R>> spectrum;
  leyden::Buffer<std::complex<R>> nothing;  // a spectrum that backward() can be given again

  explicit MeshCase(int n) : MeshCase({n, n, n}, {n, n, n}) {}
  MeshCase(std::array<int, 3> n, std::array<int, 3> filled) {
    transform.plan(n, filled);
    grid.resize(transform.real_size());
    result.resize(transform.real_size());
    spectrum.resize(transform.spectrum_size());
    nothing.resize(transform.spectrum_size());
    leyden::RandomStream random(1);
    for (R& x : grid) x = static_cast<R>(random.normal());
  }
  /// There and back, as a solver does; the grid keeps its size.
  void round_trip() {
    transform.forward(grid, spectrum);
    const R scale = R(1) / static_cast<R>(grid.size());
    for (auto& x : spectrum) x *= scale;
    transform.backward(spectrum, grid);
  }
  void forward() { transform.forward(grid, spectrum); }
  void backward() { transform.backward(nothing, result); }
};

/// CPU seconds of one call of every function: the shortest of `rounds` runs of about `budget`
/// seconds, the functions by turns, so that what else the machine does meets all of them.
template <class... F>
std::array<double, sizeof...(F)> side_by_side(int rounds, double budget, F&&... functions) {
  std::array<double, sizeof...(F)> best;
  best.fill(std::numeric_limits<double>::max());
  std::array<int, sizeof...(F)> calls{};
  const auto turn = [&](std::size_t i, auto& f) {
    const double start = cpu_seconds();
    for (int k = 0; k < std::max(1, calls[i]); ++k) f();
    const double t = (cpu_seconds() - start) / std::max(1, calls[i]);
    // The first call warms the memory and tells how many fit.
    if (calls[i] > 0) best[i] = std::min(best[i], t);
    calls[i] = std::clamp(static_cast<int>(budget / std::max(t, 1e-9)), 1, 100000);
  };
  for (int round = 0; round <= rounds; ++round) {
    std::size_t i = 0;
    (turn(i++, functions), ...);
  }
  return best;
}

/// Calls figure(name, value, unit) for the mesh transforms: times per point, and (where FFTW is)
/// their ratios to FFTW's.
template <class R, class Figure>
void fft_figures_of(Figure&& figure, const std::string& kind) {
  for (int n : mesh_sides) {
    const std::string name = "mesh transform/" + kind + "/" + std::to_string(n);
    MeshCase<leyden::MeshTransform<R>> ours(n);
    const int half = n / 2;
    MeshCase<leyden::MeshTransform<R>> padded({n, n, n}, {half, half, half});
    const double per_point = 1e9 / static_cast<double>(ours.grid.size());
#if LEYDEN_BENCH_HAS_FFTW
    MeshCase<leyden::FftwMeshTransform<R>> fftw(n);
    const auto t = side_by_side(
        9, 2e-3, [&] { ours.forward(); }, [&] { padded.forward(); }, [&] { ours.backward(); },
        [&] { fftw.forward(); }, [&] { fftw.backward(); });
#else
    const auto t = side_by_side(
        9, 2e-3, [&] { ours.forward(); }, [&] { padded.forward(); }, [&] { ours.backward(); });
#endif
    figure(name + "/forward", t[0] * per_point, "ns/point");
    figure(name + "/backward", t[2] * per_point, "ns/point");
    figure(name + "/forward, an eighth filled", t[1] / t[0], "of forward");
#if LEYDEN_BENCH_HAS_FFTW
    figure(name + "/forward against FFTW", t[0] / t[3], "of FFTW");
    figure(name + "/backward against FFTW", t[2] / t[4], "of FFTW");
#endif
  }
}

template <class Figure>
void fft_figures(Figure&& figure) {
  fft_figures_of<double>(figure, "double");
  fft_figures_of<float>(figure, "float");
}

}  // namespace leyden_bench
