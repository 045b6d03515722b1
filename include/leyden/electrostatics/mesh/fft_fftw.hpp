// SPDX-License-Identifier: MIT
#pragma once

// FFTW is under the GNU General Public License: a program that uses this header is too (or has a
// licence bought from MIT). Hence opt-in: define LEYDEN_WITH_FFTW before including it, and link
// fftw3 and fftw3f. Without the macro this header is empty, and nothing of leyden needs it.
#if defined(LEYDEN_WITH_FFTW)

#include <leyden/electrostatics/mesh/fft.hpp>

#include <fftw3.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
template <class R>
struct Fftw;
template <>
struct Fftw<double> {
  using Plan = fftw_plan;
  using Complex = fftw_complex;
  static constexpr auto forward = fftw_plan_dft_r2c_3d;
  static constexpr auto backward = fftw_plan_dft_c2r_3d;
  static constexpr auto run_forward = fftw_execute_dft_r2c;
  static constexpr auto run_backward = fftw_execute_dft_c2r;
  static constexpr auto destroy = fftw_destroy_plan;
};
template <>
struct Fftw<float> {
  using Plan = fftwf_plan;
  using Complex = fftwf_complex;
  static constexpr auto forward = fftwf_plan_dft_r2c_3d;
  static constexpr auto backward = fftwf_plan_dft_c2r_3d;
  static constexpr auto run_forward = fftwf_execute_dft_r2c;
  static constexpr auto run_backward = fftwf_execute_dft_c2r;
  static constexpr auto destroy = fftwf_destroy_plan;
};
}  // namespace detail

/// A MeshFourier on FFTW. Planning measures, which takes seconds for large meshes, and is not
/// thread-safe (FFTW keeps its wisdom in globals). Does not gain from partly filled grids: forward
/// clears what is not filled in a copy, backward writes everything.
template <std::floating_point R>
class FftwMeshTransform {
 public:
  using real_type = R;

  FftwMeshTransform() = default;
  FftwMeshTransform(const FftwMeshTransform&) = delete;
  FftwMeshTransform& operator=(const FftwMeshTransform&) = delete;
  ~FftwMeshTransform() { clear(); }

  void plan(std::array<int, 3> n) { plan(n, n); }
  /// @throws ModelError when a size is not positive.
  void plan(std::array<int, 3> n, std::array<int, 3> filled) {
    if (n == shape_.n && filled == shape_.filled) return;
    const detail::MeshShape shape(n, filled, "FftwMeshTransform");
    clear();
    shape_ = shape;
    grid_.resize(real_size());
    spectrum_.resize(spectrum_size());
    forward_ = F::forward(n[0], n[1], n[2], grid_.data(), complex(spectrum_.data()), FFTW_MEASURE);
    backward_ =
        F::backward(n[0], n[1], n[2], complex(spectrum_.data()), grid_.data(), FFTW_MEASURE);
  }
  static int good_size(int at_least) { return detail::good_mesh_size(at_least); }

  std::array<int, 3> size() const { return shape_.n; }
  std::size_t real_size() const { return shape_.real_size(); }
  std::size_t spectrum_size() const { return shape_.spectrum_size(); }

  void forward(std::span<const R> grid, std::span<std::complex<R>> spectrum) const {
    shape_.check(grid.size(), spectrum.size(), "FftwMeshTransform::forward");
    if (shape_.filled == shape_.n && aligned(grid.data()) && aligned(spectrum.data())) {
      // FFTW does not write to the input of a forward transform out of place.
      F::run_forward(forward_, const_cast<R*>(grid.data()), complex(spectrum.data()));
      return;
    }
    std::fill(grid_.begin(), grid_.end(), R(0));
    copy_filled(grid.data(), grid_.data());
    F::run_forward(forward_, grid_.data(), complex(spectrum_.data()));
    std::copy(spectrum_.begin(), spectrum_.end(), spectrum.begin());
  }

  void backward(std::span<std::complex<R>> spectrum, std::span<R> grid) const {
    shape_.check(grid.size(), spectrum.size(), "FftwMeshTransform::backward");
    if (shape_.filled == shape_.n && aligned(grid.data()) && aligned(spectrum.data())) {
      F::run_backward(backward_, complex(spectrum.data()), grid.data());
      return;
    }
    std::copy(spectrum.begin(), spectrum.end(), spectrum_.begin());
    F::run_backward(backward_, complex(spectrum_.data()), grid_.data());
    copy_filled(grid_.data(), grid.data());
  }

 private:
  using F = detail::Fftw<R>;
  static typename F::Complex* complex(std::complex<R>* p) {
    return reinterpret_cast<typename F::Complex*>(p);
  }
  // As the arrays that were planned for.
  static bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 64 == 0; }
  void copy_filled(const R* from, R* to) const {
    for (int i0 = 0; i0 < shape_.filled[0]; ++i0)
      for (int i1 = 0; i1 < shape_.filled[1]; ++i1) {
        const std::ptrdiff_t row = (std::ptrdiff_t{i0} * shape_.n[1] + i1) * shape_.n[2];
        std::copy_n(from + row, shape_.filled[2], to + row);
      }
  }
  void clear() {
    if (forward_ != nullptr) F::destroy(std::exchange(forward_, nullptr));
    if (backward_ != nullptr) F::destroy(std::exchange(backward_, nullptr));
  }

  detail::MeshShape shape_;
  typename F::Plan forward_ = nullptr, backward_ = nullptr;
  mutable Buffer<R> grid_;
  mutable Buffer<std::complex<R>> spectrum_;
};
static_assert(MeshFourier<FftwMeshTransform<double>>);

}  // namespace leyden::inline LEYDEN_ABI

#endif
