// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft.hpp>

namespace leyden::inline LEYDEN_ABI {
namespace detail {

inline MeshShape::MeshShape(std::array<int, 3> size, std::array<int, 3> used, const char* who)
    : n(size), filled(used) {
  const auto text = [](std::array<int, 3> a) {
    return std::to_string(a[0]) + " x " + std::to_string(a[1]) + " x " + std::to_string(a[2]);
  };
  for (std::size_t d = 0; d < 3; ++d) {
    if (n[d] < 1)
      throw ModelError(std::string(who) + ": the mesh has " + text(n) +
                       " points; every size must be at least 1");
    if (filled[d] < 1 || filled[d] > n[d])
      throw ModelError(std::string(who) + ": of a mesh of " + text(n) + " points " + text(filled) +
                       " are said to be filled; expected 1 to all along every axis");
  }
}

inline void MeshShape::check(std::size_t grid, std::size_t spectrum, const char* who) const {
  if (grid == real_size() && spectrum == spectrum_size() && grid > 0) return;
  throw ModelError(
      std::string(who) + ": a grid of " + std::to_string(grid) + " numbers and a spectrum of " +
      std::to_string(spectrum) + " were given; expected " + std::to_string(real_size()) + " and " +
      std::to_string(spectrum_size()) + ". Call plan() with the sizes of the mesh first");
}

}  // namespace detail

template <std::floating_point R>
void MeshTransform<R>::plan(std::array<int, 3> n, std::array<int, 3> filled) {
  if (n == shape_.n && filled == shape_.filled) return;
  shape_ = detail::MeshShape(n, filled, "MeshTransform");
  const bool even = n[2] % 2 == 0;
  const int half = shape_.half();
  columns_ = even && n[2] / 2 % lanes == 0 ? n[2] / 2 : half;
  lines_[0].plan(n[0]);
  lines_[1].plan(n[1]);
  lines_[2].plan(even ? n[2] / 2 : n[2]);
  for (std::size_t d = 0; d < 2; ++d) {
    rows_[d].resize(static_cast<std::size_t>(n[d]));
    reversed_[d].resize(static_cast<std::size_t>(n[d]));
    const std::ptrdiff_t stride =
        d == 0 ? std::ptrdiff_t{2} * half * n[1] : std::ptrdiff_t{2} * half;
    for (int i = 0; i < n[d]; ++i) {
      rows_[d][static_cast<std::size_t>(i)] = i * stride;
      reversed_[d][static_cast<std::size_t>(i)] = (n[d] - i) % n[d] * stride;
    }
  }
  half_turns_.clear();
  for (int k = 0; k <= n[2] / 4; ++k) {
    const detail::Root w = detail::root_of_unity(k, n[2]);
    half_turns_.push_back(static_cast<R>(w.cosine / 2));
    half_turns_.push_back(static_cast<R>(w.sine / 2));
  }

  const auto pair = static_cast<std::size_t>(2 * lanes);
  const int longest = std::max({n[0], n[1], n[2] + 1, blocks() * lanes});
  line_size_ = pair * static_cast<std::size_t>(longest);
  work_size_ = 0;
  for (const auto& l : lines_) work_size_ = std::max(work_size_, l.work_size());
  const std::size_t plane = pair * static_cast<std::size_t>(n[1] * blocks());
  // Rows of several planes fill the lanes better; planes should stay in the second cache.
  double best = 1e300;
  for (int g = 1; g <= std::min(filled[0], 16); ++g) {
    if (g > 1 && static_cast<std::size_t>(g) * plane * sizeof(R) > (std::size_t{1} << 19)) break;
    const int rows = g * filled[1];
    const double waste = static_cast<double>((rows + lanes - 1) / lanes * lanes) / rows;
    if (waste > best - 0.03) continue;
    best = waste;
    group_ = g;
  }
  plane_size_ = static_cast<std::size_t>(group_) * plane;
  scratch_.clear();
  reserve(1);
}

template <std::floating_point R>
void MeshTransform<R>::reserve(int workers) const {
  const std::size_t size =
      static_cast<std::size_t>(workers) * (2 * line_size_ + work_size_ + plane_size_);
  // Zeros, so that what pads the lanes is a number.
  if (scratch_.size() < size) scratch_.resize(size);
}

template <std::floating_point R>
auto MeshTransform<R>::scratch(int worker) const -> Scratch {
  const std::size_t size = 2 * line_size_ + work_size_ + plane_size_;
  R* const at = scratch_.data() + static_cast<std::size_t>(worker) * size;
  R* const y = at + line_size_;
  return {at, y, y + line_size_, y + line_size_ + work_size_};
}

template <std::floating_point R>
std::size_t MeshTransform<R>::groups() const {
  return static_cast<std::size_t>((shape_.filled[0] + group_ - 1) / group_);
}

namespace detail {
// Packs of lines along axis 0 that make a task.
inline constexpr std::size_t packs_of_a_task = 16;
}  // namespace detail

template <std::floating_point R>
std::size_t MeshTransform<R>::line_tasks() const {
  const std::size_t task = detail::packs_of_a_task * static_cast<std::size_t>(lanes);
  return (static_cast<std::size_t>(shape_.n[1] * shape_.half()) + task - 1) / task;
}

template <std::floating_point R>
template <Executor E>
void MeshTransform<R>::forward(std::span<const R> grid, std::span<std::complex<R>> spectrum,
                               const E& e) const {
  shape_.check(grid.size(), spectrum.size(), "MeshTransform::forward");
  reserve(e.concurrency());
  // An array of complex numbers is an array of their parts, says the standard.
  R* const out = reinterpret_cast<R*>(spectrum.data());
  e.for_each(groups(), [&](std::size_t task, int worker) {
    const int first = static_cast<int>(task) * group_;
    forward_planes(grid.data(), out, first, std::min(first + group_, shape_.filled[0]),
                   scratch(worker));
  });
  if (shape_.n[0] == 1) return;
  e.for_each(line_tasks(), [&](std::size_t task, int worker) {
    for (std::size_t i = 0; i < detail::packs_of_a_task; ++i)
      forward_lines(out, (task * detail::packs_of_a_task + i) * static_cast<std::size_t>(lanes),
                    scratch(worker));
  });
}

template <std::floating_point R>
template <Executor E>
void MeshTransform<R>::backward(std::span<std::complex<R>> spectrum, std::span<R> grid,
                                const E& e) const {
  shape_.check(grid.size(), spectrum.size(), "MeshTransform::backward");
  reserve(e.concurrency());
  R* const in = reinterpret_cast<R*>(spectrum.data());
  if (shape_.n[0] > 1)
    e.for_each(line_tasks(), [&](std::size_t task, int worker) {
      for (std::size_t i = 0; i < detail::packs_of_a_task; ++i)
        backward_lines(in, (task * detail::packs_of_a_task + i) * static_cast<std::size_t>(lanes),
                       scratch(worker));
    });
  e.for_each(groups(), [&](std::size_t task, int worker) {
    const int first = static_cast<int>(task) * group_;
    backward_planes(in, grid.data(), first, std::min(first + group_, shape_.filled[0]),
                    scratch(worker));
  });
}

template <std::floating_point R>
void MeshTransform<R>::forward_lines(R* spectrum, std::size_t at, const Scratch& s) const {
  using namespace detail;
  const auto line_count = static_cast<std::size_t>(shape_.n[1] * shape_.half());
  if (at >= line_count) return;
  const int count = static_cast<int>(std::min(line_count - at, static_cast<std::size_t>(lanes)));
  const int n = shape_.n[0], filled = shape_.filled[0];
  R* const base = spectrum + 2 * at;
  const ComplexLines<R> lines{base, rows_[0].data()};
  if (count == lanes && filled == n) return lines_[0].run(lines, lines, s.x, s.y, s.work);
  const PackedLines<R> x{s.x};
  for (int i = 0; i < n; ++i)
    x.store(i, i >= filled      ? ComplexPack<R>{}
               : count == lanes ? lines.load(i)
                                : load_complex<R>(base + lines.rows[i], count));
  if (count == lanes) return lines_[0].run(x, lines, s.y, s.x, s.work);
  const PackedLines<R> result{lines_[0].run(s.x, s.y, s.work)};
  for (int i = 0; i < n; ++i) store_complex(base + lines.rows[i], result.load(i), count);
}

template <std::floating_point R>
void MeshTransform<R>::backward_lines(R* spectrum, std::size_t at, const Scratch& s) const {
  using namespace detail;
  const auto line_count = static_cast<std::size_t>(shape_.n[1] * shape_.half());
  if (at >= line_count) return;
  const int count = static_cast<int>(std::min(line_count - at, static_cast<std::size_t>(lanes)));
  const int n = shape_.n[0], filled = shape_.filled[0];
  R* const base = spectrum + 2 * at;
  const ComplexLines<R> lines{base, rows_[0].data()}, reversed{base, reversed_[0].data()};
  if (count == lanes && filled == n) return lines_[0].run(reversed, lines, s.x, s.y, s.work);
  const PackedLines<R> x{s.x};
  for (int i = 0; i < n; ++i)
    x.store(i, count == lanes ? reversed.load(i) : load_complex<R>(base + reversed.rows[i], count));
  const PackedLines<R> result{lines_[0].run(s.x, s.y, s.work)};
  for (int i = 0; i < filled; ++i)
    if (count == lanes)
      lines.store(i, result.load(i));
    else
      store_complex(base + lines.rows[i], result.load(i), count);
}

template <std::floating_point R>
R* MeshTransform<R>::real_to_half(R* x, R* y, R* work) const {
  using namespace detail;
  R* const at = lines_[2].run(x, y, work);
  if (shape_.n[2] % 2 != 0) return at;
  // Even and odd points are the real and imaginary parts of a line z of half the length m:
  // X_k = (Z_k + Z*_(m−k))/2 + exp(−2πik/n₂) (Z_k − Z*_(m−k))/2i, and X_(m−k) from the same two.
  const int m = shape_.n[2] / 2;
  const PackedLines<R> z{at}, half{at == x ? y : x};
  const ComplexPack<R> first = z.load(0);
  const Pack<R> last = first.re - first.im, none(R(0));
  half.store(0, {first.re + first.im, last_rides() ? last : none});
  half.store(m, {last, none});
  const Pack<R> h(R(0.5));
  for (int k = 1; 2 * k < m; ++k) {
    const ComplexPack<R> a = z.load(k), b = z.load(m - k);
    const ComplexPack<R> odd{a.im + b.im, b.re - a.re};
    const R* const w = half_turns_.data() + 2 * k;
    const ComplexPack<R> t = turned(odd, Pack<R>(w[0]), Pack<R>(w[1]));
    const Pack<R> re = a.re + b.re, im = a.im - b.im;
    half.store(k, {fma(re, h, t.re), fma(im, h, t.im)});
    half.store(m - k, {fma(re, h, -t.re), fnma(im, h, t.im)});
  }
  if (m % 2 == 0) {
    const ComplexPack<R> middle = z.load(m / 2);
    half.store(m / 2, {middle.re, -middle.im});
  }
  return half.at;
}

template <std::floating_point R>
R* MeshTransform<R>::half_to_real(R* x, R* y, R* work) const {
  using namespace detail;
  const PackedLines<R> half{x}, z{y};
  const int n = shape_.n[2];
  const ComplexPack<R> first = half.load(0);
  // Stored at n − k: the forward transform of a reversed line goes backward.
  if (n % 2 != 0) {
    z.store(0, {first.re, Pack<R>(R(0))});
    for (int k = 1; 2 * k < n; ++k) {
      const ComplexPack<R> a = half.load(k);
      z.store(n - k, a);
      z.store(k, {a.re, -a.im});
    }
    return lines_[2].run(y, x, work);
  }
  const int m = n / 2;
  const Pack<R> last = last_rides() ? first.im : half.load(m).re;
  z.store(0, {first.re + last, first.re - last});
  const Pack<R> two(R(2));
  for (int k = 1; 2 * k < m; ++k) {
    const ComplexPack<R> a = half.load(k), b = half.load(m - k);
    const ComplexPack<R> sum{a.re + b.re, a.im - b.im}, difference{a.re - b.re, a.im + b.im};
    const Pack<R> c = Pack<R>(half_turns_[static_cast<std::size_t>(2 * k)]) * two;
    const Pack<R> s = Pack<R>(half_turns_[static_cast<std::size_t>(2 * k + 1)]) * two;
    // i · difference · exp(2πik/n₂)
    const ComplexPack<R> t{-fma(difference.im, c, difference.re * s),
                           fnma(difference.im, s, difference.re * c)};
    z.store(m - k, sum + t);
    z.store(k, {sum.re - t.re, t.im - sum.im});
  }
  if (m % 2 == 0) {
    const ComplexPack<R> middle = half.load(m / 2);
    z.store(m / 2, {two * middle.re, -(two * middle.im)});
  }
  return lines_[2].run(y, x, work);
}

template <std::floating_point R>
void MeshTransform<R>::forward_planes(const R* grid, R* spectrum, int first, int last,
                                      const Scratch& s) const {
  using namespace detail;
  const int n1 = shape_.n[1], n2 = shape_.n[2], half = shape_.half();
  const int used1 = shape_.filled[1], used2 = shape_.filled[2];
  const int rows = (last - first) * used1, step = n2 % 2 == 0 ? 1 : 2;
  const std::ptrdiff_t block = std::ptrdiff_t{2} * lanes * n1, plane = block * blocks();
  for (int row = 0; row < rows; row += lanes) {
    const R* from[lanes];
    R* to[lanes];
    for (int l = 0; l < lanes; ++l) {
      const int r = std::min(row + l, rows - 1), i0 = r / used1, i1 = r % used1;
      from[l] = grid + (static_cast<std::ptrdiff_t>(first + i0) * n1 + i1) * n2;
      to[l] = s.planes + i0 * plane + std::ptrdiff_t{2} * lanes * i1;
    }
    rows_to_columns(from, used2, s.x, step, std::ptrdiff_t{lanes} * n2);
    if (used2 < n2) std::fill_n(s.x + used2 * step * lanes, (n2 - used2) * step * lanes, R(0));
    if (step == 2)
      for (int c = 0; c < used2; ++c) std::fill_n(s.x + (2 * c + 1) * lanes, lanes, R(0));
    const R* const result = real_to_half(s.x, s.y, s.work);
    const int count = std::min(lanes, rows - row);
    for (int b = 0; b < blocks(); ++b)
      for (int part = 0; part < 2; ++part) {
        R* at[lanes];
        for (int l = 0; l < lanes; ++l) at[l] = to[l] + b * block + part * lanes;
        columns_to_rows(result + (2 * block_start(b) + part) * lanes, 2, lanes, at, count);
      }
  }
  for (int i0 = first; i0 < last; ++i0) {
    R* const to = spectrum + std::ptrdiff_t{2} * i0 * n1 * half;
    for (int b = 0; b < blocks(); ++b) {
      R* const from = s.planes + (i0 - first) * plane + b * block;
      std::fill_n(from + std::ptrdiff_t{2} * lanes * used1,
                  std::ptrdiff_t{2} * lanes * (n1 - used1), R(0));
      const ComplexLines<R> lines{to + 2 * block_start(b), rows_[1].data()};
      if (columns_ >= lanes) {
        lines_[1].run(PackedLines<R>{from}, lines, s.x, s.y, s.work);
        continue;
      }
      // Rows shorter than a pack: what stands out over the end is mended by the next one.
      const PackedLines<R> result{lines_[1].run(from, s.x, s.work)};
      for (int i1 = 0; i1 < n1; ++i1)
        if (i1 * half + lanes <= n1 * half)
          lines.store(i1, result.load(i1));
        else
          store_complex(to + lines.rows[i1], result.load(i1), std::min(lanes, columns_));
    }
    if (last_rides()) split_first_column(to);
  }
}

template <std::floating_point R>
void MeshTransform<R>::split_first_column(R* plane) const {
  // Of c = a + ib the transforms of a and b are (C_k + C*_(−k))/2 and (C_k − C*_(−k))/2i.
  const int n1 = shape_.n[1];
  for (int k = 0; 2 * k <= n1; ++k) {
    R* const x = plane + rows_[1][static_cast<std::size_t>(k)];
    R* const y = plane + reversed_[1][static_cast<std::size_t>(k)];
    const R a = x[0], b = x[1], c = y[0], d = y[1], h = R(0.5);
    R* const last_x = x + 2 * columns_;
    R* const last_y = y + 2 * columns_;
    x[0] = y[0] = (a + c) * h;
    x[1] = (b - d) * h;
    y[1] = (d - b) * h;
    last_x[0] = last_y[0] = (b + d) * h;
    last_x[1] = (c - a) * h;
    last_y[1] = (a - c) * h;
  }
}

template <std::floating_point R>
void MeshTransform<R>::join_first_column(R* plane) const {
  // Only the parts A_k + A*_(−k) that become real count, as they do without riding.
  const int n1 = shape_.n[1];
  for (int k = 0; 2 * k <= n1; ++k) {
    R* const x = plane + rows_[1][static_cast<std::size_t>(k)];
    R* const y = plane + reversed_[1][static_cast<std::size_t>(k)];
    const R *const last_x = x + 2 * columns_, *const last_y = y + 2 * columns_;
    const R h = R(0.5);
    const R a = (x[0] + y[0]) * h, b = (x[1] - y[1]) * h;
    const R c = (last_x[0] + last_y[0]) * h, d = (last_x[1] - last_y[1]) * h;
    x[0] = a - d;
    x[1] = b + c;
    y[0] = a + d;
    y[1] = c - b;
  }
}

template <std::floating_point R>
void MeshTransform<R>::backward_planes(R* spectrum, R* grid, int first, int last,
                                       const Scratch& s) const {
  using namespace detail;
  const int n1 = shape_.n[1], n2 = shape_.n[2], half = shape_.half();
  const int used1 = shape_.filled[1], used2 = shape_.filled[2];
  const int rows = (last - first) * used1, step = n2 % 2 == 0 ? 1 : 2;
  const std::ptrdiff_t block = std::ptrdiff_t{2} * lanes * n1, plane = block * blocks();
  for (int i0 = first; i0 < last; ++i0) {
    R* const from = spectrum + std::ptrdiff_t{2} * i0 * n1 * half;
    if (last_rides()) join_first_column(from);
    for (int b = 0; b < blocks(); ++b) {
      R* const to = s.planes + (i0 - first) * plane + b * block;
      const ComplexLines<R> reversed{from + 2 * block_start(b), reversed_[1].data()};
      if (columns_ >= lanes) {
        lines_[1].run(reversed, PackedLines<R>{to}, s.x, s.y, s.work);
        continue;
      }
      const PackedLines<R> x{s.x};
      for (int i1 = 0; i1 < n1; ++i1) {
        const std::ptrdiff_t at = reversed.rows[i1];
        x.store(i1, at + 2 * lanes <= std::ptrdiff_t{2} * n1 * half
                        ? reversed.load(i1)
                        : load_complex<R>(from + at, std::min(lanes, columns_)));
      }
      lines_[1].run(x, PackedLines<R>{to}, s.y, s.x, s.work);
    }
  }
  for (int row = 0; row < rows; row += lanes) {
    const R* from[lanes];
    R* to[lanes];
    for (int l = 0; l < lanes; ++l) {
      const int r = std::min(row + l, rows - 1), i0 = r / used1, i1 = r % used1;
      from[l] = s.planes + i0 * plane + std::ptrdiff_t{2} * lanes * i1;
      to[l] = grid + (static_cast<std::ptrdiff_t>(first + i0) * n1 + i1) * n2;
    }
    for (int b = 0; b < blocks(); ++b)
      for (int part = 0; part < 2; ++part) {
        const R* at[lanes];
        for (int l = 0; l < lanes; ++l) at[l] = from[l] + b * block + part * lanes;
        rows_to_columns(at, lanes, s.x + (2 * block_start(b) + part) * lanes, 2);
      }
    const R* const result = half_to_real(s.x, s.y, s.work);
    columns_to_rows(result, step, used2, to, std::min(lanes, rows - row));
  }
}

}  // namespace leyden::inline LEYDEN_ABI
