// SPDX-License-Identifier: MIT
#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_law.hpp>
#include <leyden/charge/map_law.hpp>
#include <leyden/charge/response_law.hpp>

#include "law_checks.hpp"

#include <array>

namespace laws_test {

namespace {

using namespace leyden;
using namespace leyden_test;

template <int L>
ResponseLaw<L> full_response() {
  ResponseLaw<L> law;
  law.levels = 3;
  law.temperature = 0.4;
  law.bond_softness = law.bond_saturation = true;
  law.bond_temperature = 0.7;
  return law;
}
template <int L>
EnergyLaw<L> full_energy() {
  EnergyLaw<L> law;
  law.kinks = 2;
  law.wells = 2;
  law.width = 0.6;
  law.bond_hardness = law.bond_sum_hardness = law.bond_kinks = true;
  return law;
}
constexpr std::array<double, 2> two_widths{0.8, 1.6};
template <int L>
MapLaw<L> full_map() {
  MapLaw<L> law;
  law.features = two_widths;
  law.terms = 2;
  law.readout_terms = 3;
  law.bond_transfer = law.bond_cross = true;
  return law;
}

template <class T>
std::vector<T> cast(const std::vector<double>& v) {
  return std::vector<T>(v.begin(), v.end());
}

// w·F(c, f) as a scalar function, whose gradient is the pullback of w.
template <int L>
void check_map(const MapLaw<L>& law) {
  constexpr int size = MapLaw<L>::size;
  const int in = law.widths() * size;
  const auto w = random_vector(2 * size, 5);
  check_function(
      [&]<class T>(const T* c, const T* f, T* c_bar, T* f_bar) {
        std::vector<T> p(size), p_bar = cast<T>(w);
        law.atom(c, f, p.data());
        law.atom_pullback(c, f, p_bar.data(), c_bar, f_bar);
        T sum{};
        for (std::size_t m = 0; m < size; ++m) sum += p[m] * p_bar[m];
        return sum;
      },
      random_vector(law.atom_size(), 1), random_vector(in, 2));
  if (law.bond_size() > 0)
    check_function(
        [&]<class T>(const T* c, const T* f, T* c_bar, T* f_bar) {
          std::vector<T> p(2 * size), p_bar = cast<T>(w);
          law.bond(c, f, f + in, p.data(), p.data() + size);
          law.bond_pullback(c, f, f + in, p_bar.data(), p_bar.data() + size, c_bar, f_bar,
                            f_bar + in);
          T sum{};
          for (std::size_t m = 0; m < 2 * size; ++m) sum += p[m] * p_bar[m];
          return sum;
        },
        random_vector(law.bond_size(), 3), random_vector(2 * in, 4));
  check_function(
      [&]<class T>(const T* c, const T* x, T* c_bar, T* x_bar) {
        return law.readout(c, x, x + size, c_bar, x_bar, x_bar + size);
      },
      random_vector(law.atom_size(), 6), random_vector(size + in, 7));
}

// What a bond makes of x (both ends): gradients of energies and responses, multipoles of maps.
template <class Law>
std::vector<double> of_bond(const Law& law, const std::vector<double>& x) {
  const auto b = random_vector(law.bond_size(), 3);
  const std::size_t in = x.size() / 2;
  std::vector<double> y(2 * Law::size);
  if constexpr (Law::form == LawForm::map)
    law.bond(b.data(), x.data(), x.data() + in, y.data(), y.data() + Law::size);
  else
    law.bond(b.data(), x.data(), x.data() + in, y.data(), y.data() + Law::size,
             static_cast<double*>(nullptr));
  return y;
}

// bond_components() and bonds_transfer() as they are described in law.hpp.
template <class Law>
void check_statements(const Law& law, int widths = 1) {
  constexpr int size = Law::size;
  const int joined = law.bond_components();
  const auto x = random_vector(2 * widths * size, 4), y = of_bond(law, x);
  auto other = x;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (static_cast<int>(k) % size >= joined) other[k] += 0.7;
  CHECK(of_bond(law, other) == y);
  for (std::size_t k = 0; k < y.size(); ++k)
    if (static_cast<int>(k) % size >= joined) CHECK(y[k] == 0.0);
  CHECK(std::abs(y[0]) > 1e-3);
  if constexpr (requires { law.bonds_transfer(); }) {
    if (!law.bonds_transfer()) return;
    other = x;
    for (int w = 0; w < widths; ++w)
      for (int end = 0; end < 2; ++end)
        other[static_cast<std::size_t>((end * widths + w) * size)] += 0.3 + w;
    const auto shifted = of_bond(law, other);
    for (std::size_t k = 0; k < y.size(); ++k) CHECK_THAT(shifted[k], WithinAbs(y[k], 1e-13));
    CHECK(y[0] == -y[static_cast<std::size_t>(size)]);
  }
}

}  // namespace

TEST_CASE("what laws say of their bonds is so", "[charge]") {
  check_statements(full_response<0>());
  check_statements(full_response<1>());
  check_statements(full_energy<1>());
  check_statements(BondHardnessLaw<1>());
  check_statements(full_map<1>(), 2);
  auto transfer = full_map<1>();
  transfer.bond_cross = false;
  CHECK(transfer.bonds_transfer());
  check_statements(transfer, 2);
}

TEST_CASE("gradients of response laws", "[charge]") {
  check_law(full_response<0>(), 1, 10);
  check_law(full_response<1>(), 4, 20);
  ResponseLaw<1> plain;  // every switch off
  plain.softness = plain.polarizability = plain.level_dipoles = false;
  plain.levels = 1;
  plain.bond_saturation = true;
  check_law(plain, 4, 30);
}

TEST_CASE("gradients of energy laws", "[charge]") {
  check_law(full_energy<0>(), 1, 10);
  check_law(full_energy<1>(), 4, 20);
  EnergyLaw<1> plain;
  plain.dipoles = false;
  plain.kinks = 1;
  plain.bond_kinks = true;
  check_law(plain, 4, 30);
}

TEST_CASE("gradients of maps and of their readout", "[charge]") {
  check_map(full_map<0>());
  check_map(full_map<1>());
  MapLaw<1> plain;
  plain.softness = plain.coupling = false;
  plain.terms = 1;
  plain.bond_cross = true;
  check_map(plain);
}

TEST_CASE("log cosh is convex, smooth at zero and does not overflow", "[charge]") {
  using D = Dual<double>;
  for (double x : {-800.0, -30.0, -1.0, 0.0, 1e-9, 2.0, 40.0, 800.0}) {
    const Dual<D> y = log_cosh(Dual<D>(D(x, 1.0), D(1.0)));
    CHECK_THAT(y.value.tangent, WithinAbs(std::tanh(x), 1e-15));
    const double sech2 = 1.0 - std::tanh(x) * std::tanh(x);
    CHECK_THAT(y.tangent.tangent, WithinAbs(sech2, 1e-15));
    CHECK_THAT(y.value.value, WithinAbs(log_cosh(-x), 1e-15));
  }
  CHECK_THAT(log_cosh(0.0), WithinAbs(0.0, 1e-16));
  CHECK_THAT(log_cosh(800.0), WithinAbs(800.0 - std::log(2.0), 1e-12));
}

TEST_CASE("laws are finite for potentials and charges of any size", "[charge]") {
  const auto response = full_response<1>();
  const auto energy = full_energy<1>();
  using D = Dual<Dual<double>>;
  for (double x : {-1e4, -800.0, 800.0, 1e4}) {
    const auto check = [&](const auto& law) {
      std::vector<D> c = cast<D>(random_vector(law.atom_size(), 1));
      std::vector<D> b = cast<D>(random_vector(law.bond_size(), 2));
      std::vector<D> u(8, D(Dual<double>(x, 1.0), Dual<double>(1.0))), u_bar(8);
      u[4] = -u[4];
      std::vector<D> c_bar(c.size()), b_bar(b.size());
      const D atom = law.atom(c.data(), u.data(), u_bar.data(), c_bar.data());
      const D bond =
          law.bond(b.data(), u.data(), u.data() + 4, u_bar.data(), u_bar.data() + 4, b_bar.data());
      CHECK(std::isfinite(atom.value.value + atom.tangent.tangent));
      CHECK(std::isfinite(bond.value.value + bond.tangent.tangent));
      for (const D& g : u_bar) CHECK(std::isfinite(g.value.value + g.tangent.tangent));
      for (const D& g : c_bar) CHECK(std::isfinite(g.value.value + g.tangent.tangent));
      for (const D& g : b_bar) CHECK(std::isfinite(g.value.value + g.tangent.tangent));
    };
    check(response);
    check(energy);
  }
}

TEST_CASE("laws are convex where their weights are positive", "[charge]") {
  const auto curvature = [](const auto& law, std::vector<double> c, std::vector<double> b) {
    const auto cd = cast<Dual<double>>(c), bd = cast<Dual<double>>(b);
    Dual<double>* none = nullptr;
    return std::min(
        smallest_curvature([&](auto* x, auto* g) { law.atom(cd.data(), x, g, none); }, 4, 100),
        smallest_curvature([&](auto* x, auto* g) { law.bond(bd.data(), x, x + 4, g, g + 4, none); },
                           8, 200));
  };
  const auto response = full_response<1>();
  auto c = random_vector(response.atom_size(), 3);
  c[4] = std::abs(c[4]);
  c[5] = std::abs(c[5]);
  for (int k = 0; k < response.levels; ++k) {
    double& w = c[static_cast<std::size_t>(response.level_at(k))];
    w = std::abs(w);
  }
  // Zero but for rounding: a bond does not see a potential that both ends share.
  CHECK(curvature(response, c, {0.3, 0.5, 0.2}) > -1e-13);
  // It must be able to fail: a negative softness is seen.
  c[4] = -5.0;
  CHECK(curvature(response, c, {0.3, 0.5, 0.2}) < -1.0);

  auto energy = full_energy<1>();
  energy.wells = 0;
  auto e = random_vector(energy.atom_size(), 4);
  for (int k = 0; k < energy.kinks; ++k) {
    double& w = e[static_cast<std::size_t>(energy.kink_at(k))];
    w = std::abs(w);
  }
  CHECK(curvature(energy, e, {0.3, 0.5, 0.2}) > -1e-13);
}

TEST_CASE("the terms of an energy beyond its quadratic part are bounded below", "[charge]") {
  const auto law = full_energy<1>();
  auto c = random_vector(law.atom_size(), 4);
  double bound = 0.0;
  for (int k = 0; k < law.kinks; ++k) {
    double& w = c[static_cast<std::size_t>(law.kink_at(k))];
    w = std::abs(w);
  }
  for (int k = 0; k < law.wells; ++k)
    bound -= std::abs(c[static_cast<std::size_t>(law.well_at(k))]);
  REQUIRE(bound < -0.1);
  for (std::uint64_t trial = 0; trial < 100; ++trial) {
    const auto p = random_vector(4, trial, std::pow(10.0, static_cast<double>(trial % 5) - 2.0));
    std::vector<double> g(4);
    CHECK(law.atom(c.data(), p.data(), g.data(), static_cast<double*>(nullptr)) >= bound);
  }
}

TEST_CASE("the conjugate of a response is the energy that it is the dual of", "[charge]") {
  const auto law = full_response<1>();
  auto c = random_vector(law.atom_size(), 8);
  c[4] = 0.1;
  c[5] = 0.07;
  for (int k = 0; k < law.levels; ++k) c[static_cast<std::size_t>(law.level_at(k))] = 0.3;
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    const auto u = random_vector(4, trial, 3.0);
    std::vector<double> p(4), guess(4, 0.0);
    const double dual = law.atom(c.data(), u.data(), p.data(), static_cast<double*>(nullptr));
    const double g = law.conjugate(c.data(), p.data(), guess.data());
    // Fenchel: G(p) + G*(u) = p·u where p = ∇G*(u), and u is the maximiser (α = 0.07 divides).
    CHECK_THAT(g + dual, WithinAbs(inner(p, u), 1e-10));
    for (std::size_t m = 0; m < 4; ++m) CHECK_THAT(guess[m], WithinAbs(u[m], 1e-9));
    // Elsewhere it is larger.
    auto other = p;
    other[0] += 0.3;
    std::vector<double> start(4, 0.0);
    CHECK(law.conjugate(c.data(), other.data(), start.data()) + dual > inner(other, u) + 1e-4);
  }
}

TEST_CASE("the conjugate is infinite beyond the reach of levels", "[charge]") {
  ResponseLaw<0> law;
  law.levels = 1;
  law.softness = false;
  const double c[] = {-0.5, 1.0, 0.3};  // charges in (−0.5, 0.5)
  double u = 0.0, p = 0.2;
  CHECK(std::isfinite(law.conjugate(c, &p, &u)));
  u = 0.0;
  p = 0.7;
  CHECK(law.conjugate(c, &p, &u) == std::numeric_limits<double>::infinity());
}

TEST_CASE("bonds conserve charge and do not depend on their direction", "[charge]") {
  const auto response = full_response<0>();
  std::vector<double> b{0.4, 0.3, 0.2};
  const double s = 0.7, t = -0.5;
  double s_bar = 0.0, t_bar = 0.0, s_back = 0.0, t_back = 0.0;
  double* none = nullptr;
  const double e = response.bond(b.data(), &s, &t, &s_bar, &t_bar, none);
  CHECK(s_bar == -t_bar);
  CHECK(std::abs(s_bar) > 0.1);
  CHECK(response.transfer(b.data(), &s, &t) == s_bar);
  b[0] = -b[0];  // the offset changes sign with the direction
  CHECK_THAT(response.bond(b.data(), &t, &s, &t_back, &s_back, none), WithinAbs(e, 1e-15));
  CHECK_THAT(s_back, WithinAbs(s_bar, 1e-15));
  CHECK_THAT(t_back, WithinAbs(t_bar, 1e-15));
}

}  // namespace laws_test
