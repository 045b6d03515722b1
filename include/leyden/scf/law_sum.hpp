// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/scf/law.hpp>

#include <algorithm>
#include <cstddef>

/// Laws summed over the atoms and bonds of a structure, with first and second derivatives. Second
/// derivatives are first ones of the law on duals.
namespace leyden::inline LEYDEN_ABI {

/// The bonds of a structure: pairs of neighbours, from `sender` to `receiver`, all or some.
struct BondList {
  std::span<const int> edge, sender, receiver;  // (pairs), (edges), (edges)
  std::span<const int> chosen = {};             // pairs that are bonds
  bool all = true;                              // pairs are

  std::size_t size() const { return all ? edge.size() : chosen.size(); }
  /// The pair, whose coefficients are the bond's.
  std::size_t pair(std::size_t bond) const {
    return all ? bond : static_cast<std::size_t>(chosen[bond]);
  }
  std::size_t from(std::size_t bond) const {
    return static_cast<std::size_t>(sender[static_cast<std::size_t>(edge[pair(bond)])]);
  }
  std::size_t to(std::size_t bond) const {
    return static_cast<std::size_t>(receiver[static_cast<std::size_t>(edge[pair(bond)])]);
  }
};
template <Number T>
BondList bonds_of(const Geometry<T>& geometry) {
  return {geometry.pair_edge, geometry.sender, geometry.receiver};
}
/// Those shorter than `cutoff` (0: all), a list of which is kept in `chosen`.
template <std::floating_point R>
BondList bonds_of(const Geometry<R>& geometry, double cutoff, std::vector<int>& chosen) {
  BondList bonds = bonds_of(geometry);
  if (!(cutoff > 0.0)) return bonds;
  chosen.clear();
  for (std::size_t b = 0; b < bonds.edge.size(); ++b)
    if (geometry.length[static_cast<std::size_t>(bonds.edge[b])] < static_cast<R>(cutoff))
      chosen.push_back(static_cast<int>(b));
  bonds.chosen = chosen;
  bonds.all = false;
  return bonds;
}

/// The ends of the bonds, atom by atom.
struct BondEnds {
  struct End {
    std::size_t bond, other;  // and the atom at the other end
    std::size_t side;         // 0: the atom sends, 1: it receives
  };
  std::vector<std::size_t> first;  // (atoms + 1)
  std::vector<End> ends;

  std::span<const End> of(std::size_t atom) const {
    return std::span<const End>(ends).subspan(first[atom], first[atom + 1] - first[atom]);
  }
  void build(const BondList& bonds, std::size_t atoms) {
    first.assign(atoms + 2, 0);
    for (std::size_t b = 0; b < bonds.size(); ++b) {
      ++first[bonds.from(b) + 2];
      ++first[bonds.to(b) + 2];
    }
    for (std::size_t i = 0; i + 1 < first.size(); ++i) first[i + 1] += first[i];
    ends.resize(2 * bonds.size());
    for (std::size_t b = 0; b < bonds.size(); ++b) {
      const std::size_t i = bonds.from(b), j = bonds.to(b);
      ends[first[i + 1]++] = {b, j, 0};
      ends[first[j + 1]++] = {b, i, 1};
    }
    first.pop_back();
  }
};

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
  /// Coefficients of an atom (of each width) that bonds join.
  std::size_t joined() const {
    if constexpr (requires { law.bond_components(); })
      return static_cast<std::size_t>(law.bond_components());
    else
      return out;
  }
  /// Whether all that bonds do is to move charge along differences of potentials.
  bool bonds_transfer() const {
    if constexpr (requires { law.bonds_transfer(); })
      return law.bonds_transfer();
    else
      return false;
  }

  /// What a sum runs over.
  enum class Part { all, atoms, bonds };
  std::size_t of_atoms(Part part) const { return part == Part::bonds ? 0 : atoms; }
  std::size_t of_bonds(Part part) const {
    return part == Part::atoms || !has_bonds() ? 0 : bonds.size();
  }

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
           SiteCoefficients<T>* c_bar, Scratch<T>& s, Part part = Part::all) const {
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
    for (std::size_t i = 0; i < of_atoms(part); ++i)
      collect(law.atom(c.atoms.data() + i * ca(), x + i * in, gradient + i * in, dc), i, i,
              c_bar ? c_bar->atoms.data() + i * ca() : nullptr, ca());
    for (std::size_t b = 0; b < of_bonds(part); ++b) {
      const std::size_t i = bonds.from(b), j = bonds.to(b);
      const std::size_t at = bonds.pair(b) * cb();
      collect(law.bond(c.bonds.data() + at, x + i * in, x + j * in, gradient + i * in,
                       gradient + j * in, dc),
              i, j, c_bar ? c_bar->bonds.data() + at : nullptr, cb());
    }
    return total;
  }

  /// Adds ∂²φ/∂x² · d to `image` unless null, and factor · ∂/∂c (d·∂φ/∂x) to `c_bar` unless null.
  template <class T>
  void second(const SiteCoefficients<T>& c, const T* x, const T* d, T* image, T factor,
              SiteCoefficients<T>* c_bar, Scratch<T>& s, Part part = Part::all) const {
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
    for (std::size_t i = 0; i < of_atoms(part); ++i) {
      load(c.atoms.data() + i * ca(), ca());
      load_x(i, 0);
      law.atom(s.c.data(), s.x.data(), s.y.data(), dc);
      store(i, 0);
      if (c_bar) store_c(c_bar->atoms.data() + i * ca(), ca());
    }
    for (std::size_t b = 0; b < of_bonds(part); ++b) {
      const std::size_t i = bonds.from(b), j = bonds.to(b);
      const std::size_t at = bonds.pair(b) * cb();
      load(c.bonds.data() + at, cb());
      load_x(i, 0);
      load_x(j, in);
      law.bond(s.c.data(), s.x.data(), s.x.data() + in, s.y.data(), s.y.data() + in, dc);
      store(i, 0);
      store(j, in);
      if (c_bar) store_c(c_bar->bonds.data() + at, cb());
    }
  }

  /// Adds F(f) of a map law to p.
  template <class T>
  void map(const SiteCoefficients<T>& c, const T* f, T* p, Part part = Part::all) const {
    for (std::size_t i = 0; i < of_atoms(part); ++i)
      law.atom(c.atoms.data() + i * ca(), f + i * in, p + i * out);
    for (std::size_t b = 0; b < of_bonds(part); ++b) {
      const std::size_t i = bonds.from(b), j = bonds.to(b);
      law.bond(c.bonds.data() + bonds.pair(b) * cb(), f + i * in, f + j * in, p + i * out,
               p + j * out);
    }
  }
  /// Adds the cotangents of a map law: of f to f_bar, of c to c_bar (unless null).
  template <class T>
  void map_pullback(const SiteCoefficients<T>& c, const T* f, const T* p_bar, T* f_bar,
                    SiteCoefficients<T>* c_bar, Part part = Part::all) const {
    for (std::size_t i = 0; i < of_atoms(part); ++i)
      law.atom_pullback(c.atoms.data() + i * ca(), f + i * in, p_bar + i * out,
                        c_bar ? c_bar->atoms.data() + i * ca() : nullptr, f_bar + i * in);
    for (std::size_t b = 0; b < of_bonds(part); ++b) {
      const std::size_t i = bonds.from(b), j = bonds.to(b);
      const std::size_t at = bonds.pair(b) * cb();
      law.bond_pullback(c.bonds.data() + at, f + i * in, f + j * in, p_bar + i * out,
                        p_bar + j * out, c_bar ? c_bar->bonds.data() + at : nullptr, f_bar + i * in,
                        f_bar + j * in);
    }
  }

  /// The density that a response or a map makes of the potential (features) f, added to p.
  /// Returns φ(−f) of a response.
  template <class T>
  T respond(const SiteCoefficients<T>& c, const T* f, T* p, std::vector<T>& u, Scratch<T>& s,
            Part part = Part::all) const {
    if constexpr (Law::form == LawForm::map) {
      map(c, f, p, part);
      return T{};
    } else {
      u.resize(atoms * in);
      for (std::size_t k = 0; k < u.size(); ++k) u[k] = -f[k];
      return energy<T>(c, u.data(), p, nullptr, T{}, nullptr, s, part);
    }
  }
  /// Adds the cotangents of respond(): f_bar += Aᵀ p_bar with A = ∂p/∂f, and those of c.
  template <class T>
  void respond_pullback(const SiteCoefficients<T>& c, const T* f, const T* p_bar, T* f_bar,
                        SiteCoefficients<T>* c_bar, std::vector<T>& u, std::vector<T>& image,
                        Scratch<T>& s, Part part = Part::all) const {
    if constexpr (Law::form == LawForm::map) {
      map_pullback(c, f, p_bar, f_bar, c_bar, part);
    } else {
      u.resize(atoms * in);
      for (std::size_t k = 0; k < u.size(); ++k) u[k] = -f[k];
      image.assign(atoms * in, T{});
      second<T>(c, u.data(), p_bar, image.data(), T(RealOf<T>(1)), c_bar, s, part);
      for (std::size_t k = 0; k < u.size(); ++k) f_bar[k] -= image[k];
    }
  }
};

/// The derivatives of a summed law as a sparse matrix: a block (out × in) per atom and one of both
/// ends of each bond, of the coefficients that bonds join. Energy laws: ∂²φ/∂p²; others: ∂p/∂f.
template <class R>
struct LawBlocks {
  std::size_t in = 0, out = 0;  // of an atom
  std::size_t joined = 0;       // of `out`, and of each width
  std::vector<R> atoms, bonds;  // row-major

  std::size_t widths() const { return in / out; }
  std::size_t bond_row() const { return 2 * joined * widths(); }
  std::size_t bond_area() const { return 2 * joined * bond_row(); }
  /// What one end of a bond does to another for one width: `joined` rows, bond_row() apart.
  const R* bond_part(std::size_t bond, std::size_t to, std::size_t from, std::size_t width) const {
    return bonds.data() + bond * bond_area() + to * joined * bond_row() +
           (from * widths() + width) * joined;
  }

  template <class Law>
  void fill(const LawSum<Law>& sum, const SiteCoefficients<R>& c, const R* x,
            typename LawSum<Law>::template Scratch<R>& s) {
    in = sum.in;
    out = sum.out;
    joined = sum.joined();
    const std::size_t ca = sum.ca(), cb = sum.cb();
    atoms.resize(sum.atoms * out * in);
    bonds.resize(sum.has_bonds() ? sum.bonds.size() * bond_area() : 0);
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
    const auto along = [&](std::size_t k, auto&& evaluate) {
      std::fill(s.y.begin(), s.y.end(), Dual<R>{});
      s.x[k].tangent = sign;
      evaluate();
      s.x[k].tangent = R(0);
    };
    for (std::size_t i = 0; i < sum.atoms; ++i) {
      load(c.atoms.data() + i * ca, ca);
      load_x(i, 0);
      R* const block = atoms.data() + i * out * in;
      for (std::size_t k = 0; k < in; ++k) {
        along(k, [&] {
          if constexpr (Law::form == LawForm::map)
            sum.law.atom(s.c.data(), s.x.data(), s.y.data());
          else
            sum.law.atom(s.c.data(), s.x.data(), s.y.data(), static_cast<Dual<R>*>(nullptr));
        });
        for (std::size_t m = 0; m < out; ++m) block[m * in + k] = s.y[m].tangent;
      }
    }
    if (!sum.has_bonds()) return;
    // The second end of a transfer does the opposite of the first.
    const std::size_t ends = sum.bonds_transfer() ? 1 : 2, n_widths = widths();
    for (std::size_t b = 0; b < sum.bonds.size(); ++b) {
      load(c.bonds.data() + sum.bonds.pair(b) * cb, cb);
      load_x(sum.bonds.from(b), 0);
      load_x(sum.bonds.to(b), in);
      R* const block = bonds.data() + b * bond_area();
      for (std::size_t q = 0; q < ends; ++q)
        for (std::size_t w = 0; w < n_widths; ++w)
          for (std::size_t k = 0; k < joined; ++k) {
            along(q * in + w * out + k, [&] {
              if constexpr (Law::form == LawForm::map)
                sum.law.bond(s.c.data(), s.x.data(), s.x.data() + in, s.y.data(), s.y.data() + out);
              else
                sum.law.bond(s.c.data(), s.x.data(), s.x.data() + in, s.y.data(), s.y.data() + out,
                             static_cast<Dual<R>*>(nullptr));
            });
            R* const column = block + (q * n_widths + w) * joined + k;
            for (std::size_t r = 0; r < 2; ++r)
              for (std::size_t m = 0; m < joined; ++m) {
                const R value = s.y[r * out + m].tangent;
                column[(r * joined + m) * bond_row()] = value;
                if (ends == 1) column[(r * joined + m) * bond_row() + n_widths * joined] = -value;
              }
          }
    }
  }

  /// y += A x, or y += Aᵀ x.
  void apply(const BondList& bond_list, const R* x, R* y, bool transpose) const {
    const std::size_t n = atoms.size() / (in * out), n_widths = widths();
    const std::size_t xs = transpose ? out : in, ys = transpose ? in : out;
    for (std::size_t i = 0; i < n; ++i) {
      const R* const block = atoms.data() + i * in * out;
      for (std::size_t m = 0; m < out; ++m)
        for (std::size_t k = 0; k < in; ++k) {
          const R a = block[m * in + k];
          if (transpose)
            y[i * ys + k] += a * x[i * xs + m];
          else
            y[i * ys + m] += a * x[i * xs + k];
        }
    }
    if (bonds.empty()) return;
    for (std::size_t b = 0; b < bond_list.size(); ++b) {
      const std::size_t at[2] = {bond_list.from(b), bond_list.to(b)};
      for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t q = 0; q < 2; ++q)
          for (std::size_t w = 0; w < n_widths; ++w) {
            const R* const block = bond_part(b, r, q, w);
            for (std::size_t m = 0; m < joined; ++m)
              for (std::size_t k = 0; k < joined; ++k) {
                const R a = block[m * bond_row() + k];
                if (transpose)
                  y[at[q] * ys + w * out + k] += a * x[at[r] * xs + m];
                else
                  y[at[r] * ys + m] += a * x[at[q] * xs + w * out + k];
              }
          }
    }
  }
};

}  // namespace leyden::inline LEYDEN_ABI
