// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>
#include <leyden/scf/atom_boxes.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The factorised sparse approximate inverse GᵀG of LocalInverse for charges without bonds, made to
/// be cheap: in float, as many patches at once as a vector has lanes.
///
/// Patches shorter than others of their batch are filled up with charges that interact with
/// nothing. Pivots are kept from vanishing, so that GᵀG is positive whatever the matrix is.
template <std::floating_point R>
class ChargePatches {
 public:
  struct Options {
    double radius = 6.0;     // Å, at most the neighbour list's cutoff
    std::size_t core = 8;    // atoms
    std::size_t atoms = 48;  // of a patch
  };

  /// @param cores    boxes of atoms
  /// @param local    (n) second derivatives of the law
  /// @param hardness (n) or empty
  /// @param smooth   as in LocalInverse
  void build(const Geometry<R>& geometry, const AtomBoxes<R>& cores, std::span<const R> local,
             std::span<const R> hardness, std::span<const double> widths, double smooth,
             const Options& options);

  /// out = G in, without the order of the atoms being touched; out = Gᵀ in. (n + 1) each: the last
  /// is nobody's and zero.
  void rows(std::span<const float> in, std::span<float> out) const;
  void columns(std::span<const float> in, std::span<float> out) const;

  std::size_t patches() const { return patches_; }
  /// Visits a patch: visit(atoms, core, row) with the atoms, the core's last, and row(c, k), what
  /// the c-th atom of the core takes of the k-th atom.
  template <class Visit>
  void visit(Visit&& visit);

 private:
  using P = Pack<float>;
  static constexpr std::size_t lanes = static_cast<std::size_t>(P::lanes);
  struct Member {
    R distance2;
    int atom;
    int edge;
  };
  struct Batch {
    std::size_t patches, dim, core;  // of its longest patch
    std::size_t index, value;        // where its atoms and rows begin
  };

  void collect(const Geometry<R>& geometry, const AtomBoxes<R>& cores, std::size_t p,
               const Options& options);
  void factorize(const Batch& batch, std::span<const R> local, std::span<const R> hardness,
                 std::span<const double> widths, double smooth);

  std::size_t atoms_ = 0, patches_ = 0;
  std::vector<Batch> batches_;
  std::vector<int> index_;  // [batch][member][lane], the core's last; n: nobody
  std::vector<P> value_;    // [batch][member][core]
  // Patches as found
  std::vector<std::size_t> first_, core_, order_;
  std::vector<int> member_;
  std::vector<float> at_;  // (members · 3) Å, from the first atom of the core
  std::vector<Member> members_;
  std::vector<int> slot_;
  std::vector<P> matrix_, place_[3], width2_, diagonal_, present_;
  std::vector<int> list_;
  mutable std::vector<P> gathered_;
};

template <std::floating_point R>
void ChargePatches<R>::collect(const Geometry<R>& geometry, const AtomBoxes<R>& cores,
                               std::size_t p, const Options& options) {
  const std::size_t core = cores.first[p + 1] - cores.first[p];
  const int* const own = cores.atoms.data() + cores.first[p];
  const R limit2 = static_cast<R>(options.radius * options.radius);
  members_.clear();
  for (std::size_t c = 0; c < core; ++c) {
    const std::size_t i = static_cast<std::size_t>(own[c]);
    for (int e = geometry.first[i]; e < geometry.first[i + 1]; ++e) {
      const std::size_t k = static_cast<std::size_t>(e),
                        j = static_cast<std::size_t>(geometry.sender[k]);
      if (static_cast<std::size_t>(cores.box[j]) >= p) continue;
      const R d2 = dot(geometry.vector[k], geometry.vector[k]);
      if (d2 > limit2) continue;
      // Of several images the nearest.
      int& slot = slot_[j];
      if (slot < 0) {
        slot = static_cast<int>(members_.size());
        members_.push_back({d2, static_cast<int>(j), e});
      } else if (Member& known = members_[static_cast<std::size_t>(slot)]; d2 < known.distance2) {
        known = {d2, static_cast<int>(j), e};
      }
    }
  }
  for (const Member& m : members_) slot_[static_cast<std::size_t>(m.atom)] = -1;
  const std::size_t most = options.atoms - std::min(options.atoms, core);
  if (members_.size() > most) {
    std::nth_element(members_.begin(), members_.begin() + static_cast<std::ptrdiff_t>(most),
                     members_.end(), [](const Member& a, const Member& b) {
                       return a.distance2 != b.distance2 ? a.distance2 < b.distance2
                                                         : a.atom < b.atom;
                     });
    members_.resize(most);
  }
  const Vector3<R> origin = cores.positions[static_cast<std::size_t>(own[0])];
  const auto add = [&](int atom, const Vector3<R>& at) {
    member_.push_back(atom);
    for (int a = 0; a < 3; ++a) at_.push_back(static_cast<float>(at[a]));
  };
  for (const Member& m : members_) {
    const std::size_t k = static_cast<std::size_t>(m.edge);
    add(m.atom, cores.positions[static_cast<std::size_t>(geometry.receiver[k])] -
                    geometry.vector[k] - origin);
  }
  for (std::size_t c = 0; c < core; ++c)
    add(own[c], cores.positions[static_cast<std::size_t>(own[c])] - origin);
  first_.push_back(member_.size());
  core_.push_back(core);
}

template <std::floating_point R>
void ChargePatches<R>::build(const Geometry<R>& geometry, const AtomBoxes<R>& cores,
                             std::span<const R> local, std::span<const R> hardness,
                             std::span<const double> widths, double smooth,
                             const Options& options) {
  atoms_ = static_cast<std::size_t>(geometry.n_atoms());
  patches_ = cores.size();
  first_.assign(1, 0);
  core_.clear();
  member_.clear();
  at_.clear();
  slot_.assign(atoms_, -1);
  for (std::size_t p = 0; p < patches_; ++p) collect(geometry, cores, p, options);
  // Patches of equal size into the same batch.
  order_.resize(patches_);
  for (std::size_t p = 0; p < patches_; ++p) order_[p] = p;
  const auto size = [&](std::size_t p) { return first_[p + 1] - first_[p]; };
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    if (core_[a] != core_[b]) return core_[a] < core_[b];
    return size(a) != size(b) ? size(a) < size(b) : a < b;
  });
  batches_.clear();
  index_.clear();
  value_.clear();
  for (std::size_t begin = 0; begin < patches_; begin += lanes) {
    Batch batch{std::min(lanes, patches_ - begin), 0, 0, index_.size(), value_.size()};
    std::size_t outer = 0;
    for (std::size_t lane = 0; lane < batch.patches; ++lane) {
      const std::size_t p = order_[begin + lane];
      batch.core = std::max(batch.core, core_[p]);
      outer = std::max(outer, size(p) - core_[p]);
    }
    batch.dim = outer + batch.core;
    index_.resize(index_.size() + batch.dim * lanes, static_cast<int>(atoms_));
    value_.resize(value_.size() + batch.dim * batch.core);
    for (auto& x : place_) x.assign(batch.dim, P(0.0f));
    for (std::size_t lane = 0; lane < batch.patches; ++lane) {
      const std::size_t p = order_[begin + lane], own = size(p) - core_[p];
      for (std::size_t k = 0; k < size(p); ++k) {
        const std::size_t to = k < own ? k : k - own + outer, from = first_[p] + k;
        index_[batch.index + to * lanes + lane] = member_[from];
        for (std::size_t a = 0; a < 3; ++a)
          place_[a][to].set_lane(static_cast<int>(lane), at_[from * 3 + a]);
      }
    }
    factorize(batch, local, hardness, widths, smooth);
    batches_.push_back(batch);
  }
}

template <std::floating_point R>
void ChargePatches<R>::factorize(const Batch& batch, std::span<const R> local,
                                 std::span<const R> hardness, std::span<const double> widths,
                                 double smooth) {
  const std::size_t dim = batch.dim, outer = dim - batch.core;
  const int* const index = index_.data() + batch.index;
  width2_.resize(dim);
  diagonal_.resize(dim);
  present_.resize(dim);
  const double self = units::coulomb * std::numbers::inv_sqrtpi_v<double>;
  const double wide = smooth > 0 ? self * std::sqrt(2.0 / smooth) : 0.0;
  for (std::size_t k = 0; k < dim; ++k)
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const std::size_t i = static_cast<std::size_t>(index[k * lanes + lane]);
      const bool somebody = i < atoms_;
      const double w = somebody ? widths[i] : 1.0;
      width2_[k].set_lane(static_cast<int>(lane), static_cast<float>(2.0 * w * w));
      // So that products of two are the unit of energy, or nothing.
      present_[k].set_lane(static_cast<int>(lane),
                           somebody ? static_cast<float>(std::sqrt(units::coulomb)) : 0.0f);
      double diagonal = 1.0;
      if (somebody) {
        diagonal = self / w - wide + static_cast<double>(local[i]);
        if (!hardness.empty()) diagonal += static_cast<double>(hardness[i]);
      }
      diagonal_[k].set_lane(static_cast<int>(lane), static_cast<float>(std::max(diagonal, 1e-3)));
    }
  // The matrix, lower triangle.
  matrix_.resize(dim * dim);
  const P b2(static_cast<float>(smooth > 0 ? 1.0 / (2.0 * smooth) : 1.0)), one(1.0f);
  const detail::WidthPair<float> far(b2);
  for (std::size_t i = 0; i < dim; ++i) {
    P* const row = matrix_.data() + i * dim;
    for (std::size_t j = 0; j < i; ++j) {
      P r2(1e-12f);
      for (const auto& x : place_) {
        const P d = x[i] - x[j];
        r2 = fma(d, d, r2);
      }
      P near, smoothed(0.0f);
      detail::gaussian_radial<1, float>(detail::WidthPair<float>(one / (width2_[i] + width2_[j])),
                                        r2, &near);
      if (smooth > 0) detail::gaussian_radial<1, float>(far, r2, &smoothed);
      row[j] = (near - smoothed) * (present_[i] * present_[j]);
    }
    row[i] = diagonal_[i];
  }
  // Cholesky's factor; below, the reciprocals of its diagonal.
  const P least(1e-5f);
  for (std::size_t k = 0; k < dim; ++k) {
    P* const row = matrix_.data() + k * dim;
    for (std::size_t j = 0; j <= k; ++j) {
      const P* const other = matrix_.data() + j * dim;
      P sum = row[j], more(0.0f);
      std::size_t m = 0;
      for (; m + 1 < j; m += 2) {
        sum = fnma(row[m], other[m], sum);
        more = fnma(row[m + 1], other[m + 1], more);
      }
      if (m < j) sum = fnma(row[m], other[m], sum);
      sum = sum + more;
      if (j < k) {
        row[j] = sum * other[j];
      } else {
        const P floor = diagonal_[k] * least + P(1e-8f);
        row[k] = inverse_sqrt(select_less(floor, sum, sum, floor));
      }
    }
  }
  // Rows of L⁻¹ = columns of L⁻ᵀ: solve Lᵀ y = e for each atom of the core.
  P* const y = value_.data() + batch.value;
  const std::size_t core = batch.core;
  std::fill(y, y + dim * core, P(0.0f));
  for (std::size_t c = 0; c < core; ++c) y[(outer + c) * core + c] = one;
  for (std::size_t k = dim; k-- > 0;) {
    const P* const row = matrix_.data() + k * dim;
    P* const own = y + k * core;
    const std::size_t from = k < outer ? 0 : k - outer;
    for (std::size_t c = from; c < core; ++c) own[c] = own[c] * row[k];
    for (std::size_t j = 0; j < k; ++j) {
      P* const to = y + j * core;
      for (std::size_t c = from; c < core; ++c) to[c] = fnma(row[j], own[c], to[c]);
    }
  }
  for (std::size_t k = 0; k < dim; ++k)
    for (std::size_t lane = 0; lane < lanes; ++lane)
      if (static_cast<std::size_t>(index[k * lanes + lane]) == atoms_)
        for (std::size_t c = 0; c < core; ++c)
          y[k * core + c].set_lane(static_cast<int>(lane), 0.f);
}

template <std::floating_point R>
template <class Visit>
void ChargePatches<R>::visit(Visit&& visit) {
  for (const Batch& batch : batches_)
    for (std::size_t lane = 0; lane < batch.patches; ++lane) {
      const std::size_t outer = batch.dim - batch.core;
      // Places that are taken.
      list_.clear();
      std::size_t core = 0;
      for (std::size_t k = 0; k < batch.dim; ++k) {
        const int i = index_[batch.index + k * lanes + lane];
        if (static_cast<std::size_t>(i) == atoms_) continue;
        list_.push_back(i);
        core += k >= outer ? 1 : 0;
      }
      const std::size_t skipped = list_.size() - core;
      const auto row = [&](std::size_t c, std::size_t k) {
        const std::size_t place = k < skipped ? k : k - skipped + outer;
        return value_[batch.value + place * batch.core + c].lane(static_cast<int>(lane));
      };
      visit(std::span<const int>(list_), core, row);
    }
}

template <std::floating_point R>
void ChargePatches<R>::rows(std::span<const float> in, std::span<float> out) const {
  for (const Batch& batch : batches_) {
    const int* const index = index_.data() + batch.index;
    const P* const value = value_.data() + batch.value;
    gathered_.resize(batch.core);
    std::fill(gathered_.begin(), gathered_.end(), P(0.0f));
    for (std::size_t k = 0; k < batch.dim; ++k) {
      alignas(64) float x[lanes];
      for (std::size_t lane = 0; lane < lanes; ++lane)
        x[lane] = in[static_cast<std::size_t>(index[k * lanes + lane])];
      const P taken = P::load(x);
      for (std::size_t c = 0; c < batch.core; ++c)
        gathered_[c] = fma(value[k * batch.core + c], taken, gathered_[c]);
    }
    for (std::size_t c = 0; c < batch.core; ++c)
      for (std::size_t lane = 0; lane < lanes; ++lane)
        out[static_cast<std::size_t>(index[(batch.dim - batch.core + c) * lanes + lane])] =
            gathered_[c].lane(static_cast<int>(lane));
  }
  out[atoms_] = 0.0f;
}

template <std::floating_point R>
void ChargePatches<R>::columns(std::span<const float> in, std::span<float> out) const {
  std::fill(out.begin(), out.end(), 0.0f);
  for (const Batch& batch : batches_) {
    const int* const index = index_.data() + batch.index;
    const P* const value = value_.data() + batch.value;
    gathered_.resize(batch.core);
    for (std::size_t c = 0; c < batch.core; ++c)
      for (std::size_t lane = 0; lane < lanes; ++lane)
        gathered_[c].set_lane(
            static_cast<int>(lane),
            in[static_cast<std::size_t>(index[(batch.dim - batch.core + c) * lanes + lane])]);
    for (std::size_t k = 0; k < batch.dim; ++k) {
      P sum(0.0f);
      for (std::size_t c = 0; c < batch.core; ++c)
        sum = fma(value[k * batch.core + c], gathered_[c], sum);
      alignas(64) float x[lanes];
      sum.store(x);
      for (std::size_t lane = 0; lane < lanes; ++lane)
        out[static_cast<std::size_t>(index[k * lanes + lane])] += x[lane];
    }
  }
  out[atoms_] = 0.0f;
}

}  // namespace leyden::inline LEYDEN_ABI
