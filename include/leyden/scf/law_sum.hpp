// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/scf/law.hpp>

#include <algorithm>
#include <cstddef>

/// Laws summed over the atoms and bonds of a structure, with first and second derivatives. Second
/// derivatives are first ones of the law on duals.
namespace leyden::inline LEYDEN_ABI {

/// The bonds of a structure: pairs of neighbours, from `sender` to `receiver`.
struct BondList {
  std::span<const int> edge, sender, receiver;  // (bonds), (edges), (edges)

  std::size_t size() const { return edge.size(); }
  std::size_t from(std::size_t bond) const {
    return static_cast<std::size_t>(sender[static_cast<std::size_t>(edge[bond])]);
  }
  std::size_t to(std::size_t bond) const {
    return static_cast<std::size_t>(receiver[static_cast<std::size_t>(edge[bond])]);
  }
};
template <Number T>
BondList bonds_of(const Geometry<T>& geometry) {
  return {geometry.pair_edge, geometry.sender, geometry.receiver};
}

/// Which law acts on which atoms and bonds, and how many numbers go in and out of one atom.
template <class Law>
struct LawSum {
  const Law& law;
  BondList bonds;
  std::size_t atoms = 0;
  std::size_t in = 0;   // of x, u or f
  std::size_t out = 0;  // of the multipoles (and of gradients)

  std::size_t ca() const { return static_cast<std::size_t>(law.atom_size()); }
  std::size_t cb() const { return static_cast<std::size_t>(law.bond_size()); }
  bool has_bonds() const { return law.bond_size() > 0; }

  /// Duals in which the second derivatives of one atom or bond are taken.
  template <class T>
  struct Scratch {
    std::vector<Dual<T>> c, c_bar, x, y;
    std::vector<T> real;
  };

  /// φ(x); adds ∂φ/∂x to `gradient`, factor · ∂φ/∂c to `c_bar` unless null, and the share of each
  /// atom to `shares` unless null (bonds half and half). Energy and response laws.
  template <class T>
  T energy(const SiteCoefficients<T>& c, const T* x, T* gradient, T* shares, T factor,
           SiteCoefficients<T>* c_bar, Scratch<T>& s) const {
    T total{};
    s.real.assign(std::max(ca(), cb()), T{});
    const auto collect = [&](T e, std::size_t i, std::size_t j, T* target, std::size_t n) {
      total += e;
      if (shares) {
        shares[i] += e * RealOf<T>(0.5);
        shares[j] += e * RealOf<T>(0.5);
      }
      if (c_bar)
        for (std::size_t k = 0; k < n; ++k) {
          target[k] += factor * s.real[k];
          s.real[k] = T{};
        }
    };
    T* dc = c_bar ? s.real.data() : nullptr;
    for (std::size_t i = 0; i < atoms; ++i)
      collect(law.atom(c.atoms.data() + i * ca(), x + i * in, gradient + i * in, dc), i, i,
              c_bar ? c_bar->atoms.data() + i * ca() : nullptr, ca());
    if (has_bonds())
      for (std::size_t b = 0; b < bonds.size(); ++b) {
        const std::size_t i = bonds.from(b), j = bonds.to(b);
        collect(law.bond(c.bonds.data() + b * cb(), x + i * in, x + j * in, gradient + i * in,
                         gradient + j * in, dc),
                i, j, c_bar ? c_bar->bonds.data() + b * cb() : nullptr, cb());
      }
    return total;
  }

  /// Adds ∂²φ/∂x² · d to `image` unless null, and factor · ∂/∂c (d·∂φ/∂x) to `c_bar` unless null.
  template <class T>
  void second(const SiteCoefficients<T>& c, const T* x, const T* d, T* image, T factor,
              SiteCoefficients<T>* c_bar, Scratch<T>& s) const {
    s.c.resize(std::max(ca(), cb()));
    s.c_bar.resize(s.c.size());
    s.x.resize(2 * in);
    s.y.resize(2 * in);
    const auto load = [&](const T* coefficients, std::size_t n) {
      for (std::size_t k = 0; k < n; ++k) {
        s.c[k] = Dual<T>(coefficients[k]);
        s.c_bar[k] = Dual<T>{};
      }
      std::fill(s.y.begin(), s.y.end(), Dual<T>{});
    };
    const auto load_x = [&](std::size_t atom, std::size_t at) {
      for (std::size_t m = 0; m < in; ++m)
        s.x[at + m] = Dual<T>(x[atom * in + m], d[atom * in + m]);
    };
    const auto store = [&](std::size_t atom, std::size_t at) {
      if (image)
        for (std::size_t m = 0; m < in; ++m) image[atom * in + m] += s.y[at + m].tangent;
    };
    const auto store_c = [&](T* target, std::size_t n) {
      for (std::size_t k = 0; k < n; ++k) target[k] += factor * s.c_bar[k].tangent;
    };
    Dual<T>* dc = c_bar ? s.c_bar.data() : nullptr;
    for (std::size_t i = 0; i < atoms; ++i) {
      load(c.atoms.data() + i * ca(), ca());
      load_x(i, 0);
      law.atom(s.c.data(), s.x.data(), s.y.data(), dc);
      store(i, 0);
      if (c_bar) store_c(c_bar->atoms.data() + i * ca(), ca());
    }
    if (has_bonds())
      for (std::size_t b = 0; b < bonds.size(); ++b) {
        const std::size_t i = bonds.from(b), j = bonds.to(b);
        load(c.bonds.data() + b * cb(), cb());
        load_x(i, 0);
        load_x(j, in);
        law.bond(s.c.data(), s.x.data(), s.x.data() + in, s.y.data(), s.y.data() + in, dc);
        store(i, 0);
        store(j, in);
        if (c_bar) store_c(c_bar->bonds.data() + b * cb(), cb());
      }
  }

  /// Adds F(f) of a map law to p.
  template <class T>
  void map(const SiteCoefficients<T>& c, const T* f, T* p) const {
    for (std::size_t i = 0; i < atoms; ++i)
      law.atom(c.atoms.data() + i * ca(), f + i * in, p + i * out);
    if (has_bonds())
      for (std::size_t b = 0; b < bonds.size(); ++b) {
        const std::size_t i = bonds.from(b), j = bonds.to(b);
        law.bond(c.bonds.data() + b * cb(), f + i * in, f + j * in, p + i * out, p + j * out);
      }
  }
  /// Adds the cotangents of a map law: of f to f_bar, of c to c_bar (unless null).
  template <class T>
  void map_pullback(const SiteCoefficients<T>& c, const T* f, const T* p_bar, T* f_bar,
                    SiteCoefficients<T>* c_bar) const {
    for (std::size_t i = 0; i < atoms; ++i)
      law.atom_pullback(c.atoms.data() + i * ca(), f + i * in, p_bar + i * out,
                        c_bar ? c_bar->atoms.data() + i * ca() : nullptr, f_bar + i * in);
    if (has_bonds())
      for (std::size_t b = 0; b < bonds.size(); ++b) {
        const std::size_t i = bonds.from(b), j = bonds.to(b);
        law.bond_pullback(c.bonds.data() + b * cb(), f + i * in, f + j * in, p_bar + i * out,
                          p_bar + j * out, c_bar ? c_bar->bonds.data() + b * cb() : nullptr,
                          f_bar + i * in, f_bar + j * in);
      }
  }

  /// The density that a response or a map makes of the potential (features) f; sets p.
  template <class T>
  void respond(const SiteCoefficients<T>& c, const T* f, T* p, std::vector<T>& u,
               Scratch<T>& s) const {
    std::fill(p, p + atoms * out, T{});
    if constexpr (Law::form == LawForm::map) {
      map(c, f, p);
    } else {
      u.resize(atoms * in);
      for (std::size_t k = 0; k < u.size(); ++k) u[k] = -f[k];
      energy<T>(c, u.data(), p, nullptr, T{}, nullptr, s);
    }
  }
  /// Adds the cotangents of respond(): f_bar += Aᵀ p_bar with A = ∂p/∂f, and those of c.
  template <class T>
  void respond_pullback(const SiteCoefficients<T>& c, const T* f, const T* p_bar, T* f_bar,
                        SiteCoefficients<T>* c_bar, std::vector<T>& u, std::vector<T>& image,
                        Scratch<T>& s) const {
    if constexpr (Law::form == LawForm::map) {
      map_pullback(c, f, p_bar, f_bar, c_bar);
    } else {
      u.resize(atoms * in);
      for (std::size_t k = 0; k < u.size(); ++k) u[k] = -f[k];
      image.assign(atoms * in, T{});
      second<T>(c, u.data(), p_bar, image.data(), T(RealOf<T>(1)), c_bar, s);
      for (std::size_t k = 0; k < u.size(); ++k) f_bar[k] -= image[k];
    }
  }
};

/// The derivatives of a summed law as a sparse matrix: a block (out × in) per atom and one of both
/// ends of each bond (2 out × 2 in), row-major. Energy laws: ∂²φ/∂p²; others: ∂p/∂f.
template <class R>
struct LawBlocks {
  std::size_t in = 0, out = 0;
  std::vector<R> atoms, bonds;

  template <class Law>
  void fill(const LawSum<Law>& sum, const SiteCoefficients<R>& c, const R* x,
            typename LawSum<Law>::template Scratch<R>& s) {
    in = sum.in;
    out = sum.out;
    const std::size_t ca = sum.ca(), cb = sum.cb();
    atoms.assign(sum.atoms * out * in, R(0));
    bonds.assign(sum.has_bonds() ? sum.bonds.size() * 4 * out * in : 0, R(0));
    s.c.resize(std::max(ca, cb));
    s.x.resize(2 * in);
    s.y.resize(2 * std::max(in, out));
    // Responses are functions of u = −f: p = φ'(−f), ∂p/∂f = −φ''.
    const R sign = Law::form == LawForm::response ? R(-1) : R(1);
    const auto load = [&](const R* coefficients, std::size_t n) {
      for (std::size_t k = 0; k < n; ++k) s.c[k] = Dual<R>(coefficients[k]);
    };
    const auto load_x = [&](std::size_t atom, std::size_t at) {
      for (std::size_t m = 0; m < in; ++m) s.x[at + m] = Dual<R>(sign * x[atom * in + m]);
    };
    const auto columns = [&](std::size_t width, std::size_t height, R* block, auto&& evaluate) {
      for (std::size_t k = 0; k < width; ++k) {
        std::fill(s.y.begin(), s.y.end(), Dual<R>{});
        s.x[k].tangent = sign;
        evaluate();
        s.x[k].tangent = R(0);
        for (std::size_t m = 0; m < height; ++m) block[m * width + k] = s.y[m].tangent;
      }
    };
    for (std::size_t i = 0; i < sum.atoms; ++i) {
      load(c.atoms.data() + i * ca, ca);
      load_x(i, 0);
      columns(in, out, atoms.data() + i * out * in, [&] {
        if constexpr (Law::form == LawForm::map)
          sum.law.atom(s.c.data(), s.x.data(), s.y.data());
        else
          sum.law.atom(s.c.data(), s.x.data(), s.y.data(), static_cast<Dual<R>*>(nullptr));
      });
    }
    if (sum.has_bonds())
      for (std::size_t b = 0; b < sum.bonds.size(); ++b) {
        load(c.bonds.data() + b * cb, cb);
        load_x(sum.bonds.from(b), 0);
        load_x(sum.bonds.to(b), in);
        columns(2 * in, 2 * out, bonds.data() + b * 4 * out * in, [&] {
          if constexpr (Law::form == LawForm::map)
            sum.law.bond(s.c.data(), s.x.data(), s.x.data() + in, s.y.data(), s.y.data() + out);
          else
            sum.law.bond(s.c.data(), s.x.data(), s.x.data() + in, s.y.data(), s.y.data() + out,
                         static_cast<Dual<R>*>(nullptr));
        });
      }
  }

  /// y += A x, or y += Aᵀ x.
  void apply(const BondList& bond_list, const R* x, R* y, bool transpose) const {
    const std::size_t n = atoms.size() / (in * out);
    const std::size_t xs = transpose ? out : in, ys = transpose ? in : out;
    const auto add = [&](const R* block, std::size_t row, std::size_t col, std::size_t width,
                         const R* from, R* to) {
      // The part (row, col) of a block with `width` columns.
      for (std::size_t m = 0; m < out; ++m)
        for (std::size_t k = 0; k < in; ++k) {
          const R a = block[(row * out + m) * width + col * in + k];
          if (transpose)
            to[k] += a * from[m];
          else
            to[m] += a * from[k];
        }
    };
    for (std::size_t i = 0; i < n; ++i)
      add(atoms.data() + i * in * out, 0, 0, in, x + i * xs, y + i * ys);
    if (bonds.empty()) return;
    for (std::size_t b = 0; b < bond_list.size(); ++b) {
      const std::size_t at[2] = {bond_list.from(b), bond_list.to(b)};
      const R* block = bonds.data() + b * 4 * in * out;
      for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t q = 0; q < 2; ++q) {
          const std::size_t source = transpose ? r : q, target = transpose ? q : r;
          add(block, r, q, 2 * in, x + at[source] * xs, y + at[target] * ys);
        }
    }
  }
};

}  // namespace leyden::inline LEYDEN_ABI
