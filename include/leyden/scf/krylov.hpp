// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
/// In packs, because a compiler may not change the order of a sum.
template <class R>
R dot_product(const R* a, const R* b, std::size_t n) {
  using P = Pack<R>;
  constexpr std::size_t lanes = static_cast<std::size_t>(P::lanes);
  P sum(R(0)), more(R(0));
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    sum = fma(P::load(a + i), P::load(b + i), sum);
    more = fma(P::load(a + i + lanes), P::load(b + i + lanes), more);
  }
  R total = sum_lanes(sum + more);
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}
template <class R>
R dot_product(std::span<const R> a, std::span<const R> b) {
  return dot_product(a.data(), b.data(), a.size());
}
template <class R>
R euclidean_norm(std::span<const R> a) {
  return std::sqrt(dot_product<R>(a, a));
}
}  // namespace detail

/// How a Krylov solve ended.
struct KrylovResult {
  int iterations = 0;  // applications of the operator
  double residual = 0.0;
  bool converged = false;
};

/// Memory of one Krylov solver, kept between solves.
template <std::floating_point R>
struct KrylovMemory {
  std::vector<R> basis, preconditioned;  // (restart + 1 and restart vectors)
  std::vector<R> image, images;          // of the solution, and of the preconditioned vectors
  std::vector<R> hessenberg, cosine, sine, rhs, y, work, residual;
};

/// Flexible GMRES: solves M x = b for x that starts at the given values, until the residual norm is
/// below `tolerance` (absolute). Restarted every `restart` steps. Saad, SIAM J. Sci. Comput. 14,
/// 461 (1993).
///
/// An application of M consists of a costly one, N, and of what makes M of it. The image N x of the
/// solution (`inner` numbers) is left in the memory's `image`: it costs no application.
///
/// @param apply         apply(in, out): out = N in
/// @param finish        finish(in, image, out): out = M in, of image = N in
/// @param precondition  precondition(in, out): out ≈ M⁻¹ in
template <std::floating_point R, class Apply, class Finish, class Precondition>
KrylovResult gmres(Apply&& apply, Finish&& finish, Precondition&& precondition,
                   std::span<const R> b, std::span<R> x, std::size_t inner, R tolerance,
                   int max_iterations, int restart, KrylovMemory<R>& m) {
  const std::size_t n = b.size(), k_max = static_cast<std::size_t>(restart);
  KrylovResult result;
  m.residual.resize(n);
  m.image.assign(inner, R(0));
  // Most solves take a few steps only.
  const auto hold = [](std::vector<R>& v, std::size_t size) {
    if (v.size() < size) v.resize(size);
  };
  hold(m.basis, n);
  m.hessenberg.resize((k_max + 1) * k_max);
  m.cosine.resize(k_max);
  m.sine.resize(k_max);
  m.rhs.resize(k_max + 1);
  m.y.resize(k_max);
  const auto basis = [&](std::size_t k) { return std::span<R>(m.basis).subspan(k * n, n); };
  const auto z = [&](std::size_t k) { return std::span<R>(m.preconditioned).subspan(k * n, n); };
  const auto image = [&](std::size_t k) {
    return std::span<R>(m.images).subspan(k * inner, inner);
  };
  const auto h = [&](std::size_t i, std::size_t k) -> R& { return m.hessenberg[i * k_max + k]; };

  bool zero = true;
  for (R value : x) zero = zero && value == R(0);
  R last = -1;
  while (true) {
    const std::span<R> r = basis(0);
    if (zero) {
      for (std::size_t i = 0; i < n; ++i) r[i] = b[i];
    } else {
      apply(std::span<const R>(x), std::span<R>(m.image));
      finish(std::span<const R>(x), std::span<const R>(m.image), r);
      ++result.iterations;
      for (std::size_t i = 0; i < n; ++i) r[i] = b[i] - r[i];
    }
    zero = false;
    const R norm = detail::euclidean_norm<R>(r);
    result.residual = static_cast<double>(norm);
    if (!(norm > tolerance)) {
      result.converged = std::isfinite(norm);
      return result;
    }
    // A restart that gains nothing will not gain by another.
    if (result.iterations >= max_iterations || (last > 0 && norm > R(0.9) * last)) return result;
    last = norm;
    for (std::size_t i = 0; i < n; ++i) r[i] /= norm;
    m.rhs.assign(k_max + 1, R(0));
    m.rhs[0] = norm;

    std::size_t k = 0;
    for (; k < k_max && result.iterations < max_iterations; ++k) {
      hold(m.basis, (k + 2) * n);
      hold(m.preconditioned, (k + 1) * n);
      hold(m.images, (k + 1) * inner);
      precondition(std::span<const R>(basis(k)), z(k));
      const std::span<R> w = basis(k + 1);
      apply(std::span<const R>(z(k)), image(k));
      finish(std::span<const R>(z(k)), std::span<const R>(image(k)), w);
      ++result.iterations;
      for (int pass = 0; pass < 2; ++pass)  // twice is enough
        for (std::size_t i = 0; i <= k; ++i) {
          const R overlap = detail::dot_product<R>(basis(i), w);
          h(i, k) = pass == 0 ? overlap : h(i, k) + overlap;
          const std::span<const R> v = basis(i);
          for (std::size_t j = 0; j < n; ++j) w[j] -= overlap * v[j];
        }
      const R length = detail::euclidean_norm<R>(w);
      h(k + 1, k) = length;
      if (length > R(0))
        for (std::size_t j = 0; j < n; ++j) w[j] /= length;
      for (std::size_t i = 0; i < k; ++i) {
        const R a = h(i, k), c = h(i + 1, k);
        h(i, k) = m.cosine[i] * a + m.sine[i] * c;
        h(i + 1, k) = -m.sine[i] * a + m.cosine[i] * c;
      }
      const R radius = std::hypot(h(k, k), h(k + 1, k));
      if (!(radius > R(0))) break;  // the operator maps onto what is known already
      m.cosine[k] = h(k, k) / radius;
      m.sine[k] = h(k + 1, k) / radius;
      h(k, k) = radius;
      m.rhs[k + 1] = -m.sine[k] * m.rhs[k];
      m.rhs[k] *= m.cosine[k];
      if (std::abs(m.rhs[k + 1]) <= tolerance || !(length > R(0))) {
        ++k;
        break;
      }
    }
    for (std::size_t i = k; i-- > 0;) {
      R sum = m.rhs[i];
      for (std::size_t j = i + 1; j < k; ++j) sum -= h(i, j) * m.y[j];
      m.y[i] = sum / h(i, i);
    }
    for (std::size_t j = 0; j < k; ++j) {
      const std::span<const R> direction = z(j), seen = image(j);
      for (std::size_t i = 0; i < n; ++i) x[i] += m.y[j] * direction[i];
      for (std::size_t i = 0; i < inner; ++i) m.image[i] += m.y[j] * seen[i];
    }
    if (k == 0) return result;
    // The recurrence knows the residual, so that a converged solve costs no further application.
    result.residual = static_cast<double>(std::abs(m.rhs[k]));
    if (result.residual <= static_cast<double>(tolerance)) {
      result.converged = true;
      return result;
    }
  }
}

/// Preconditioned conjugate gradients for a symmetric M that is positive on the space that
/// `precondition` maps into; the residual is measured after `project`. Starts from x = 0. The
/// memory's `residual` is what project() leaves of b − Mx, up to the rounding of a recurrence.
///
/// @param largest  a residual without larger components is small enough, whatever its norm
template <std::floating_point R, class Apply, class Precondition, class Project>
KrylovResult conjugate_gradients(Apply&& apply, Precondition&& precondition, Project&& project,
                                 std::span<const R> b, std::span<R> x, R tolerance, R largest,
                                 int max_iterations, KrylovMemory<R>& m) {
  const std::size_t n = b.size();
  KrylovResult result;
  m.residual.assign(b.begin(), b.end());
  m.basis.resize(3 * n);
  const std::span<R> r = m.residual, z = std::span<R>(m.basis).first(n),
                     d = std::span<R>(m.basis).subspan(n, n),
                     image = std::span<R>(m.basis).subspan(2 * n, n);
  project(r);
  for (R& value : x) value = R(0);
  R rho = 0;
  while (true) {
    const R norm = detail::euclidean_norm<R>(r);
    result.residual = static_cast<double>(norm);
    const auto small = [&] {
      if (!(norm <= largest * std::sqrt(static_cast<R>(n)))) return false;
      for (R value : r)
        if (!(std::abs(value) <= largest)) return false;
      return true;
    };
    if (!(norm > tolerance) || small()) {
      result.converged = std::isfinite(norm);
      return result;
    }
    if (result.iterations >= max_iterations) return result;
    precondition(std::span<const R>(r), z);
    const R next = detail::dot_product<R>(r, z);
    if (!(next > R(0))) return result;
    const R beta = result.iterations == 0 ? R(0) : next / rho;
    for (std::size_t i = 0; i < n; ++i) d[i] = result.iterations == 0 ? z[i] : z[i] + beta * d[i];
    rho = next;
    apply(std::span<const R>(d), image);
    ++result.iterations;
    const R curvature = detail::dot_product<R>(d, image);
    if (!(curvature > R(0))) return result;  // not positive: the caller decides
    const R step = rho / curvature;
    for (std::size_t i = 0; i < n; ++i) x[i] += step * d[i];
    for (std::size_t i = 0; i < n; ++i) r[i] -= step * image[i];
    project(r);
  }
}

}  // namespace leyden::inline LEYDEN_ABI
