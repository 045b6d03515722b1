// SPDX-License-Identifier: MIT
#include <leyden/io/symmetrix.hpp>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace symmetrix_test {

// What symmetrix's own exporter makes of a MACE, written down from its formulas: splines of the
// radial network, maps multiplied out, monomials. Read back, it must be the same function.
namespace {

using namespace leyden;
using Json = detail::Json;
using D = Dual<double>;

constexpr int l_max = 3, correlation = 3, channels = 3;

template <int L>
using Model =
    zoo::ShortRange<Mace<MaceShape{.l_max = l_max, .correlation = correlation, .hidden_l = L}>>;

MaceOptions options() {
  MaceOptions o;
  o.species = {1, 8};
  o.cutoff = 4.0;
  o.channels = channels;
  o.radial_count = 4;
  o.radial_hidden = {6, 6};
  o.readout_width = 5;
  o.average_neighbors = 12.0;
  o.atomic_energies = {-13.6, -430.0};
  o.scale = 1.3;
  o.shift = 0.2;
  o.radial_tolerance = 1e-11;
  o.repulsion = ZblRepulsion{};
  return o;
}

using Matrix = std::vector<std::vector<double>>;
Matrix matrix(std::size_t rows, std::size_t columns) {
  return Matrix(rows, std::vector<double>(columns, 0.0));
}
Matrix product(const Matrix& a, const Matrix& b, double factor = 1.0) {
  Matrix c = matrix(a.size(), b[0].size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < b.size(); ++k)
      for (std::size_t j = 0; j < b[0].size(); ++j) c[i][j] += factor * a[i][k] * b[k][j];
  return c;
}
// By Gauss and Jordan.
Matrix inverse(Matrix a) {
  const std::size_t n = a.size();
  Matrix b = matrix(n, n);
  for (std::size_t i = 0; i < n; ++i) b[i][i] = 1.0;
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t pivot = c;
    for (std::size_t i = c; i < n; ++i)
      if (std::abs(a[i][c]) > std::abs(a[pivot][c])) pivot = i;
    std::swap(a[c], a[pivot]);
    std::swap(b[c], b[pivot]);
    const double d = 1.0 / a[c][c];
    for (std::size_t j = 0; j < n; ++j) {
      a[c][j] *= d;
      b[c][j] *= d;
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (i == c) continue;
      const double f = a[i][c];
      for (std::size_t j = 0; j < n; ++j) {
        a[i][j] -= f * a[c][j];
        b[i][j] -= f * b[c][j];
      }
    }
  }
  return b;
}
std::vector<double> flat(const Matrix& a) {
  std::vector<double> out;
  for (const auto& row : a) out.insert(out.end(), row.begin(), row.end());
  return out;
}

template <int L>
class Exporter {
 public:
  explicit Exporter(const Model<L>& model) : model_(model), o_(model.descriptor().options()) {}

  Json json(int knots) const {
    const double c = channels, z = static_cast<double>(o_.species.size());
    Json j{{"num_elements", o_.species.size()},
           {"num_channels", channels},
           {"r_cut", o_.cutoff},
           {"l_max", l_max},
           {"L_max", L},
           {"atomic_numbers", o_.species},
           {"A0_scaled", false},
           {"A1_scaled", false}};
    for (const double e : o_.atomic_energies) j["atomic_energies"].push_back(e + o_.shift);
    std::vector<double> radii(119, 0.2);
    for (std::size_t s = 0; s < o_.species.size(); ++s)
      radii[static_cast<std::size_t>(o_.species[s])] = covalent_radius(o_.species[s]);
    j["has_zbl"] = true;
    j["zbl_a_exp"] = o_.repulsion->screening_exponent;
    j["zbl_a_prefactor"] = o_.repulsion->screening_prefactor;
    j["zbl_p"] = static_cast<double>(o_.repulsion->envelope_order);
    for (const double x : o_.repulsion->coefficients) j["zbl_c"].push_back(x * o_.scale);
    j["zbl_covalent_radii"] = radii;

    splines(j, 0, l_max + 1, knots);
    splines(j, 1, Convolution<L, l_max>::path_count, knots);
    j["H0_weights"] =
        flat(product(part("mace.embedding", 0, 2, channels),
                     part("mace.layer0.up", 0, channels, channels), 1.0 / std::sqrt(z * c)));
    for (std::size_t s = 0; s < 2; ++s) {
      j["A0_weights"].push_back(Json::array());
      for (std::size_t l = 0; l <= l_max; ++l)
        j["A0_weights"][s].push_back(
            flat(product(part("mace.layer0.mix", l * channels * channels, channels, channels),
                         of_species("mace.layer0.select", l, s),
                         1.0 / std::sqrt(c) / o_.average_neighbors / std::sqrt(z * c))));
      j["H2_weights_for_H1"].push_back(flat(
          product(inverse(up(0)), of_species("mace.layer1.skip", 0, s), 1.0 / std::sqrt(z * c))));
    }
    monomials(j);
    std::vector<double> h1;
    for (int l = 0; l <= L; ++l) {
      const std::vector<double> x =
          flat(product(part("mace.layer0.linear", static_cast<std::size_t>(l * channels * channels),
                            channels, channels),
                       up(l), 1.0 / std::sqrt(c)));
      h1.insert(h1.end(), x.begin(), x.end());
    }
    j["H1_weights"] = h1;
    std::size_t of_l[l_max + 1] = {};
    for (const auto& p : Convolution<L, l_max>::paths) ++of_l[p.l3];
    j["A1_weights"] = std::vector<std::vector<double>>(l_max + 1);
    for (std::size_t p = 0; p < Convolution<L, l_max>::path_count; ++p) {
      const int l = Convolution<L, l_max>::paths[p].l3;
      for (const double w :
           flat(part("mace.layer1.mix", p * channels * channels, channels, channels)))
        j["A1_weights"][static_cast<std::size_t>(l)].push_back(
            w / std::sqrt(c * static_cast<double>(of_l[l])) / o_.average_neighbors);
    }
    j["H2_weights_for_M1"] = flat(
        product(part("mace.layer1.linear", 0, channels, channels), identity(), 1.0 / std::sqrt(c)));
    j["readout_1_weights"] = flat(
        product(inverse(up(0)), part("mace.readout0", 0, channels, 1), o_.scale / std::sqrt(c)));
    const Matrix hidden = part("mace.readout_hidden", 0, channels, 5);
    for (std::size_t o = 0; o < 5; ++o)
      for (std::size_t i = 0; i < channels; ++i)
        j["readout_2_weights_1"].push_back(hidden[i][o] / std::sqrt(c));
    for (const double w : flat(part("mace.readout_last", 0, 5, 1)))
      j["readout_2_weights_2"].push_back(w / std::sqrt(5.0) * o_.scale);
    j["readout_2_scale_factor"] = silu_normalization;
    return j;
  }

 private:
  Matrix part(const std::string& name, std::size_t first, std::size_t rows,
              std::size_t columns) const {
    const auto w = model_.layout().find(name).slice.of(model_.parameters());
    Matrix m = matrix(rows, columns);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t k = 0; k < columns; ++k) m[i][k] = w[first + i * columns + k];
    return m;
  }
  // [l][in][species][out]
  Matrix of_species(const std::string& name, std::size_t l, std::size_t s) const {
    const auto w = model_.layout().find(name).slice.of(model_.parameters());
    Matrix m = matrix(channels, channels);
    for (std::size_t i = 0; i < channels; ++i)
      for (std::size_t o = 0; o < channels; ++o)
        m[i][o] = w[((l * channels + i) * 2 + s) * channels + o];
    return m;
  }
  static Matrix identity() {
    Matrix m = matrix(channels, channels);
    for (std::size_t i = 0; i < channels; ++i) m[i][i] = 1.0;
    return m;
  }
  // linear_up of the second layer, scaled.
  Matrix up(int l) const {
    return product(part("mace.layer1.up", static_cast<std::size_t>(l * channels * channels),
                        channels, channels),
                   identity(), 1.0 / std::sqrt(double(channels)));
  }

  void splines(Json& j, int layer, int paths, int knots) const {
    const RadialBasis basis{o_.radial_kind, o_.radial_count, o_.envelope_order, o_.cutoff};
    Json values, slopes;
    std::vector<std::vector<double>> v(static_cast<std::size_t>(paths * channels)), s = v;
    for (int k = 0; k < knots; ++k) {
      const double r = 1e-12 + (o_.cutoff - 1e-12) * k / (knots - 1);
      std::vector<D> x(static_cast<std::size_t>(o_.radial_count));
      basis.values(D(r, 1.0), x.data());
      for (std::size_t i = 0; i <= o_.radial_hidden.size(); ++i) {
        const bool last = i == o_.radial_hidden.size();
        const std::size_t width = last ? v.size() : static_cast<std::size_t>(o_.radial_hidden[i]);
        const Matrix w = part("mace.layer" + std::to_string(layer) + ".radial" + std::to_string(i),
                              0, x.size(), width);
        std::vector<D> y(width, D(0.0));
        for (std::size_t a = 0; a < x.size(); ++a)
          for (std::size_t b = 0; b < width; ++b)
            y[b] += x[a] * (w[a][b] / std::sqrt(static_cast<double>(x.size())));
        if (!last)
          for (D& t : y) t = t / (D(1.0) + exp(-t)) * silu_normalization;
        x = y;
      }
      for (std::size_t f = 0; f < v.size(); ++f) {
        v[f].push_back(x[f].value);
        s[f].push_back(x[f].tangent);
      }
    }
    for (int pair = 0; pair < 3; ++pair) {  // the network does not know the species
      values.push_back(v);
      slopes.push_back(s);
    }
    j["radial_spline_values_" + std::to_string(layer)] = values;
    j["radial_spline_derivs_" + std::to_string(layer)] = slopes;
  }

  void monomials(Json& j) const {
    for (int layer = 0; layer < 2; ++layer)
      for (int l = 0; l <= (layer == 0 ? L : 0); ++l) {
        const SymmetricContraction table(l_max, l, correlation);
        for (int m = 0; m <= 2 * l; ++m) {
          Json products = Json::array();
          for (const auto& x : table.monomials(m)) {
            std::vector<int> key{x.a, x.b, x.c};
            key.resize(static_cast<std::size_t>(x.degree));
            products.push_back(key);
          }
          const std::string lm = std::to_string(l * l + m);
          if (layer == 0)
            j["M0_monomials"][lm] = products;
          else
            j["M1_monomials"] = products;
          for (std::size_t s = 0; s < 2; ++s)
            for (std::size_t k = 0; k < channels; ++k) {
              std::vector<double> c(products.size(), 0.0);
              for (const auto& e : table.entries(m))
                c[static_cast<std::size_t>(e.monomial)] +=
                    e.value * part("mace.layer" + std::to_string(layer) + ".product.L" +
                                       std::to_string(l) + ".nu" + std::to_string(e.nu),
                                   s * static_cast<std::size_t>(table.paths(e.nu)) * channels,
                                   static_cast<std::size_t>(table.paths(e.nu)),
                                   channels)[static_cast<std::size_t>(e.path)][k];
              if (layer == 0)
                j["M0_weights"][std::to_string(s)][lm][std::to_string(k)] = c;
              else
                j["M1_weights"][std::to_string(s)][std::to_string(k)] = c;
            }
        }
      }
  }

  const Model<L>& model_;
  MaceOptions o_;
};

const ScratchFile scratch("symmetrix.json");
const std::string& path = scratch.path();
void write(const Json& j) { std::ofstream(path) << j; }

Structure molecule() {
  Structure s;
  s.atomic_numbers = {8, 1, 1, 8, 1, 1, 1};
  s.positions = {{{0.0, 0.0, 0.0}}, {{0.95, 0.1, 0.0}}, {{-0.3, 0.9, 0.1}}, {{2.4, 0.9, 0.8}},
                 {{2.9, 1.7, 0.6}}, {{1.5, 1.1, 2.0}},  {{0.4, -1.4, 1.1}}};
  return s;
}

template <int L>
void check() {
  const Model<L> model(typename Model<L>::descriptor_type(options()), NoCharges{},
                       NoElectrostatics{}, 11);
  // Splines of 1,500 knots are off by 1e-10 of the functions.
  write(Exporter<L>(model).json(1500));
  const ModelFile file = read_symmetrix(path);
  const auto read = load_point<Model<L>>(file);
  typename Model<L>::Workspace a, b;
  const Prediction& x = model.evaluate(molecule(), a);
  const Prediction& y = read.evaluate(molecule(), b);
  CHECK(std::abs(x.energy - y.energy) < 1e-8);
  double largest = 0.0;
  for (std::size_t i = 0; i < x.forces.size(); ++i)
    for (int d = 0; d < 3; ++d) {
      largest = std::max(largest, std::abs(x.forces[i][d]));
      CHECK(std::abs(x.forces[i][d] - y.forces[i][d]) < 1e-7);
    }
  CHECK(largest > 0.01);
}

}  // namespace

TEST_CASE("a file of symmetrix is the function that was exported: scalars", "[io]") { check<0>(); }

TEST_CASE("a file of symmetrix is the function that was exported: and vectors", "[io]") {
  check<1>();
}

TEST_CASE("files of symmetrix that are wrong are refused; splines are not trained", "[io]") {
  const Model<0> model(Model<0>::descriptor_type(options()), NoCharges{}, NoElectrostatics{}, 11);
  const Json good = Exporter<0>(model).json(20);
  write(good);
  const auto read = load_point<Model<0>>(read_symmetrix(path));
  Model<0>::Workspace workspace;
  std::vector<double> gradient(read.layout().size());
  LossCotangents bar;
  bar.energy = 1.0;
  CHECK_THROWS_AS(read.parameter_gradient(molecule(), bar, workspace, gradient), ModelError);

  const auto refused = [&](auto&& change) {
    Json j = good;
    change(j);
    write(j);
    CHECK_THROWS_AS(read_symmetrix(path), InputError);
  };
  refused([](Json& j) { j = 3; });
  refused([](Json& j) { j.erase("M0_monomials"); });
  refused([](Json& j) { j.erase("H1_weights"); });
  refused([](Json& j) { j["A0_scaled"] = true; });
  refused([](Json& j) { j["l_max"] = 2; });
  refused([](Json& j) { j["L_max"] = 7; });
  refused([](Json& j) { j["num_channels"] = 100000000; });
  refused([](Json& j) { j["num_channels"] = 4; });
  refused([](Json& j) { j["atomic_numbers"] = {1, 6, 7, 8, 9, 10}; });
  refused([](Json& j) { j["H0_weights"][0] = "x"; });
  refused([](Json& j) { j["radial_spline_values_0"][0][0].erase(3); });
  refused([](Json& j) { j["radial_spline_values_0"] = 1; });
  refused([](Json& j) { j["M1_monomials"][0] = {99}; });
  refused([](Json& j) { j["M1_weights"]["0"]["0"].push_back(1.0); });
  refused([](Json& j) { j["M1_weights"]["0"]["0"][5] = 100.0; });  // not a scalar any more
  refused([](Json& j) { j["M1_weights"].erase("1"); });
}

}  // namespace symmetrix_test
