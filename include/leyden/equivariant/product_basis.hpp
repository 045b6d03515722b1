// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/equivariant/coupling.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The coupling tensors of MACE's product basis for one output L: all ways to couple ν = 1 …
/// `correlation` copies of the atomic basis A[k], k = (l, m), l ≤ l_max, to (L, M).
///
/// Recursion: U^(1) = identity; U^(ν) = √(2 l_out + 1) Σ w(l_out, l_left, l) U^(ν−1) ⊗ A. All
/// intermediate irreps of both parities are kept, but for ν = 4 those of natural parity, (−1)^l,
/// only; at each level the list is sorted stably by (l, parity), odd before even. This is the order
/// in which MACE stores its weights. Since all copies of A are the same, the sum over paths is a
/// polynomial: `monomials` and `entries` hold it symmetrised.
class SymmetricContraction {
 public:
  /// A[a], A[a] A[b], A[a] A[b] A[c] or A[a] A[b] A[c] A[d] with a ≤ b ≤ c ≤ d.
  struct Monomial {
    int degree, a, b, c, d;
  };
  /// Coefficient of a monomial of one M += value · W^(ν)[path].
  struct Entry {
    int monomial, nu, path;
    double value;
  };
  using Indices = std::array<int, 4>;
  /// A non-zero element of the tensor U^(ν)[M, k1 … kν, path]; unsymmetrised, but for ν = 4
  /// symmetrised, with k1 ≤ … ≤ k4 (there are too many otherwise).
  struct Element {
    int m;
    Indices k;
    int path;
    double value;
  };

  /// @throws ModelError for a correlation other than 1 to 4, or a negative l.
  SymmetricContraction(int l_max, int l_out, int correlation)
      : l_max_(l_max), l_out_(l_out), correlation_(correlation) {
    if (correlation < 1 || correlation > 4 || l_max < 0 || l_out < 0)
      throw ModelError("SymmetricContraction: correlation must be 1 to 4 and l not negative");
    const int plain = std::min(correlation, 3);
    std::vector<Irrep> level = atomic_basis();
    for (int nu = 1; nu <= plain; ++nu) {
      if (nu > 1) level = couple(level, nu, plain, false);
      keep_outputs(level);
    }
    if (correlation == 4) {
      level = atomic_basis();
      for (int nu = 2; nu <= 4; ++nu) level = couple(level, nu, 4, true);
      keep_outputs(level);
    }
    symmetrize();
  }

  int correlation() const { return correlation_; }
  int basis_size() const { return (l_max_ + 1) * (l_max_ + 1); }
  int paths(int nu) const { return paths_[static_cast<std::size_t>(nu - 1)]; }
  /// Sorted by degree; M counted from 0.
  const std::vector<Monomial>& monomials(int m) const {
    return monomials_[static_cast<std::size_t>(m)];
  }
  const std::vector<Entry>& entries(int m) const { return entries_[static_cast<std::size_t>(m)]; }
  const std::vector<Element>& tensor(int nu) const {
    return tensors_[static_cast<std::size_t>(nu - 1)];
  }

 private:
  struct Component {
    int m;
    Indices k;
    double value;
  };
  struct Irrep {
    int l, parity;
    std::vector<Component> elements;
  };
  static int natural_parity(int l) { return l % 2 == 0 ? 1 : -1; }

  std::vector<Irrep> atomic_basis() const {
    std::vector<Irrep> level;
    for (int l = 0; l <= l_max_; ++l) {
      Irrep irrep{l, natural_parity(l), {}};
      for (int m = 0; m <= 2 * l; ++m) irrep.elements.push_back({m, {l * l + m, 0, 0, 0}, 1.0});
      level.push_back(irrep);
    }
    return level;
  }

  // One more factor of A, of `levels` in all. Only what can reach the output is built. `natural`:
  // natural parity alone, as polynomials.
  std::vector<Irrep> couple(const std::vector<Irrep>& left, int nu, int levels,
                            bool natural) const {
    std::vector<Irrep> out;
    const bool last = nu == levels;
    const int highest = l_out_ + (levels - nu) * l_max_;
    std::map<std::array<int, 3>, std::vector<double>> tables;
    for (const Irrep& a : left)
      for (int l = 0; l <= l_max_; ++l)
        for (int l3 = std::abs(a.l - l); l3 <= a.l + l; ++l3) {
          const int parity = a.parity * natural_parity(l);
          if (last && (l3 != l_out_ || parity != natural_parity(l_out_))) continue;
          if (l3 > highest || (natural && parity != natural_parity(l3))) continue;
          std::vector<double>& w = tables[{l3, a.l, l}];
          if (w.empty()) w = wigner_3j_table(l3, a.l, l);
          const double factor = std::sqrt(2.0 * l3 + 1.0);
          Irrep irrep{l3, parity, {}};
          for (int m3 = 0; m3 <= 2 * l3; ++m3)
            for (const Component& c : a.elements)
              for (int m = 0; m <= 2 * l; ++m) {
                const double value =
                    factor * c.value *
                    w[static_cast<std::size_t>((m3 * (2 * a.l + 1) + c.m) * (2 * l + 1) + m)];
                if (value == 0.0) continue;
                Indices k = c.k;
                k[static_cast<std::size_t>(nu - 1)] = l * l + m;
                if (natural) std::sort(k.begin(), k.begin() + nu);
                irrep.elements.push_back({m3, k, value});
              }
          merge(irrep.elements);
          out.push_back(std::move(irrep));
        }
    std::stable_sort(out.begin(), out.end(), [](const Irrep& x, const Irrep& y) {
      return x.l != y.l ? x.l < y.l : x.parity < y.parity;
    });
    return out;
  }

  // Adds up elements of equal indices.
  static void merge(std::vector<Component>& elements) {
    std::sort(elements.begin(), elements.end(), [](const Component& x, const Component& y) {
      return x.m != y.m ? x.m < y.m : x.k < y.k;
    });
    std::size_t n = 0;
    for (const Component& e : elements) {
      if (n > 0 && elements[n - 1].m == e.m && elements[n - 1].k == e.k)
        elements[n - 1].value += e.value;
      else
        elements[n++] = e;
    }
    elements.resize(n);
    std::erase_if(elements, [](const Component& e) { return std::abs(e.value) < 1e-14; });
  }

  void keep_outputs(const std::vector<Irrep>& level) {
    int path = 0;
    std::vector<Element> tensor;
    for (const Irrep& irrep : level) {
      if (irrep.l != l_out_ || irrep.parity != natural_parity(l_out_)) continue;
      for (const Component& e : irrep.elements) tensor.push_back({e.m, e.k, path, e.value});
      ++path;
    }
    paths_.push_back(path);
    tensors_.push_back(std::move(tensor));
  }

  void symmetrize() {
    monomials_.resize(static_cast<std::size_t>(2 * l_out_ + 1));
    entries_.resize(monomials_.size());
    for (int nu = 1; nu <= correlation_; ++nu) {
      std::vector<std::map<Indices, std::map<int, double>>> sums(monomials_.size());
      for (const Element& e : tensor(nu)) {
        Indices key = e.k;
        std::sort(key.begin(), key.begin() + nu);
        sums[static_cast<std::size_t>(e.m)][key][e.path] += e.value;
      }
      for (std::size_t m = 0; m < sums.size(); ++m)
        for (const auto& [key, per_path] : sums[m]) {
          bool any = false;
          for (const auto& [path, value] : per_path) {
            if (std::abs(value) < 1e-12) continue;  // paths that cancel when symmetrised
            entries_[m].push_back({static_cast<int>(monomials_[m].size()), nu, path, value});
            any = true;
          }
          if (any) monomials_[m].push_back({nu, key[0], key[1], key[2], key[3]});
        }
    }
  }

  int l_max_, l_out_, correlation_;
  std::vector<int> paths_;
  std::vector<std::vector<Element>> tensors_;
  std::vector<std::vector<Monomial>> monomials_;
  std::vector<std::vector<Entry>> entries_;
};

}  // namespace leyden::inline LEYDEN_ABI
