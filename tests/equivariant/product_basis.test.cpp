// SPDX-License-Identifier: MIT
#include "equivariant/rotations.hpp"
#include "support/catch.hpp"

#include <leyden/equivariant/product_basis.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>

namespace product_basis_test {

using namespace leyden;
using namespace leyden_test;

namespace {

struct Shape {
  int l_max, l_out;
  const char* irrep;
  std::array<int, 3> paths;  // the reference's, ν = 1 … 3
};
constexpr Shape shapes[] = {{2, 0, "0e", {1, 3, 11}}, {2, 1, "1o", {1, 4, 21}},
                            {2, 2, "2e", {1, 4, 23}}, {3, 0, "0e", {1, 4, 23}},
                            {3, 1, "1o", {1, 6, 51}}, {3, 2, "2e", {1, 7, 65}}};

// Weights that depend on (ν, path), the same for both ways to contract.
double weight(int nu, int path) { return std::cos(1.7 * nu + 0.9 * path) + 0.3; }

std::vector<double> random_basis(int l_max, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<double> a(static_cast<std::size_t>((l_max + 1) * (l_max + 1)));
  for (double& x : a) x = random.normal();
  return a;
}

std::vector<double> by_tensors(const SymmetricContraction& c, int l_out,
                               const std::vector<double>& a) {
  std::vector<double> b(static_cast<std::size_t>(2 * l_out + 1), 0.0);
  for (int nu = 1; nu <= c.correlation(); ++nu)
    for (const auto& e : c.tensor(nu)) {
      double x = e.value * weight(nu, e.path);
      for (int i = 0; i < nu; ++i)
        x *= a[static_cast<std::size_t>(e.k[static_cast<std::size_t>(i)])];
      b[static_cast<std::size_t>(e.m)] += x;
    }
  return b;
}

std::vector<double> by_polynomial(const SymmetricContraction& c, int l_out,
                                  const std::vector<double>& a) {
  std::vector<double> b;
  for (int m = 0; m <= 2 * l_out; ++m) {
    double sum = 0.0;
    for (const auto& e : c.entries(m)) {
      const auto& t = c.monomials(m)[static_cast<std::size_t>(e.monomial)];
      REQUIRE(t.degree == e.nu);
      double x = e.value * weight(e.nu, e.path) * a[static_cast<std::size_t>(t.a)];
      if (t.degree > 1) x *= a[static_cast<std::size_t>(t.b)];
      if (t.degree > 2) x *= a[static_cast<std::size_t>(t.c)];
      if (t.degree > 3) x *= a[static_cast<std::size_t>(t.d)];
      sum += x;
    }
    b.push_back(sum);
  }
  return b;
}

// The recursion on numbers, irrep by irrep, in the order of the reference: what A coupled ν times
// is to (l_out, natural parity), path by path.
std::vector<std::vector<double>> coupled(int l_max, int l_out, int nu, bool natural_only,
                                         const std::vector<double>& a) {
  struct Vector {
    int l, parity;
    std::vector<double> x;
  };
  const auto natural = [](int l) { return l % 2 == 0 ? 1 : -1; };
  std::vector<Vector> level;
  for (int l = 0; l <= l_max; ++l)
    level.push_back({l, natural(l), {a.begin() + l * l, a.begin() + (l + 1) * (l + 1)}});
  const std::vector<Vector> basis = level;
  for (int k = 2; k <= nu; ++k) {
    std::vector<Vector> next;
    for (const Vector& left : level)
      for (const Vector& right : basis)
        for (int l3 = std::abs(left.l - right.l); l3 <= left.l + right.l; ++l3) {
          const int parity = left.parity * right.parity;
          if (natural_only && parity != natural(l3)) continue;
          const auto w = wigner_3j_table(l3, left.l, right.l);
          Vector out{l3, parity, std::vector<double>(static_cast<std::size_t>(2 * l3 + 1), 0.0)};
          std::size_t i = 0;
          for (double& x : out.x)
            for (double y : left.x)
              for (double z : right.x) x += std::sqrt(2.0 * l3 + 1.0) * w[i++] * y * z;
          next.push_back(std::move(out));
        }
    std::stable_sort(next.begin(), next.end(), [](const Vector& x, const Vector& y) {
      return x.l != y.l ? x.l < y.l : x.parity < y.parity;
    });
    level = std::move(next);
  }
  std::vector<std::vector<double>> out;
  for (const Vector& v : level)
    if (v.l == l_out && v.parity == natural(l_out)) out.push_back(v.x);
  return out;
}

}  // namespace

TEST_CASE("coupling tensors are the reference's, in its order and sign", "[equivariant][golden]") {
  for (const Shape& s : shapes) {
    const std::string name = "U_lmax" + std::to_string(s.l_max) + "_" + s.irrep;
    CAPTURE(name);
    std::ifstream in(std::string(LEYDEN_TEST_DATA) + "/equivariant/" + name + ".json");
    REQUIRE(in);
    const auto file = nlohmann::json::parse(in);
    const SymmetricContraction c(s.l_max, s.l_out, 3);
    for (int nu = 1; nu <= 3; ++nu) {
      CAPTURE(nu);
      const auto& u = file.at("U").at(std::to_string(nu));
      const int paths = u.at("shape").back().get<int>();
      REQUIRE(c.paths(nu) == paths);
      CHECK(paths == s.paths[static_cast<std::size_t>(nu - 1)]);
      // Both as maps from the linear index; what is absent is zero.
      std::map<long, double> difference;
      const auto index = u.at("linear_index").get<std::vector<long>>();
      const auto value = u.at("value").get<std::vector<double>>();
      REQUIRE(!index.empty());
      for (std::size_t i = 0; i < index.size(); ++i) difference[index[i]] -= value[i];
      for (const auto& e : c.tensor(nu)) {
        long k = e.m;
        for (int i = 0; i < nu; ++i) k = k * c.basis_size() + e.k[static_cast<std::size_t>(i)];
        difference[k * paths + e.path] += e.value;
      }
      double worst = 0.0;
      long where = -1;
      for (const auto& [k, x] : difference)
        if (std::abs(x) > worst) {
          worst = std::abs(x);
          where = k % paths;
        }
      CAPTURE(where);  // the path
      CHECK(worst < 1e-12);
    }
  }
}

TEST_CASE("the symmetrised polynomial is the tensor contraction", "[equivariant]") {
  for (const Shape& s : shapes)
    for (int correlation = 1; correlation <= 4; ++correlation) {
      CAPTURE(s.l_max, s.l_out, correlation);
      const SymmetricContraction c(s.l_max, s.l_out, correlation);
      for (int nu = 1; nu <= std::min(correlation, 3); ++nu)
        CHECK(c.paths(nu) == s.paths[static_cast<std::size_t>(nu - 1)]);
      const auto a = random_basis(s.l_max, 3);
      const auto expected = by_tensors(c, s.l_out, a), got = by_polynomial(c, s.l_out, a);
      double scale = 1.0;
      for (double x : expected) scale = std::max(scale, std::abs(x));
      for (std::size_t m = 0; m < got.size(); ++m)
        CHECK(std::abs(got[m] - expected[m]) < 1e-12 * scale);
    }
}

TEST_CASE("four factors couple through irreps of natural parity", "[equivariant]") {
  for (const Shape& s : shapes) {
    CAPTURE(s.l_max, s.l_out);
    const SymmetricContraction c(s.l_max, s.l_out, 4);
    const auto a = random_basis(s.l_max, 8);
    const auto expected = coupled(s.l_max, s.l_out, 4, true, a);
    REQUIRE(c.paths(4) == static_cast<int>(expected.size()));
    std::vector<std::vector<double>> got(
        expected.size(), std::vector<double>(static_cast<std::size_t>(2 * s.l_out + 1), 0.0));
    for (int m = 0; m <= 2 * s.l_out; ++m)
      for (const auto& e : c.entries(m)) {
        if (e.nu != 4) continue;
        const auto& t = c.monomials(m)[static_cast<std::size_t>(e.monomial)];
        double x = e.value;
        for (int k : {t.a, t.b, t.c, t.d}) x *= a[static_cast<std::size_t>(k)];
        got[static_cast<std::size_t>(e.path)][static_cast<std::size_t>(m)] += x;
      }
    double worst = 0.0;
    for (std::size_t p = 0; p < got.size(); ++p)
      for (std::size_t m = 0; m < got[p].size(); ++m)
        worst = std::max(worst, std::abs(got[p][m] - expected[p][m]));
    CHECK(worst < 1e-11);  // values of some hundred
  }
}

TEST_CASE("monomials are ordered and there are no two of the same", "[equivariant]") {
  for (const Shape& s : shapes) {
    const SymmetricContraction c(s.l_max, s.l_out, s.l_max == 2 ? 4 : 3);
    for (int m = 0; m <= 2 * s.l_out; ++m) {
      const auto& list = c.monomials(m);
      REQUIRE(!list.empty());
      for (std::size_t i = 0; i < list.size(); ++i) {
        const auto& t = list[i];
        if (t.degree >= 2) CHECK(t.a <= t.b);
        if (t.degree >= 3) CHECK(t.b <= t.c);
        if (t.degree == 4) CHECK(t.c <= t.d);
        if (i == 0) continue;
        const auto& u = list[i - 1];
        CHECK(std::array{u.degree, u.a, u.b, u.c, u.d} < std::array{t.degree, t.a, t.b, t.c, t.d});
      }
    }
  }
}

TEST_CASE("the product basis rotates with its input", "[equivariant]") {
  RandomStream random(5);
  const HarmonicRotation d(random_rotation(random));
  for (const Shape& s : shapes) {
    CAPTURE(s.l_max, s.l_out);
    const SymmetricContraction c(s.l_max, s.l_out, s.l_out < 2 ? 4 : 3);
    const auto a = random_basis(s.l_max, 6);
    const auto before = by_polynomial(c, s.l_out, d.apply_all(s.l_max, a));
    const auto after = d.apply(s.l_out, by_polynomial(c, s.l_out, a).data());
    double scale = 1.0;
    for (double x : after) scale = std::max(scale, std::abs(x));
    for (std::size_t m = 0; m < after.size(); ++m)
      CHECK(std::abs(before[m] - after[m]) < 1e-11 * scale);
  }
}

}  // namespace product_basis_test
