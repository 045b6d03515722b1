// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/core/unroll.hpp>
#include <leyden/equivariant/product_program.hpp>
#include <leyden/equivariant/registers.hpp>

#include <cmath>
#include <cstddef>
#include <memory>
#include <new>
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
/// of products, channel by channel (ProductProgram). Works on one tile of channels of one atom, or
/// of several atoms of a species at once: their coefficients are the same.
template <std::floating_point R>
class ProductBasis {
 public:
  /// Cotangents of all coefficients (of duals: gradient_part), [species][tile][coefficient].
  using Gradient = Buffer<Pack<R>>;

  ProductBasis() = default;
  /// tables: one contraction per output L = 0 … l_out (more are ignored).
  ProductBasis(std::shared_ptr<const std::vector<SymmetricContraction>> tables, int channels,
               int species, int l_out)
      : tables_(std::move(tables)),
        channels_(channels),
        species_(species),
        tiles_(pack_count<R>(channels)),
        l_out_(l_out) {
    if (table(0).basis_size() > max_basis)
      throw ModelError("ProductBasis: the atomic basis may have l up to 5");
    for (int l = 0; l <= l_out; ++l)
      for (int m = 0; m <= 2 * l; ++m) {
        first_.push_back(static_cast<int>(place_.size()));
        const std::vector<int> place = program_.add(table(l).monomials(m));
        place_.insert(place_.end(), place.begin(), place.end());
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
    coefficients_.assign(static_cast<std::size_t>(species_ * tiles_ * program_.size()), Pack<R>());
    for_each_coupling([&](std::size_t slice, int paths, int path, int coefficient, double value) {
      for (int z = 0; z < species_; ++z) {
        const double* w = weight(slices_[slice].of(parameters).data(), z, paths, path);
        for_each_pack_of<R>(channels_, [&](int tile, auto count) {
          Pack<R>& p = coefficients_[index(z, tile) + static_cast<std::size_t>(coefficient)];
          Pack<R> sum = p;
          for (int i = 0; i < count; ++i, ++w)
            sum.set_lane(i, sum.lane(i) + static_cast<R>(value * *w));
          p = sum;
        });
      }
    });
  }

  /// a: (lm of the atomic basis) packs; b: ((l_out + 1)²) packs, set.
  template <Number T>
  void forward(int species, int tile, const Pack<T>* a, Pack<T>* b) const {
    constexpr int atom = 0;
    forward_atoms<1, T>(species, tile, &atom, a, b);
  }
  /// The same for a list of atoms of one species: a and b are a tile's [atom][lm].
  template <Number T>
  void forward(int species, int tile, const std::vector<int>& atoms, const Pack<T>* a,
               Pack<T>* b) const {
    each_block<T>(
        atoms, [&]<int n>(const int* block) { forward_atoms<n, T>(species, tile, block, a, b); });
  }

  /// a_bar: set. gradient: added to, or null.
  template <Number T>
  void backward(int species, int tile, const Pack<T>* a, const Pack<T>* b_bar, Pack<T>* a_bar,
                Gradient* gradient) const {
    constexpr int atom = 0;
    backward_block<1>(species, tile, &atom, a, b_bar, a_bar, gradient);
  }
  /// The same for a list of atoms of one species.
  template <Number T>
  void backward(int species, int tile, const std::vector<int>& atoms, const Pack<T>* a,
                const Pack<T>* b_bar, Pack<T>* a_bar, Gradient* gradient) const {
    each_block<T>(atoms, [&]<int n>(const int* block) {
      backward_block<n>(species, tile, block, a, b_bar, a_bar, gradient);
    });
  }

  void reset(Gradient& gradient) const { gradient.assign(coefficients_.size(), Pack<R>()); }
  /// Adds the cotangents of the coefficients to those of the weights.
  void unpack_gradient(const Gradient& gradient, std::span<double> parameters_bar) const {
    for_each_coupling([&](std::size_t slice, int paths, int path, int coefficient, double value) {
      for (int z = 0; z < species_; ++z) {
        double* w = weight(slices_[slice].of(parameters_bar).data(), z, paths, path);
        for_each_pack_of<R>(channels_, [&](int tile, auto count) {
          const Pack<R> p = gradient[index(z, tile) + static_cast<std::size_t>(coefficient)];
          for (int i = 0; i < count; ++i, ++w) *w += p.lane(i) * value;
        });
      }
    });
  }

 private:
  // Atoms at a time: enough to hide latencies, few enough for the registers.
  template <Number T, class F>
  static void each_block(const std::vector<int>& atoms, F&& f) {
    constexpr std::size_t block = is_dual_v<T> ? 2 : 4;
    std::size_t i = 0;
    for (; i + block <= atoms.size(); i += block)
      f.template operator()<static_cast<int>(block)>(atoms.data() + i);
    for (; i < atoms.size(); ++i) f.template operator()<1>(atoms.data() + i);
  }

  static constexpr int max_basis = 36;  // l = 5
  // The atomic basis of a block of atoms side by side: one address reaches all.
  template <Number T, int n>
  struct Local {
    alignas(64) std::byte storage[static_cast<std::size_t>(max_basis * n) * sizeof(Pack<T>)];
    LEYDEN_ALWAYS_INLINE Pack<T>* operator[](int k) {
      return reinterpret_cast<Pack<T>*>(storage) + k * n;
    }
  };
  template <Number T, int n>
  void load(const int* atoms, const Pack<T>* all, Local<T, n>& a) const {
    const int size = table(0).basis_size();
    for (int i = 0; i < n; ++i) {
      const Pack<T>* from = all + static_cast<std::ptrdiff_t>(atoms[i]) * size;
      for (int k = 0; k < size; ++k) ::new (static_cast<void*>(a[k] + i)) Pack<T>(from[k]);
    }
  }

  template <int n, Number T>
  void forward_atoms(int species, int tile, const int* atoms, const Pack<T>* a_all,
                     Pack<T>* b_all) const {
    const Pack<R>* w = coefficients_.data() + index(species, tile);
    const int* factor = program_.factors();
    const ProductProgram::Run* run = program_.runs();
    Local<T, n> a;
    load(atoms, a_all, a);
    Pack<T>* b[n];
    for (int i = 0; i < n; ++i)
      b[i] = b_all + static_cast<std::ptrdiff_t>(atoms[i]) * (l_out_ + 1) * (l_out_ + 1);
    for (const ProductProgram::Component& component : program_.components()) {
      Registers<Pack<T>, n> sum;
      for (int k = 0; k < component.linear; ++k, ++w, ++factor)
        unroll<n>([&](auto i) { sum[i] = fma(*w, a[*factor][i], sum[i]); });
      for (int r = 0; r < component.runs; ++r, ++run) {
        Registers<Pack<T>, n> inner;
        if (run->square) {
          unroll<n>([&](auto i) { inner[i] = Pack<T>(*w); });
          ++w;
        }
        for (int k = 0; k < run->cubic; ++k, ++w, ++factor)
          unroll<n>([&](auto i) { inner[i] = fma(*w, a[*factor][i], inner[i]); });
        for (int k = 0; k < run->quartic; ++k, ++w, factor += 2)
          unroll<n>(
              [&](auto i) { inner[i] = fma(*w * a[factor[0]][i], a[factor[1]][i], inner[i]); });
        unroll<n>([&](auto i) { sum[i] = fma(a[run->a][i] * a[run->b][i], inner[i], sum[i]); });
      }
      unroll<n>([&](auto i) { *b[i]++ = sum[i]; });
    }
  }

  template <int n, Number T>
  void backward_block(int species, int tile, const int* atoms, const Pack<T>* a,
                      const Pack<T>* b_bar, Pack<T>* a_bar, Gradient* gradient) const {
    if (gradient == nullptr)
      backward_atoms<n, false, T>(species, tile, atoms, a, b_bar, a_bar, nullptr);
    else
      backward_atoms<n, true, T>(species, tile, atoms, a, b_bar, a_bar, gradient);
  }
  template <int n, bool weights, Number T>
  void backward_atoms(int species, int tile, const int* atoms, const Pack<T>* a_all,
                      const Pack<T>* b_bar_all, Pack<T>* a_bar_all, Gradient* gradient) const {
    const Pack<R>* w = coefficients_.data() + index(species, tile);
    [[maybe_unused]] Pack<R>* w_bar = weights ? gradient->data() + index(species, tile) : nullptr;
    const int* factor = program_.factors();
    const ProductProgram::Run* run = program_.runs();
    Local<T, n> a, a_bar;
    load(atoms, a_all, a);
    for (int k = 0; k < table(0).basis_size(); ++k)
      for (int i = 0; i < n; ++i) ::new (static_cast<void*>(a_bar[k] + i)) Pack<T>();
    const Pack<T>* b_bar[n];
    for (int i = 0; i < n; ++i)
      b_bar[i] = b_bar_all + static_cast<std::ptrdiff_t>(atoms[i]) * (l_out_ + 1) * (l_out_ + 1);
    const auto add = [](Pack<T>& to, auto x, Pack<T> y) { to = fma(x, y, to); };
    // Adds the products of all atoms.
    const auto add_parts = [](Pack<R>& to, auto&& x, auto&& y) {
      Pack<R> sum = to;
      unroll<n>([&](auto i) { sum = fma_gradient_part(x(i), y(i), sum); });
      to = sum;
    };
    for (const ProductProgram::Component& component : program_.components()) {
      Registers<Pack<T>, n> bar;
      unroll<n>([&](auto i) { bar[i] = *b_bar[i]++; });
      for (int k = 0; k < component.linear; ++k, ++w, ++factor) {
        if constexpr (weights)
          add_parts(
              *w_bar++, [&](auto i) { return bar[i]; }, [&](auto i) { return a[*factor][i]; });
        unroll<n>([&](auto i) { add(a_bar[*factor][i], *w, bar[i]); });
      }
      for (int r = 0; r < component.runs; ++r, ++run) {
        Registers<Pack<T>, n> inner, pair_bar;  // pair_bar: B̄ A[a] A[b]
        unroll<n>([&](auto i) { pair_bar[i] = a[run->a][i] * a[run->b][i] * bar[i]; });
        if (run->square) {
          unroll<n>([&](auto i) { inner[i] = Pack<T>(*w); });
          ++w;
          if constexpr (weights) {
            Pack<R> sum = *w_bar;
            unroll<n>([&](auto i) { sum += gradient_part(pair_bar[i]); });
            *w_bar++ = sum;
          }
        }
        for (int k = 0; k < run->cubic; ++k, ++w, ++factor) {
          if constexpr (weights)
            add_parts(
                *w_bar++, [&](auto i) { return pair_bar[i]; },
                [&](auto i) { return a[*factor][i]; });
          unroll<n>([&](auto i) {
            inner[i] = fma(*w, a[*factor][i], inner[i]);
            add(a_bar[*factor][i], *w, pair_bar[i]);
          });
        }
        for (int k = 0; k < run->quartic; ++k, ++w, factor += 2) {
          if constexpr (weights)
            add_parts(
                *w_bar++, [&](auto i) { return pair_bar[i] * a[factor[0]][i]; },
                [&](auto i) { return a[factor[1]][i]; });
          unroll<n>([&](auto i) {
            const Pack<T> c = a[factor[0]][i], d = a[factor[1]][i], t = *w * pair_bar[i];
            inner[i] = fma(*w * c, d, inner[i]);
            add(a_bar[factor[0]][i], t, d);
            add(a_bar[factor[1]][i], t, c);
          });
        }
        unroll<n>([&](auto i) {
          const Pack<T> t = inner[i] * bar[i];
          add(a_bar[run->a][i], t, a[run->b][i]);
          add(a_bar[run->b][i], t, a[run->a][i]);
        });
      }
    }
    for (int i = 0; i < n; ++i) {
      Pack<T>* out = a_bar_all + static_cast<std::ptrdiff_t>(atoms[i]) * table(0).basis_size();
      for (int k = 0; k < table(0).basis_size(); ++k) out[k] = a_bar[k][i];
    }
  }

  const SymmetricContraction& table(int l) const { return (*tables_)[static_cast<std::size_t>(l)]; }
  std::size_t index(int species, int tile) const {
    return static_cast<std::size_t>((species * tiles_ + tile) * program_.size());
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
            place_[static_cast<std::size_t>(first_[component] + entry.monomial)], entry.value);
      slice += static_cast<std::size_t>(table(l).correlation());
    }
  }

  std::shared_ptr<const std::vector<SymmetricContraction>> tables_;
  int channels_ = 0, species_ = 0, tiles_ = 0, l_out_ = 0;
  ProductProgram program_;
  std::vector<int> place_, first_;  // of coefficients: per monomial, components one after another
  std::vector<Slice> slices_;       // [L][ν]
  Buffer<Pack<R>> coefficients_;
};

}  // namespace leyden::inline LEYDEN_ABI
