// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/perceptron.hpp>
#include <leyden/io/symmetrix.hpp>

#include <Eigen/QR>

#include <algorithm>
#include <cmath>
#include <map>

#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

namespace detail {

class SymmetrixReader {
 public:
  explicit SymmetrixReader(const std::string& path)
      : path_(path), json_(parse_json(read_file(path), path)) {
    if (!json_.is_object() || !json_.contains("M0_monomials"))
      throw InputError(path + " is JSON, but no model of symmetrix");
  }

  ModelFile read() {
    for (const char* key : {"A0_scaled", "A1_scaled"})
      if (json_.contains(key) && json_[key] == true)
        throw InputError(path_ + ": " + key + " (density-normalised layers) is not supported");
    const std::vector<int> species = get<std::vector<int>>(json_, "atomic_numbers");
    channels_ = count("num_channels", 4096);
    l_out_ = static_cast<int>(count("L_max", 3)) - 1;
    z_ = species.size();
    if (z_ < 1 || z_ > 5)
      throw InputError(path_ + " has " + std::to_string(z_) +
                       " elements; 1 to 5 are read: export those that are needed");
    if (get<int>(json_, "l_max") != l_max)
      throw InputError(path_ + ": l_max is " + shown(json_["l_max"]) + "; 3 is read");

    const std::size_t c = channels_;
    add("mace.embedding", {z_, c}, list("H0_weights", z_ * c), std::sqrt(double(z_)));
    for (const char* layer : {"0", "1"})
      add_identity(std::string("mace.layer") + layer + ".up", layer[0] == '0' ? 1 : outputs());
    add_splines(0, Convolution<0, l_max>::path_count);
    add_identity("mace.layer0.mix", l_max + 1);
    add_selection();
    add_product(0, l_out_);
    add("mace.layer0.linear", {outputs(), c, c}, list("H1_weights", outputs() * c * c), root(c));
    add("mace.readout0", {c}, list("readout_1_weights", c), root(c));
    add_second_layer();
    add_product(1, 0);
    add("mace.layer1.linear", {1, c, c}, list("H2_weights_for_M1", c * c), root(c));
    add_last_readout();
    return file(species);
  }

 private:
  static constexpr int l_max = 3, correlation = 3;
  static constexpr std::size_t lm_count = (l_max + 1) * (l_max + 1);

  static double root(std::size_t n) { return std::sqrt(static_cast<double>(n)); }
  std::size_t outputs() const { return static_cast<std::size_t>(l_out_ + 1); }

  template <class T>
  T get(const Json& object, const std::string& key) const {
    T value{};
    if (!object.is_object() || !object.contains(key))
      throw InputError(path_ + " has no '" + key + "'");
    from_json(object[key], value, path_ + ", " + key);
    return value;
  }
  // A number 0 … limit of the file, plus one for L_max.
  std::size_t count(const char* key, int limit) const {
    const int n = get<int>(json_, key);
    const int least = std::string_view(key) == "L_max" ? 0 : 1;
    if (n < least || n > limit)
      throw InputError(path_ + ": " + key + " is " + std::to_string(n) + "; " +
                       std::to_string(least) + " to " + std::to_string(limit) + " are read");
    return static_cast<std::size_t>(n + 1 - least);
  }
  std::vector<double> list(const std::string& key, std::size_t size) const {
    return sized(get<std::vector<double>>(json_, key), key, size);
  }
  std::vector<double> sized(std::vector<double> x, const std::string& key, std::size_t size) const {
    if (x.size() != size)
      throw InputError(path_ + ": '" + key + "' has " + std::to_string(x.size()) +
                       " numbers where " + std::to_string(size) + " were expected");
    return x;
  }
  const Json& at(const Json& j, const std::string& key, std::size_t i) const {
    if (j.is_array() && i < j.size()) return j[i];
    if (j.is_object() && j.contains(std::to_string(i))) return j[std::to_string(i)];
    throw InputError(path_ + ": '" + key + "' has no entry " + std::to_string(i));
  }
  const Json& top(const std::string& key) const {
    if (!json_.contains(key)) throw InputError(path_ + " has no '" + key + "'");
    return json_[key];
  }
  std::vector<double> numbers(const Json& j, const std::string& key, std::size_t size) const {
    std::vector<double> x;
    from_json(j, x, path_ + ", " + key);
    return sized(std::move(x), key, size);
  }

  void add(std::string name, std::vector<std::size_t> shape, std::vector<double> values,
           double factor = 1.0) {
    for (double& v : values) v *= factor;
    tensors_.push_back({std::move(name), std::move(shape), std::move(values)});
  }
  // Maps that the file has multiplied into their neighbours: ours divide by the root of fan-in.
  void add_identity(const std::string& name, std::size_t maps) {
    const std::size_t c = channels_;
    std::vector<double> values(maps * c * c, 0.0);
    for (std::size_t m = 0; m < maps; ++m)
      for (std::size_t i = 0; i < c; ++i) values[(m * c + i) * c + i] = root(c);
    add(name, {maps, c, c}, std::move(values));
  }

  // The file has pairs of elements a <= b one after the other, [pair][path·channel][knot].
  void add_splines(int layer, std::size_t paths) {
    const std::string suffix = "_" + std::to_string(layer);
    const std::string names[] = {"radial_spline_values" + suffix, "radial_spline_derivs" + suffix};
    const std::size_t pairs = z_ * (z_ + 1) / 2, functions = paths * channels_;
    std::vector<double> values;
    std::size_t pair = 0;
    for (std::size_t a = 0; a < z_; ++a)
      for (std::size_t b = a; b < z_; ++b, ++pair)
        for (std::size_t f = 0; f < functions; ++f)
          for (std::size_t part = 0; part < 2; ++part) {
            const Json& j = at(at(top(names[part]), names[part], pair), names[part], f);
            if (knots_ == 0) knots_ = j.is_array() ? j.size() : 0;
            if (knots_ < 2 || knots_ > 100000)
              throw InputError(path_ + ": '" + names[part] + "' has no splines");
            const std::vector<double> row = numbers(j, names[part], knots_);
            if (values.empty()) values.resize(pairs * functions * knots_ * 2);
            const std::size_t ours = b * (b + 1) / 2 + a;
            for (std::size_t k = 0; k < knots_; ++k)
              values[((ours * functions + f) * knots_ + k) * 2 + part] = row[k];
          }
    add("mace.layer" + std::to_string(layer) + ".radial_spline",
        {pairs, paths, channels_, knots_, 2}, std::move(values));
  }

  // A0_weights[element][l][in][out]
  void add_selection() {
    const std::size_t c = channels_;
    std::vector<double> values((l_max + 1) * c * z_ * c);
    for (std::size_t s = 0; s < z_; ++s)
      for (std::size_t l = 0; l <= l_max; ++l) {
        const std::vector<double> w = numbers(
            at(at(top("A0_weights"), "A0_weights", s), "A0_weights", l), "A0_weights", c * c);
        for (std::size_t i = 0; i < c; ++i)
          for (std::size_t o = 0; o < c; ++o)
            values[((l * c + i) * z_ + s) * c + o] = w[i * c + o] * root(c * z_);
      }
    add("mace.layer0.select", {l_max + 1, c, z_, c}, std::move(values));
  }

  void add_second_layer() {
    const auto with_paths = [&]<class C>(C) {
      const std::size_t c = channels_;
      add_splines(1, C::path_count);
      std::vector<double> values;
      std::size_t of_l[l_max + 1] = {}, next[l_max + 1] = {};
      for (const auto& p : C::paths) ++of_l[p.l3];
      for (const auto& p : C::paths) {
        const std::size_t l = static_cast<std::size_t>(p.l3);
        const std::vector<double> w =
            numbers(at(top("A1_weights"), "A1_weights", l), "A1_weights", of_l[l] * c * c);
        const auto first = w.begin() + static_cast<std::ptrdiff_t>(next[l]++ * c * c);
        for (auto x = first; x != first + static_cast<std::ptrdiff_t>(c * c); ++x)
          values.push_back(*x * root(c * of_l[l]));
      }
      add("mace.layer1.mix", {C::path_count, c, c}, std::move(values));
      values.assign(c * z_ * c, 0.0);
      for (std::size_t s = 0; s < z_; ++s) {
        const std::vector<double> w = numbers(at(top("H2_weights_for_H1"), "H2_weights_for_H1", s),
                                              "H2_weights_for_H1", c * c);
        for (std::size_t i = 0; i < c; ++i)
          for (std::size_t o = 0; o < c; ++o)
            values[(i * z_ + s) * c + o] = w[i * c + o] * root(c * z_);
      }
      add("mace.layer1.skip", {1, c, z_, c}, std::move(values));
    };
    if (l_out_ == 0)
      with_paths(Convolution<0, l_max>{});
    else if (l_out_ == 1)
      with_paths(Convolution<1, l_max>{});
    else
      with_paths(Convolution<2, l_max>{});
  }

  // Coefficients of monomials, [element][lm][channel] in the first layer, [element][channel] in the
  // second, are W U of our couplings.
  void add_product(int layer, int l_out) {
    using Key = std::array<int, 4>;  // degree, then the factors
    const std::string name = "M" + std::to_string(layer), monomial_name = name + "_monomials";
    const std::string weight_name = name + "_weights";
    const std::size_t c = channels_;
    for (int l = 0; l <= l_out; ++l) {
      const SymmetricContraction table(l_max, l, correlation);
      std::vector<std::size_t> column(correlation + 1, 0);  // first of each nu
      for (int nu = 1; nu <= correlation; ++nu)
        column[static_cast<std::size_t>(nu)] =
            column[static_cast<std::size_t>(nu - 1)] + static_cast<std::size_t>(table.paths(nu));
      Eigen::MatrixXd a, b;
      a.setZero(0, static_cast<Eigen::Index>(column.back()));
      b.setZero(0, static_cast<Eigen::Index>(z_ * c));
      for (int m = 0; m <= 2 * l; ++m) {
        const std::size_t lm = static_cast<std::size_t>(l * l + m);
        std::map<Key, Eigen::Index> row;
        const Eigen::Index first = a.rows();
        const auto row_of = [&](const Key& key) {
          return row.try_emplace(key, first + static_cast<Eigen::Index>(row.size())).first->second;
        };
        std::vector<std::vector<int>> monomials;
        from_json(layer == 0 ? at(top(monomial_name), monomial_name, lm) : top(monomial_name),
                  monomials, path_ + ", " + monomial_name);
        for (const auto& entry : table.entries(m))
          row_of(key_of(table.monomials(m), entry.monomial));
        for (const auto& factors : monomials) row_of(key_of(factors, monomial_name));
        a.conservativeResize(first + static_cast<Eigen::Index>(row.size()), Eigen::NoChange);
        b.conservativeResize(a.rows(), Eigen::NoChange);
        a.bottomRows(a.rows() - first).setZero();
        b.bottomRows(b.rows() - first).setZero();
        for (const auto& entry : table.entries(m))
          a(row_of(key_of(table.monomials(m), entry.monomial)),
            static_cast<Eigen::Index>(column[static_cast<std::size_t>(entry.nu - 1)]) +
                entry.path) += entry.value;
        for (std::size_t s = 0; s < z_; ++s) {
          const Json& of_element = at(top(weight_name), weight_name, s);
          const Json& of_output = layer == 0 ? at(of_element, weight_name, lm) : of_element;
          for (std::size_t k = 0; k < c; ++k) {
            const std::vector<double> w =
                numbers(at(of_output, weight_name, k), weight_name, monomials.size());
            for (std::size_t i = 0; i < w.size(); ++i)
              b(row_of(key_of(monomials[i], monomial_name)),
                static_cast<Eigen::Index>(s * c + k)) += w[i];
          }
        }
      }
      const Eigen::MatrixXd w = Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd>(a).solve(b);
      const double residual = (a * w - b).norm() / std::max(b.norm(), 1e-300);
      if (!(residual < 1e-6))
        throw InputError(path_ + ": " + number_text(residual) + " of '" + weight_name +
                         "' lies outside what an equivariant product makes");
      for (int nu = 1; nu <= correlation; ++nu) {
        const std::size_t paths = static_cast<std::size_t>(table.paths(nu));
        std::vector<double> values(z_ * paths * c);
        for (std::size_t s = 0; s < z_; ++s)
          for (std::size_t p = 0; p < paths; ++p)
            for (std::size_t k = 0; k < c; ++k)
              values[(s * paths + p) * c + k] =
                  w(static_cast<Eigen::Index>(column[static_cast<std::size_t>(nu - 1)] + p),
                    static_cast<Eigen::Index>(s * c + k));
        add("mace.layer" + std::to_string(layer) + ".product.L" + std::to_string(l) + ".nu" +
                std::to_string(nu),
            {z_, paths, c}, std::move(values));
      }
    }
  }
  static std::array<int, 4> key_of(const std::vector<SymmetricContraction::Monomial>& all, int i) {
    const auto& m = all[static_cast<std::size_t>(i)];
    return {m.degree, m.a, m.degree > 1 ? m.b : 0, m.degree > 2 ? m.c : 0};
  }
  std::array<int, 4> key_of(std::vector<int> factors, const std::string& key) const {
    const bool known = !factors.empty() && factors.size() <= 3 &&
                       std::all_of(factors.begin(), factors.end(),
                                   [](int k) { return k >= 0 && k < static_cast<int>(lm_count); });
    if (!known) throw InputError(path_ + ": '" + key + "' has a product of none or of too many");
    std::sort(factors.begin(), factors.end());
    std::array<int, 4> out{static_cast<int>(factors.size()), 0, 0, 0};
    std::copy(factors.begin(), factors.end(), out.begin() + 1);
    return out;
  }

  void add_last_readout() {
    const std::size_t c = channels_;
    std::vector<double> last = get<std::vector<double>>(json_, "readout_2_weights_2");
    width_ = last.size();
    const std::vector<double> w = list("readout_2_weights_1", width_ * c);
    std::vector<double> values(c * width_);
    for (std::size_t i = 0; i < c; ++i)
      for (std::size_t o = 0; o < width_; ++o) values[i * width_ + o] = w[o * c + i] * root(c);
    add("mace.readout_hidden", {c, width_}, std::move(values));
    const double silu = get<double>(json_, "readout_2_scale_factor") / silu_normalization;
    add("mace.readout_last", {width_}, std::move(last), root(width_) * silu);
  }

  ModelFile file(const std::vector<int>& species) {
    Json options{{"species", species},
                 {"cutoff", get<double>(json_, "r_cut")},
                 {"channels", channels_},
                 {"layers", 2},
                 {"radial_knots", knots_},
                 {"readout_width", width_},
                 {"atomic_energies", list("atomic_energies", z_)}};
    if (json_.contains("has_zbl") && json_["has_zbl"] == true) {
      const std::vector<double> radii = get<std::vector<double>>(json_, "zbl_covalent_radii");
      std::vector<double> ours;
      for (const int number : species) {
        if (number < 0 || static_cast<std::size_t>(number) >= radii.size())
          throw InputError(path_ + ": 'zbl_covalent_radii' has none of element " +
                           std::to_string(number));
        ours.push_back(radii[static_cast<std::size_t>(number)]);
      }
      options["covalent_radii"] = ours;
      options["repulsion"] = {{"envelope_order", static_cast<int>(get<double>(json_, "zbl_p"))},
                              {"screening_exponent", get<double>(json_, "zbl_a_exp")},
                              {"screening_prefactor", get<double>(json_, "zbl_a_prefactor")},
                              {"coefficients", list("zbl_c", 4)}};
    }
    ModelFile out{path_, {}, {}, std::move(tensors_)};
    out.description.name = path_;
    out.description.training["converted_from"] = "symmetrix";
    out.specification = {
        {"descriptor",
         {{"kind", "mace"},
          {"shape", {{"l_max", l_max}, {"correlation", correlation}, {"hidden_l", l_out_}}},
          {"options", std::move(options)}}},
        {"charge_model", {{"kind", "none"}}},
        {"solver", {{"kind", "none"}}}};
    return out;
  }

  std::string path_;
  Json json_;
  std::size_t channels_ = 0, z_ = 0, knots_ = 0, width_ = 0;
  int l_out_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace detail

inline ModelFile read_symmetrix(const std::string& path) {
  return detail::SymmetrixReader(path).read();
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
