// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/field_operator.hpp>
#include <leyden/scf/krylov.hpp>
#include <leyden/scf/law_sum.hpp>
#include <leyden/scf/outcome.hpp>
#include <leyden/scf/two_level_inverse.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/LU>

#include <vector>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
template <class S>
inline constexpr bool assembles_by_columns = requires {
  requires S::assembles_by_columns;
};
}  // namespace detail

/// Groups of atoms whose charge is prescribed; each has its own Fermi level.
struct ChargeConstraints {
  std::vector<int> group;       // (n) index of the constraint, −1: the atom's charge is free
  std::vector<double> charge;   // e, of each group
  std::vector<double> tangent;  // along a direction, of each group; empty: none

  std::size_t size() const { return charge.size(); }
};

/// Memory of LinearResponse, kept between solves.
template <std::floating_point R>
struct LinearResponseMemory {
  using Matrix = Eigen::Matrix<R, Eigen::Dynamic, Eigen::Dynamic>;
  bool dense = false;
  bool prepared = false;           // K and the preconditioner are those of this structure
  std::vector<R> coulomb;          // (n·size)²: K
  std::vector<R> matrix, factor;   // (n·size)²: M, and its Cholesky factor
  R shift = 0;                     // what M has got along prescribed charges
  Eigen::PartialPivLU<Matrix> lu;  // of M, where M is not symmetric
  TwoLevelInverse<R> inverse;
  std::size_t inverse_unknowns = 0;  // of the preconditioner; 0: there is none
  int inverse_uses = 0;              // structures it has served
  double pace = 0, first_pace = 0;   // iterations per factor e, now and when it was made
  bool image_known = false;          // Mx of the last solution follows from its residual
  KrylovMemory<R> krylov;
  std::vector<R> columns, rows;        // (groups·n·size): a_g, n_g
  std::vector<R> shifted_columns;      // (groups·n·size): M⁻¹a_g, or ≈
  std::vector<R> gram, bare, shifted;  // (groups²) and inverses
  std::vector<R> field, other, image, rhs, full, start, excess, small;  // scratch
  std::vector<R> scratch;                                               // of the field operator
  int applications = 0;
};

/// The equations of the self-consistent density, linearised: what a Newton step, an adjoint and a
/// derivative along a direction all solve,
///
///     M x + Σ_g a_g ν_g = b,   n_g·x = c_g,
///
/// with n_g the charge of group g and
///
///     energies:           M = ∂²φ/∂p² + η + K          a_g = n_g
///     responses, maps:    M = I − A (P + η)            a_g = −A ∂f/∂μ_g,   A = ∂p/∂f
///
/// or their transpose (a and n change places). Dense factors for few unknowns, else Krylov
/// iterations: conjugate gradients for energies, GMRES for others, preconditioned by
/// TwoLevelInverse. A group whose charge does not respond (a_g ≈ 0) has no equation for its ν: it
/// is zero.
template <class Law, class S, std::floating_point R>
class LinearResponse {
  static constexpr bool energy = Law::form == LawForm::energy;

 public:
  LinearResponse(const LawSum<Law>& sum, const FieldOperator<S, R>& field,
                 const std::vector<R>& hardness, const ChargeConstraints& constraints,
                 LinearResponseMemory<R>& memory)
      : sum_(sum), field_(field), hardness_(hardness), constraints_(constraints), m_(memory) {}

  std::size_t unknowns() const { return sum_.atoms * sum_.out; }

  /// The field of a density change: Px, with hardness.
  void field(std::span<const R> x, std::span<R> f) const {
    field_.apply(x, f);
    ++m_.applications;
    if (!hardness_.empty())
      for (std::size_t i = 0; i < x.size(); ++i) f[i] += hardness_[i] * x[i];
  }
  void field_transpose(std::span<const R> f, std::span<R> x) const {
    field_.transpose(f, x);
    ++m_.applications;
    if (!hardness_.empty())
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += hardness_[i] * f[i];
  }

  /// y = M x, or Mᵀ x.
  void apply(const LawBlocks<R>& blocks, std::span<const R> x, std::span<R> y,
             bool transpose) const {
    if constexpr (energy) {
      field(x, y);
      blocks.apply(sum_.bonds, x.data(), y.data(), false);
    } else {
      m_.field.resize(inner(transpose));
      apply_first(blocks, x, m_.field, transpose);
      apply_last(blocks, x, m_.field, y, transpose);
    }
  }

  /// Takes the linearisation at a density. K and the preconditioner are made once per structure
  /// (until memory.prepared is reset); with warm starts the preconditioner of an energy serves
  /// several. Returns false when a dense matrix of an energy is not positive definite.
  bool factorize(const LawBlocks<R>& blocks, const S& solver,
                 const typename S::template Plan<R>& plan, const Geometry<R>& geometry,
                 std::span<const double> widths, std::span<const double> receiver,
                 const ScfOptions& options);

  /// Solves for x (unknowns; its values are not used) and ν (groups) to the absolute residual
  /// `tolerance` (Krylov; a dense solve is as good as rounding allows). Conjugate gradients also
  /// stop where no component of the residual is above `largest`.
  KrylovResult solve(const LawBlocks<R>& blocks, std::span<const R> b, std::span<const R> c,
                     std::span<R> x, std::span<R> nu, bool transpose, R tolerance,
                     const ScfOptions& options, R largest = R(0)) const;

  /// field() of the solution x, ν that solve() (not of the transpose) has just found for b; an
  /// application of K only where the solve did not leave it, or unless `recurrence` may be trusted.
  void solution_field(const LawBlocks<R>& blocks, std::span<const R> b, std::span<const R> x,
                      std::span<const R> nu, bool recurrence, std::span<R> f) const {
    if constexpr (energy) {
      if (m_.image_known && recurrence) {
        // Mx = b − r − Σ a ν, without the law.
        const std::size_t n = x.size();
        m_.other.assign(n, R(0));
        blocks.apply(sum_.bonds, x.data(), m_.other.data(), false);
        for (std::size_t i = 0; i < n; ++i) f[i] = b[i] - m_.krylov.residual[i] - m_.other[i];
        for (std::size_t g = 0; g < nu.size(); ++g)
          for (std::size_t i = 0; i < n; ++i) f[i] -= nu[g] * m_.columns[g * n + i];
        return;
      }
    } else if (m_.image_known) {
      std::copy(m_.krylov.image.begin(), m_.krylov.image.end(), f.begin());
      return;
    }
    field(x, f);
  }

  /// Turns the residual b − Mx of an iterate into a step that leads to the charges c, and sets ν.
  void border(std::span<R> residual, std::span<const R> x, std::span<const R> c, std::span<R> nu,
              bool transpose) const {
    const std::vector<R>& columns = transpose ? m_.rows : m_.columns;
    const std::vector<R>& rows = transpose ? m_.columns : m_.rows;
    invert_gram(rows, columns, m_.bare);
    m_.start.assign(c.begin(), c.end());
    for (std::size_t g = 0; g < constraints_.size(); ++g)
      for (std::size_t i = 0; i < x.size(); ++i) m_.start[g] -= rows[g * x.size() + i] * x[i];
    std::fill(nu.begin(), nu.end(), R(0));
    impose(residual, rows, columns, m_.bare, m_.start, nu);
  }

 private:
  using Matrix = typename LinearResponseMemory<R>::Matrix;

  // Responses and maps: M x = x − A field(x) in its two parts, the one with K first where it is
  // first, and with the law last; or Mᵀ x = x − fieldᵀ(Aᵀ x), all of it first.
  std::size_t inner(bool transpose) const { return sum_.atoms * (transpose ? sum_.out : sum_.in); }
  void apply_first(const LawBlocks<R>& blocks, std::span<const R> x, std::span<R> image,
                   bool transpose) const {
    if (!transpose) return field(x, image);
    m_.other.assign(sum_.atoms * sum_.in, R(0));
    blocks.apply(sum_.bonds, x.data(), m_.other.data(), true);
    field_transpose(m_.other, image);
  }
  void apply_last(const LawBlocks<R>& blocks, std::span<const R> x, std::span<const R> image,
                  std::span<R> y, bool transpose) const {
    if (transpose) {
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] - image[i];
      return;
    }
    m_.other.assign(x.size(), R(0));
    blocks.apply(sum_.bonds, image.data(), m_.other.data(), false);
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] - m_.other[i];
  }

  void fill_borders(const LawBlocks<R>& blocks) const;
  void dense_solve(std::span<R> x, bool transpose) const;
  /// The inverse of the small matrix left·right of the groups; groups that do not respond get
  /// zeros.
  void invert_gram(const std::vector<R>& left, const std::vector<R>& right,
                   std::vector<R>& inverse) const;
  /// x ← x − right · inverse · (left·x − c)
  void impose(std::span<R> x, const std::vector<R>& left, const std::vector<R>& right,
              const std::vector<R>& inverse, std::span<const R> c, std::span<R> nu) const;

  const LawSum<Law>& sum_;
  const FieldOperator<S, R>& field_;
  const std::vector<R>& hardness_;  // (unknowns), or empty
  const ChargeConstraints& constraints_;
  LinearResponseMemory<R>& m_;
};

template <class Law, class S, std::floating_point R>
void LinearResponse<Law, S, R>::fill_borders(const LawBlocks<R>& blocks) const {
  const std::size_t n = unknowns(), groups = constraints_.size();
  m_.rows.assign(groups * n, R(0));
  m_.columns.assign(groups * n, R(0));
  for (std::size_t i = 0; i < sum_.atoms; ++i)
    if (constraints_.group[i] >= 0)
      m_.rows[static_cast<std::size_t>(constraints_.group[i]) * n + i * sum_.out] = R(1);
  if constexpr (energy) {
    m_.columns = m_.rows;
  } else {
    for (std::size_t g = 0; g < groups; ++g) {
      m_.field.assign(sum_.atoms * sum_.in, R(0));
      for (std::size_t i = 0; i < sum_.atoms; ++i)
        if (constraints_.group[i] == static_cast<int>(g))
          for (std::size_t k = 0; k < sum_.in; k += sum_.out) m_.field[i * sum_.in + k] = R(-1);
      blocks.apply(sum_.bonds, m_.field.data(), m_.columns.data() + g * n, false);
    }
  }
}

template <class Law, class S, std::floating_point R>
bool LinearResponse<Law, S, R>::factorize(const LawBlocks<R>& blocks, const S& solver,
                                          const typename S::template Plan<R>& plan,
                                          const Geometry<R>& geometry,
                                          std::span<const double> widths,
                                          std::span<const double> receiver,
                                          const ScfOptions& options) {
  const bool first = !m_.prepared;
  m_.prepared = true;
  const std::size_t n = unknowns();
  fill_borders(blocks);
  // A Cholesky factor costs a quarter of LU with its matrix product: three times the unknowns.
  // Solvers that assemble K by applying it to every unknown hardly ever gain by that.
  const std::size_t limit = static_cast<std::size_t>(std::max(options.dense_limit, 0)) *
                            (energy ? std::size_t(3) : std::size_t(1)) /
                            (detail::assembles_by_columns<S> ? std::size_t(16) : std::size_t(1));
  m_.dense = field_.own() && n <= limit;
  if (!m_.dense) {
    if (!first) return true;
    const bool slow = m_.first_pace > 0 && m_.pace > 1.5 * m_.first_pace;
    if (energy && options.warm_start && m_.inverse_unknowns == n && !slow &&
        m_.inverse_uses < options.preconditioner_steps) {
      ++m_.inverse_uses;
      return true;
    }
    m_.inverse.build(geometry, sum_, blocks, std::span<const R>(hardness_), widths, receiver,
                     typename TwoLevelInverse<R>::Options{});
    m_.inverse_unknowns = n;
    m_.inverse_uses = 1;
    m_.pace = m_.first_pace = 0;
    return true;
  }
  if (first) {
    m_.coulomb.resize(n * n);
    solver.template assemble<R>(plan, std::span<R>(m_.coulomb));
    if (!hardness_.empty())
      for (std::size_t i = 0; i < n; ++i) m_.coulomb[i * n + i] += hardness_[i];
  }
  const std::size_t size = sum_.out;
  const auto for_each_block = [&](auto&& visit) {
    // visit(row atom, column atom, block, its coefficients, numbers from row to row)
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      visit(i, i, blocks.atoms.data() + i * size * size, size, size);
    if (blocks.bonds.empty()) return;
    for (std::size_t b = 0; b < sum_.bonds.size(); ++b) {
      const std::size_t at[2] = {sum_.bonds.from(b), sum_.bonds.to(b)};
      for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t q = 0; q < 2; ++q)
          visit(at[r], at[q], blocks.bond_part(b, r, q, 0), blocks.joined, blocks.bond_row());
    }
  };
  const Eigen::Index rows = static_cast<Eigen::Index>(n);
  if constexpr (energy) {
    m_.matrix = m_.coulomb;
    for_each_block(
        [&](std::size_t i, std::size_t j, const R* block, std::size_t count, std::size_t row) {
          for (std::size_t a = 0; a < count; ++a)
            for (std::size_t b = 0; b < count; ++b)
              m_.matrix[(i * size + a) * n + j * size + b] += block[a * row + b];
        });
    // Along a prescribed charge the matrix may be singular (a periodic K without hardness) or
    // negative (a slab, whose potential has its zero nearby): what is added there changes ν alone.
    R largest = 0;
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      for (std::size_t j = 0; j < sum_.atoms; ++j)
        largest = std::max(largest, std::abs(m_.matrix[i * size * n + j * size]));
    m_.shift = 0;
    for (int attempt = 0;; ++attempt) {
      if (constraints_.size() > 0) {
        const R change = attempt == 0 ? largest : R(9) * m_.shift;
        m_.shift += change;
        for (std::size_t i = 0; i < sum_.atoms; ++i)
          for (std::size_t j = 0; j < sum_.atoms; ++j)
            if (constraints_.group[i] >= 0 && constraints_.group[i] == constraints_.group[j])
              m_.matrix[i * size * n + j * size] += change;
      }
      // LLT of a reference keeps the factor where the matrix was; a failed attempt has to fill it
      // again. (For large matrices Eigen's products take their packing buffers from malloc; nothing
      // else is allocated.)
      m_.factor = m_.matrix;
      Eigen::Map<Matrix> a(m_.factor.data(), rows, rows);
      const Eigen::LLT<Eigen::Ref<Matrix>> factor(a);
      if (factor.info() == Eigen::Success) break;
      if (constraints_.size() == 0 || attempt == 3) return false;
    }
  } else {
    m_.matrix.assign(n * n, R(0));
    for (std::size_t i = 0; i < n; ++i) m_.matrix[i * n + i] = R(1);
    for_each_block(
        [&](std::size_t i, std::size_t j, const R* block, std::size_t count, std::size_t row) {
          for (std::size_t a = 0; a < count; ++a)
            for (std::size_t b = 0; b < count; ++b) {
              const R x = block[a * row + b];
              if (x == R(0)) continue;
              R* to = m_.matrix.data() + (i * size + a) * n;
              const R* from = m_.coulomb.data() + (j * size + b) * n;
              for (std::size_t k = 0; k < n; ++k) to[k] -= x * from[k];
            }
        });
    // Row-major here, column-major there: the factor is that of Mᵀ.
    m_.lu.compute(Eigen::Map<const Matrix>(m_.matrix.data(), rows, rows));
  }
  return true;
}

template <class Law, class S, std::floating_point R>
void LinearResponse<Law, S, R>::dense_solve(std::span<R> x, bool transpose) const {
  const Eigen::Index n = static_cast<Eigen::Index>(x.size());
  Eigen::Map<Eigen::Matrix<R, Eigen::Dynamic, 1>> b(x.data(), n);
  if constexpr (energy) {
    const Eigen::Map<const Matrix> factor(m_.factor.data(), n, n);
    factor.template triangularView<Eigen::Lower>().solveInPlace(b);
    factor.transpose().template triangularView<Eigen::Upper>().solveInPlace(b);
  } else if (transpose) {
    // L U = P Mᵀ, in place: no temporary.
    const auto& order = m_.lu.permutationP().indices();
    m_.other.assign(x.begin(), x.end());
    for (Eigen::Index i = 0; i < n; ++i) b[order[i]] = m_.other[static_cast<std::size_t>(i)];
    m_.lu.matrixLU().template triangularView<Eigen::UnitLower>().solveInPlace(b);
    m_.lu.matrixLU().template triangularView<Eigen::Upper>().solveInPlace(b);
  } else {
    m_.lu.matrixLU().transpose().template triangularView<Eigen::Lower>().solveInPlace(b);
    m_.lu.matrixLU().transpose().template triangularView<Eigen::UnitUpper>().solveInPlace(b);
    const auto& order = m_.lu.permutationP().indices();
    m_.other.assign(x.begin(), x.end());
    for (Eigen::Index i = 0; i < n; ++i) b[i] = m_.other[static_cast<std::size_t>(order[i])];
  }
}

template <class Law, class S, std::floating_point R>
void LinearResponse<Law, S, R>::invert_gram(const std::vector<R>& left, const std::vector<R>& right,
                                            std::vector<R>& inverse) const {
  const std::size_t groups = constraints_.size(), n = unknowns();
  m_.gram.assign(groups * groups, R(0));
  inverse.assign(groups * groups, R(0));
  R scale = 0;
  for (std::size_t g = 0; g < groups; ++g)
    for (std::size_t h = 0; h < groups; ++h) {
      const R sum = detail::dot_product(left.data() + g * n, right.data() + h * n, n);
      m_.gram[g * groups + h] = sum;
      scale = std::max(scale, std::abs(sum));
    }
  // Groups without response: a softness that is rounding beside one e/V per atom.
  const R tiny = std::max(scale * R(1e-12), R(1e-12));
  if (groups == 1) {
    inverse[0] = std::abs(m_.gram[0]) > tiny ? R(1) / m_.gram[0] : R(0);
    return;
  }
  for (std::size_t h = 0; h < groups; ++h) {
    std::vector<R>& a = m_.small;
    a.assign(groups * groups + groups, R(0));
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t k = 0; k < groups; ++k) a[g * groups + k] = m_.gram[g * groups + k];
    for (std::size_t g = 0; g < groups; ++g)
      if (std::abs(m_.gram[g * groups + g]) <= tiny) {
        for (std::size_t k = 0; k < groups; ++k) a[g * groups + k] = a[k * groups + g] = R(0);
        a[g * groups + g] = R(1);
      }
    R* rhs = a.data() + groups * groups;
    rhs[h] = std::abs(m_.gram[h * groups + h]) > tiny ? R(1) : R(0);
    if (!detail::eliminate(groups, a.data(), rhs)) continue;
    for (std::size_t g = 0; g < groups; ++g) inverse[g * groups + h] = rhs[g];
  }
}

template <class Law, class S, std::floating_point R>
void LinearResponse<Law, S, R>::impose(std::span<R> x, const std::vector<R>& left,
                                       const std::vector<R>& right, const std::vector<R>& inverse,
                                       std::span<const R> c, std::span<R> nu) const {
  const std::size_t groups = constraints_.size(), n = unknowns();
  // All excesses first: each correction changes the charges of the others.
  std::vector<R>& excess = m_.excess;
  excess.resize(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    excess[g] = detail::dot_product<R>(left.data() + g * n, x.data(), n);
    if (!c.empty()) excess[g] -= c[g];
  }
  for (std::size_t g = 0; g < groups; ++g) {
    R shift = 0;
    for (std::size_t h = 0; h < groups; ++h) shift += inverse[g * groups + h] * excess[h];
    if (!nu.empty()) nu[g] += shift;
    for (std::size_t i = 0; i < n; ++i) x[i] -= shift * right[g * n + i];
  }
}

template <class Law, class S, std::floating_point R>
KrylovResult LinearResponse<Law, S, R>::solve(const LawBlocks<R>& blocks, std::span<const R> b,
                                              std::span<const R> c, std::span<R> x, std::span<R> nu,
                                              bool transpose, R tolerance,
                                              const ScfOptions& options, R largest) const {
  const std::size_t n = unknowns(), groups = constraints_.size();
  const std::vector<R>& columns = transpose ? m_.rows : m_.columns;
  const std::vector<R>& rows = transpose ? m_.columns : m_.rows;
  std::fill(nu.begin(), nu.end(), R(0));
  m_.image_known = false;
  if (m_.dense) {
    m_.shifted_columns = columns;
    for (std::size_t g = 0; g < groups; ++g)
      dense_solve(std::span<R>(m_.shifted_columns).subspan(g * n, n), transpose);
    invert_gram(rows, m_.shifted_columns, m_.shifted);
    std::copy(b.begin(), b.end(), x.begin());
    dense_solve(x, transpose);
    // The second round takes away the rounding error of the first, so that charges are exact.
    for (int round = 0; round < 2; ++round) impose(x, rows, m_.shifted_columns, m_.shifted, c, nu);
    if constexpr (energy)
      for (std::size_t g = 0; g < c.size(); ++g) nu[g] += m_.shift * c[g];
    KrylovResult result;
    result.converged = true;
    for (R value : x) result.converged = result.converged && std::isfinite(value);
    return result;
  }

  // Bare projections: Π = 1 − a (n·a)⁻¹ nᵀ takes the borders out of the equations, so that one
  // Krylov solve on n·x = 0 gives all; the preconditioner maps into that space.
  invert_gram(rows, columns, m_.bare);
  const auto project = [&](std::span<R> y) { impose(y, rows, columns, m_.bare, {}, {}); };
  m_.shifted_columns.resize(groups * n);
  for (std::size_t g = 0; g < groups; ++g)
    m_.inverse.apply(std::span<const R>(columns).subspan(g * n, n),
                     std::span<R>(m_.shifted_columns).subspan(g * n, n), transpose);
  invert_gram(rows, m_.shifted_columns, m_.shifted);
  const auto precondition = [&](std::span<const R> in, std::span<R> out) {
    m_.inverse.apply(in, out, transpose);
    impose(out, rows, m_.shifted_columns, m_.shifted, {}, {});
  };
  // The part of x that the charges prescribe.
  std::fill(x.begin(), x.end(), R(0));
  m_.rhs.assign(b.begin(), b.end());
  bool prescribed = false;
  for (R value : c) prescribed = prescribed || value != R(0);
  m_.start.assign(n, R(0));
  if (prescribed) {
    impose(m_.start, rows, columns, m_.bare, c, {});
    m_.image.resize(n);
    apply(blocks, m_.start, m_.image, transpose);
    for (std::size_t i = 0; i < n; ++i) m_.rhs[i] -= m_.image[i];
  }
  m_.full = m_.rhs;
  KrylovResult result;
  if constexpr (energy) {
    const double before = static_cast<double>(detail::euclidean_norm<R>(b));
    // What the projections take away adds up to ν.
    result = conjugate_gradients<R>(
        [&](std::span<const R> in, std::span<R> out) { apply(blocks, in, out, false); },
        precondition, [&](std::span<R> y) { impose(y, rows, columns, m_.bare, {}, nu); }, m_.rhs, x,
        tolerance, largest, options.krylov_iterations, m_.krylov);
    if (result.converged) {
      if (result.iterations > 2 && result.residual < 0.1 * before) {
        m_.pace = result.iterations / std::log(before / result.residual);
        if (m_.first_pace == 0) m_.first_pace = m_.pace;
      }
      for (std::size_t i = 0; i < n; ++i) x[i] += m_.start[i];
      m_.image_known = true;
      return result;
    }
  }
  if constexpr (energy) {  // not positive: GMRES does not mind
    std::fill(x.begin(), x.end(), R(0));
    std::fill(nu.begin(), nu.end(), R(0));
  }
  project(m_.rhs);
  // For energies nothing is gained by two parts.
  result = gmres<R>(
      [&](std::span<const R> in, std::span<R> out) {
        if constexpr (energy)
          apply(blocks, in, out, transpose);
        else
          apply_first(blocks, in, out, transpose);
      },
      [&](std::span<const R> in, std::span<const R> image, std::span<R> out) {
        if constexpr (energy)
          std::copy(image.begin(), image.end(), out.begin());
        else
          apply_last(blocks, in, image, out, transpose);
        project(out);
      },
      precondition, std::span<const R>(m_.rhs), x, inner(transpose), tolerance,
      options.krylov_iterations, 60, m_.krylov);
  // ν = (n·a)⁻¹ n·(b − M x), and the exact charges.
  if (groups > 0) {
    m_.image.resize(n);
    if constexpr (energy)
      std::copy(m_.krylov.image.begin(), m_.krylov.image.end(), m_.image.begin());
    else
      apply_last(blocks, x, m_.krylov.image, m_.image, transpose);
    for (std::size_t i = 0; i < n; ++i) m_.image[i] = m_.full[i] - m_.image[i];
    impose(m_.image, rows, columns, m_.bare, {}, nu);
  }
  m_.image_known = !energy && !transpose && !prescribed;
  for (std::size_t i = 0; i < n; ++i) x[i] += m_.start[i];
  return result;
}

}  // namespace leyden::inline LEYDEN_ABI
