// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft.hpp>

#include <unsupported/Eigen/FFT>

#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// A MeshFourier on Eigen's unsupported FFT (kissfft): one line at a time, a check on the others
/// and a way out on machines they do not suit. Several times slower than MeshTransform.
template <std::floating_point R>
class EigenMeshTransform {
 public:
  using real_type = R;

  void plan(std::array<int, 3> n) { plan(n, n); }
  /// @throws ModelError when a size is not positive.
  void plan(std::array<int, 3> n, std::array<int, 3> filled) {
    if (n == shape_.n && filled == shape_.filled) return;
    shape_ = detail::MeshShape(n, filled, "EigenMeshTransform");
    const auto longest = static_cast<std::size_t>(std::max({n[0], n[1], n[2]}));
    line_.resize(longest);
    result_.resize(longest);
  }
  static int good_size(int at_least) { return detail::good_mesh_size(at_least); }

  std::array<int, 3> size() const { return shape_.n; }
  std::size_t real_size() const { return shape_.real_size(); }
  std::size_t spectrum_size() const { return shape_.spectrum_size(); }

  void forward(std::span<const R> grid, std::span<std::complex<R>> spectrum) const {
    shape_.check(grid.size(), spectrum.size(), "EigenMeshTransform::forward");
    const int n1 = shape_.n[1], n2 = shape_.n[2], half = shape_.half();
    for (int i0 = 0; i0 < shape_.n[0]; ++i0)
      for (int i1 = 0; i1 < n1; ++i1) {
        const std::size_t row = at(i0, i1, 0, 1);
        std::fill_n(line_.begin(), n2, std::complex<R>(0));
        if (i0 < shape_.filled[0] && i1 < shape_.filled[1])
          for (int i = 0; i < shape_.filled[2]; ++i)
            line_[static_cast<std::size_t>(i)] =
                grid[row * static_cast<std::size_t>(n2) + static_cast<std::size_t>(i)];
        transform(n2, false);
        std::copy_n(result_.begin(), half, spectrum.begin() + offset(i0, i1, 0));
      }
    along(spectrum, 1, false);
    along(spectrum, 0, false);
  }

  void backward(std::span<std::complex<R>> spectrum, std::span<R> grid) const {
    shape_.check(grid.size(), spectrum.size(), "EigenMeshTransform::backward");
    const int n2 = shape_.n[2], half = shape_.half();
    along(spectrum, 0, true);
    along(spectrum, 1, true);
    for (int i0 = 0; i0 < shape_.filled[0]; ++i0)
      for (int i1 = 0; i1 < shape_.filled[1]; ++i1) {
        const auto row = spectrum.begin() + offset(i0, i1, 0);
        std::copy_n(row, half, line_.begin());
        line_[0] = line_[0].real();
        if (n2 % 2 == 0) {
          auto& last = line_[static_cast<std::size_t>(n2 / 2)];
          last = last.real();
        }
        for (int i = half; i < n2; ++i)
          line_[static_cast<std::size_t>(i)] = std::conj(line_[static_cast<std::size_t>(n2 - i)]);
        transform(n2, true);
        for (int i = 0; i < shape_.filled[2]; ++i)
          grid[at(i0, i1, i, n2)] = result_[static_cast<std::size_t>(i)].real();
      }
  }

 private:
  std::size_t at(int i0, int i1, int i2, int last) const {
    return static_cast<std::size_t>((std::ptrdiff_t{i0} * shape_.n[1] + i1) * last + i2);
  }
  std::ptrdiff_t offset(int i0, int i1, int i2) const {
    return static_cast<std::ptrdiff_t>(at(i0, i1, i2, shape_.half()));
  }
  void transform(int n, bool back) const {
    // kissfft has no transform of one number.
    if (n == 1)
      result_[0] = line_[0];
    else if (back)
      fft_.inv(result_.data(), line_.data(), n);
    else
      fft_.fwd(result_.data(), line_.data(), n);
  }
  void along(std::span<std::complex<R>> spectrum, int axis, bool back) const {
    const int n = shape_.n[static_cast<std::size_t>(axis)];
    for (int other = 0; other < (axis == 0 ? shape_.n[1] : shape_.n[0]); ++other)
      for (int k = 0; k < shape_.half(); ++k) {
        const auto index = [&](int i) {
          return axis == 0 ? at(i, other, k, shape_.half()) : at(other, i, k, shape_.half());
        };
        for (int i = 0; i < n; ++i) line_[static_cast<std::size_t>(i)] = spectrum[index(i)];
        transform(n, back);
        for (int i = 0; i < n; ++i) spectrum[index(i)] = result_[static_cast<std::size_t>(i)];
      }
  }

  detail::MeshShape shape_;
  mutable Eigen::FFT<R> fft_{typename Eigen::FFT<R>::impl_type(), Eigen::FFT<R>::Unscaled};
  mutable std::vector<std::complex<R>> line_, result_;
};
static_assert(MeshFourier<EigenMeshTransform<double>>);

}  // namespace leyden::inline LEYDEN_ABI
