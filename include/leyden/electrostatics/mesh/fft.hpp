// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/electrostatics/mesh/fft_lines.hpp>

#include <array>
#include <complex>
#include <concepts>
#include <span>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// A transform of three-dimensional real grids to half spectra and back:
///
///   forward:   S(k) = Σ_x g(x) exp(−2πi Σ_d k_d x_d / n_d),   k₂ = 0 … n₂/2
///   backward:  g(x) = Σ_k S(k) exp(+2πi Σ_d k_d x_d / n_d),   the other half by S(−k) = S*(k)
///
/// (no factor 1/n₀n₁n₂). Grids are [n₀][n₁][n₂], spectra [n₀][n₁][n₂/2 + 1]. `plan(n, filled)` says
/// that grids are zero beyond the first filled[d] planes (forward does not read them) and that
/// nobody reads them (backward leaves them alone). `backward` destroys the spectrum. One object
/// serves one thread at a time: its scratch memory is its own.
template <class F>
concept MeshFourier = std::floating_point<typename F::real_type> && std::default_initializable<F> &&
    requires(F& f, const F& c, std::array<int, 3> n, std::span<const typename F::real_type> grid,
             std::span<typename F::real_type> result,
             std::span<std::complex<typename F::real_type>> spectrum) {
  f.plan(n);
  f.plan(n, n);
  { F::good_size(1) } -> std::same_as<int>;
  { c.size() } -> std::same_as<std::array<int, 3>>;
  { c.real_size() } -> std::same_as<std::size_t>;
  { c.spectrum_size() } -> std::same_as<std::size_t>;
  c.forward(grid, spectrum);
  c.backward(spectrum, result);
};

namespace detail {

/// Sizes of a grid and its spectrum, checked: what all transforms share.
class MeshShape {
 public:
  MeshShape() = default;
  /// @throws ModelError when a size is not positive, or more is filled than there is.
  MeshShape(std::array<int, 3> n, std::array<int, 3> filled, const char* who);

  std::array<int, 3> n{}, filled{};

  int half() const { return n[2] / 2 + 1; }
  std::size_t planes(int last) const {
    return static_cast<std::size_t>(n[0]) * static_cast<std::size_t>(n[1]) *
           static_cast<std::size_t>(last);
  }
  std::size_t real_size() const { return planes(n[2]); }
  std::size_t spectrum_size() const { return n[2] == 0 ? 0 : planes(half()); }
  /// @throws ModelError when the arrays have other sizes.
  void check(std::size_t grid, std::size_t spectrum, const char* who) const;
};

/// The smallest even 2^a 3^b 5^c 7^d that is at least `at_least`.
inline int good_mesh_size(int at_least) {
  for (int n = at_least <= 2 ? 2 : at_least + at_least % 2;; n += 2) {
    int rest = n;
    for (int p : {2, 3, 5, 7})
      while (rest % p == 0) rest /= p;
    if (rest == 1) return n;
  }
}

}  // namespace detail

/// The library's own MeshFourier: `lanes` lines at a time in SIMD lanes, real lines of even length
/// as complex ones of half of it. Made for sizes 2^a 3^b 5^c 7^d; a prime factor p beyond 7 costs
/// p operations per number instead of log p. Odd n₂ cost twice as much as even ones.
template <std::floating_point R>
class MeshTransform {
 public:
  using real_type = R;

  /// Prepares for grids of n points, all filled. Does nothing when nothing changes.
  /// @throws ModelError when a size is not positive.
  void plan(std::array<int, 3> n) { plan(n, n); }
  /// Prepares for grids that are filled only in x_d < filled[d].
  void plan(std::array<int, 3> n, std::array<int, 3> filled);

  /// The smallest size of at least so many points that transforms well (even, factors 2, 3, 5, 7).
  static int good_size(int at_least) { return detail::good_mesh_size(at_least); }

  std::array<int, 3> size() const { return shape_.n; }
  std::array<int, 3> filled() const { return shape_.filled; }
  std::size_t real_size() const { return shape_.real_size(); }
  std::size_t spectrum_size() const { return shape_.spectrum_size(); }

  /// See MeshFourier. `grid` (n₀, n₁, n₂), `spectrum` (n₀, n₁, n₂/2 + 1); fastest when both start
  /// at a cache line, as a Buffer does.
  void forward(std::span<const R> grid, std::span<std::complex<R>> spectrum) const {
    forward(grid, spectrum, SerialExecutor{});
  }
  void backward(std::span<std::complex<R>> spectrum, std::span<R> grid) const {
    backward(spectrum, grid, SerialExecutor{});
  }

  /// The same by an executor's threads, to the last bit. Allocates scratch memory the first time it
  /// sees more workers.
  template <Executor E>
  void forward(std::span<const R> grid, std::span<std::complex<R>> spectrum, const E& e) const;
  template <Executor E>
  void backward(std::span<std::complex<R>> spectrum, std::span<R> grid, const E& e) const;

 private:
  static constexpr int lanes = Pack<R>::lanes;

  // What a worker calculates on: lines, twice, and planes of packed columns.
  struct Scratch {
    R *x, *y, *work, *planes;
  };
  Scratch scratch(int worker) const;
  void reserve(int workers) const;

  // Planes [first, last): rows along axis 2, then columns along axis 1.
  void forward_planes(const R* grid, R* spectrum, int first, int last, const Scratch& s) const;
  void backward_planes(R* spectrum, R* grid, int first, int last, const Scratch& s) const;
  // `lanes` lines along axis 0, from the complex number `at` of every plane.
  void forward_lines(R* spectrum, std::size_t at, const Scratch& s) const;
  void backward_lines(R* spectrum, std::size_t at, const Scratch& s) const;

  // x -> packs of the half spectrum of `lanes` rows, and back; both return where the result is.
  R* real_to_half(R* x, R* y, R* work) const;
  R* half_to_real(R* x, R* y, R* work) const;

  std::size_t groups() const;
  std::size_t line_tasks() const;
  // Columns of a plane are calculated in blocks of `lanes`; the last block overlaps the one before.
  int blocks() const { return (columns_ + lanes - 1) / lanes; }
  int block_start(int b) const { return std::max(0, std::min(b * lanes, columns_ - lanes)); }
  // The columns k₂ = 0 and n₂/2 of a plane are transforms of real numbers each: where a block would
  // hold the last one alone, it rides as the imaginary part of the first.
  bool last_rides() const { return columns_ < shape_.half(); }
  void split_first_column(R* plane) const;
  void join_first_column(R* plane) const;

  detail::MeshShape shape_;
  std::array<detail::LineTransform<R>, 3> lines_;
  // Where the elements of a line along axes 0 and 1 stand; and the same in the order 0, n − 1, …,
  // 1, by which a forward transform goes backward.
  std::array<std::vector<std::ptrdiff_t>, 2> rows_, reversed_;
  Buffer<R> half_turns_;  // (cos, sin)(2πk/n₂)/2 for k ≤ n₂/4
  int columns_ = 0;       // of a plane: n₂/2 + 1, or one less when the last rides
  int group_ = 1;         // planes of a task
  std::size_t line_size_ = 0, work_size_ = 0, plane_size_ = 0;
  mutable Buffer<R> scratch_;
};
static_assert(MeshFourier<MeshTransform<float>> && MeshFourier<MeshTransform<double>>);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/mesh/fft_impl.hpp>
