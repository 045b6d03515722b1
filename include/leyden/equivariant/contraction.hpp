// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/product_basis.hpp>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The product basis of one layer: for every output component (L, M) a polynomial in the atomic
/// basis,
///
///   B[LM] = Σ_ν Σ_η W^(ν)_{z η c} Σ U^(ν)_{M η; k1…kν} A[k1] … A[kν]
///
/// (Batatia et al., MACE, eq. 10). The coupling tensors and the weights of a species are multiplied
/// out beforehand into one coefficient per monomial and channel, so that a kernel is a short list
/// of products, channel by channel. Works on one tile of channels of one atom.
template <std::floating_point R>
class ProductBasis {
 public:
  /// Cotangents of all coefficients, [species][tile][coefficient].
  template <Number T>
  struct Gradient {
    Buffer<Pack<T>> coefficients;
  };

  ProductBasis() = default;
  /// tables: one contraction per output L = 0 … l_out (more are ignored).
  ProductBasis(std::shared_ptr<const std::vector<SymmetricContraction>> tables, int channels,
               int species, int l_out)
      : tables_(std::move(tables)),
        channels_(channels),
        species_(species),
        tiles_(pack_count<R>(channels)),
        l_out_(l_out) {
    for (int l = 0; l <= l_out; ++l)
      for (int m = 0; m <= 2 * l; ++m) {
        Component component{count_, {0, 0, 0, 0}};
        for (const auto& monomial : table(l).monomials(m)) {
          terms_.push_back({monomial.a, monomial.b, monomial.c, monomial.d});
          ++component.count[monomial.degree - 1];
          ++count_;
        }
        components_.push_back(component);
      }
  }

  void declare(ParameterLayout& layout, const std::string& prefix) {
    slices_.clear();
    for (int l = 0; l <= l_out_; ++l)
      for (int nu = 1; nu <= table(l).correlation(); ++nu) {
        const int paths = table(l).paths(nu);
        slices_.push_back(layout.add(prefix + ".L" + std::to_string(l) + ".nu" + std::to_string(nu),
                                     {species_, paths, channels_},
                                     Initializer::normal(1.0 / std::max(1, paths)), true));
      }
  }

  void prepare(std::span<const double> parameters) {
    coefficients_.assign(static_cast<std::size_t>(species_ * tiles_ * count_), Pack<R>());
    for_each_coupling([&](std::size_t slice, int paths, int path, int coefficient, double value) {
      for (int z = 0; z < species_; ++z) {
        const double* w = weight(slices_[slice].of(parameters).data(), z, paths, path);
        for (int c = 0; c < channels_; ++c) {
          Pack<R>& p =
              coefficients_[index(z, c / Pack<R>::lanes) + static_cast<std::size_t>(coefficient)];
          const int lane = c % Pack<R>::lanes;
          p.set_lane(lane, p.lane(lane) + static_cast<R>(value * w[c]));
        }
      }
    });
  }

  /// a: (lm of the atomic basis) packs; b: ((l_out + 1)²) packs, set.
  template <Number T>
  void forward(int species, int tile, const Pack<T>* a, Pack<T>* b) const {
    const Pack<R>* w = coefficients_.data() + index(species, tile);
    const Term* term = terms_.data();
    for (const Component& component : components_) {
      Pack<T> one, two, three, four;
      for (int k = 0; k < component.count[0]; ++k, ++w, ++term) one = fma(*w, a[term->a], one);
      for (int k = 0; k < component.count[1]; ++k, ++w, ++term)
        two = fma(*w * a[term->a], a[term->b], two);
      for (int k = 0; k < component.count[2]; ++k, ++w, ++term)
        three = fma(*w * a[term->a], a[term->b] * a[term->c], three);
      for (int k = 0; k < component.count[3]; ++k, ++w, ++term)
        four = fma(*w * a[term->a] * a[term->b], a[term->c] * a[term->d], four);
      *b++ = (one + two) + (three + four);
    }
  }

  /// a_bar: set. gradient: added to, or null.
  template <Number T>
  void backward(int species, int tile, const Pack<T>* a, const Pack<T>* b_bar, Pack<T>* a_bar,
                Gradient<T>* gradient) const {
    const Pack<R>* w = coefficients_.data() + index(species, tile);
    Pack<T>* w_bar =
        gradient == nullptr ? nullptr : gradient->coefficients.data() + index(species, tile);
    for (int k = 0; k < table(0).basis_size(); ++k) a_bar[k] = Pack<T>();
    const Term* term = terms_.data();
    const auto add = [&](Pack<T> product) {
      if (w_bar != nullptr) *w_bar++ += product;
    };
    for (const Component& component : components_) {
      const Pack<T> bar = *b_bar++;
      for (int k = 0; k < component.count[0]; ++k, ++w, ++term) {
        a_bar[term->a] = fma(*w, bar, a_bar[term->a]);
        if (w_bar != nullptr) add(bar * a[term->a]);
      }
      for (int k = 0; k < component.count[1]; ++k, ++w, ++term) {
        const Pack<T> x = a[term->a], y = a[term->b], t = *w * bar;
        a_bar[term->a] = fma(t, y, a_bar[term->a]);
        a_bar[term->b] = fma(t, x, a_bar[term->b]);
        if (w_bar != nullptr) add(bar * x * y);
      }
      for (int k = 0; k < component.count[2]; ++k, ++w, ++term) {
        const Pack<T> x = a[term->a], y = a[term->b], z = a[term->c], t = *w * bar;
        const Pack<T> yz = y * z, tx = t * x;
        a_bar[term->a] = fma(t, yz, a_bar[term->a]);
        a_bar[term->b] = fma(tx, z, a_bar[term->b]);
        a_bar[term->c] = fma(tx, y, a_bar[term->c]);
        if (w_bar != nullptr) add(bar * x * yz);
      }
      for (int k = 0; k < component.count[3]; ++k, ++w, ++term) {
        const Pack<T> x = a[term->a], y = a[term->b], z = a[term->c], u = a[term->d], t = *w * bar;
        const Pack<T> xy = x * y, zu = z * u, txy = t * xy, tzu = t * zu;
        a_bar[term->a] = fma(tzu, y, a_bar[term->a]);
        a_bar[term->b] = fma(tzu, x, a_bar[term->b]);
        a_bar[term->c] = fma(txy, u, a_bar[term->c]);
        a_bar[term->d] = fma(txy, z, a_bar[term->d]);
        if (w_bar != nullptr) add(bar * xy * zu);
      }
    }
  }

  template <Number T>
  void reset(Gradient<T>& gradient) const {
    gradient.coefficients.assign(coefficients_.size(), Pack<T>());
  }
  /// Adds the cotangents of the coefficients to those of the weights.
  template <Number T>
  void unpack_gradient(const Gradient<T>& gradient, std::span<T> parameters_bar) const {
    for_each_coupling([&](std::size_t slice, int paths, int path, int coefficient, double value) {
      for (int z = 0; z < species_; ++z) {
        T* w = weight(slices_[slice].of(parameters_bar).data(), z, paths, path);
        for (int c = 0; c < channels_; ++c)
          w[c] += gradient
                      .coefficients[index(z, c / Pack<R>::lanes) +
                                    static_cast<std::size_t>(coefficient)]
                      .lane(c % Pack<R>::lanes) *
                  static_cast<R>(value);
      }
    });
  }

 private:
  struct Term {
    int a, b, c, d;
  };
  // Monomials of one (L, M), by degree, starting at `first` in terms_ and in the coefficients.
  struct Component {
    int first;
    int count[4];
  };

  const SymmetricContraction& table(int l) const { return (*tables_)[static_cast<std::size_t>(l)]; }
  std::size_t index(int species, int tile) const {
    return static_cast<std::size_t>((species * tiles_ + tile) * count_);
  }
  template <class T>
  T* weight(T* slice, int species, int paths, int path) const {
    return slice + static_cast<std::ptrdiff_t>((species * paths + path) * channels_);
  }
  template <class F>
  void for_each_coupling(F&& f) const {
    std::size_t slice = 0;
    std::size_t component = 0;
    for (int l = 0; l <= l_out_; ++l) {
      for (int m = 0; m <= 2 * l; ++m, ++component)
        for (const auto& entry : table(l).entries(m))
          f(slice + static_cast<std::size_t>(entry.nu - 1), table(l).paths(entry.nu), entry.path,
            components_[component].first + entry.monomial, entry.value);
      slice += static_cast<std::size_t>(table(l).correlation());
    }
  }

  std::shared_ptr<const std::vector<SymmetricContraction>> tables_;
  int channels_ = 0, species_ = 0, tiles_ = 0, l_out_ = 0, count_ = 0;
  std::vector<Term> terms_;
  std::vector<Component> components_;
  std::vector<Slice> slices_;  // [L][ν]
  Buffer<Pack<R>> coefficients_;
};

}  // namespace leyden::inline LEYDEN_ABI
