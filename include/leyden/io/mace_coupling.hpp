// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/product_basis.hpp>
#include <leyden/io/safetensors.hpp>

#include <Eigen/QR>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI::detail {

/// Programs that train MACE differ in the basis of their coupling tensors. A file may therefore
/// hold its own, `coupling.L<l>.nu<ν>` of shape (2l + 1, K, …, K, paths), K = (l_max + 1)², ν axes
/// of K; its product weights are those of its paths. Each tensor, symmetrised, must lie in the
/// space of ours (SymmetricContraction), which is that of all equivariant couplings: U_file = U T.
/// The weights become ours, W = T W_file, and the couplings are dropped from the list.
///
/// @throws InputError for a tensor of a wrong shape, or one that is not equivariant.
template <class = void>
void express_coupling(const std::string& where, int l_max, int correlation,
                      std::vector<Tensor>& tensors);

// Rows (M, monomial) of tensors whose elements are summed over permutations of k1 … kν.
using CouplingRows = std::map<std::array<int, 5>, std::vector<double>>;

inline std::vector<double>& coupling_row(CouplingRows& rows, int m, std::array<int, 4> k, int nu,
                                         std::size_t paths) {
  std::sort(k.begin(), k.begin() + nu);
  std::vector<double>& row = rows[{m, k[0], k[1], k[2], k[3]}];
  row.resize(paths);
  return row;
}

inline CouplingRows coupling_rows(const std::string& where, const Tensor& t, int l, int nu,
                                  std::size_t basis) {
  std::vector<std::size_t> shape{static_cast<std::size_t>(2 * l + 1)};
  shape.insert(shape.end(), static_cast<std::size_t>(nu), basis);
  if (t.shape.size() != shape.size() + 1 ||
      !std::equal(shape.begin(), shape.end(), t.shape.begin()) || t.shape.back() == 0)
    throw InputError(tensor_text(where, t.name) + "its shape is " + shown(Json(t.shape)) +
                     "; (2l + 1, " + std::to_string(nu) + " axes of " + std::to_string(basis) +
                     ", paths) was expected");
  const std::size_t paths = t.shape.back();
  CouplingRows rows;
  for (std::size_t i = 0; i < t.values.size(); ++i) {
    if (t.values[i] == 0.0) continue;
    std::size_t rest = i / paths;
    std::array<int, 4> k{};
    for (int axis = nu; axis-- > 0; rest /= basis)
      k[static_cast<std::size_t>(axis)] = static_cast<int>(rest % basis);
    coupling_row(rows, static_cast<int>(rest), k, nu, paths)[i % paths] += t.values[i];
  }
  return rows;
}

/// T of U_file = U T, (our paths, paths of the file). (This and express_coupling() are templates so
/// that only files that load a MACE compile the decomposition.)
template <class = void>
Eigen::MatrixXd coupling_transform(const std::string& where, const Tensor& t,
                                   const SymmetricContraction& ours, int l, int nu) {
  const std::size_t paths = static_cast<std::size_t>(ours.paths(nu));
  CouplingRows theirs = coupling_rows(where, t, l, nu, static_cast<std::size_t>(ours.basis_size()));
  CouplingRows own;
  for (const SymmetricContraction::Element& e : ours.tensor(nu))
    coupling_row(own, e.m, e.k, nu, paths)[static_cast<std::size_t>(e.path)] += e.value;
  for (const auto& [key, row] : own) theirs[key].resize(t.shape.back());
  const Eigen::Index n = static_cast<Eigen::Index>(theirs.size());
  Eigen::MatrixXd a = Eigen::MatrixXd::Zero(n, static_cast<Eigen::Index>(paths));
  Eigen::MatrixXd b = Eigen::MatrixXd::Zero(n, static_cast<Eigen::Index>(t.shape.back()));
  Eigen::Index i = 0;
  for (const auto& [key, row] : theirs) {
    for (std::size_t p = 0; p < row.size(); ++p) b(i, static_cast<Eigen::Index>(p)) = row[p];
    if (const auto found = own.find(key); found != own.end())
      for (std::size_t p = 0; p < paths; ++p) a(i, static_cast<Eigen::Index>(p)) = found->second[p];
    ++i;
  }
  const Eigen::MatrixXd transform =
      Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd>(a).solve(b);
  const double residual = (a * transform - b).norm() / std::max(b.norm(), 1e-300);
  if (!(residual < 1e-5))  // files in single precision have 1e-7
    throw InputError(tensor_text(where, t.name) +
                     "its couplings are not equivariant: " + number_text(residual) +
                     " of them lies outside what couples to l = " + std::to_string(l));
  return transform;
}

inline void express_coupling(const std::string& where, int l_max, int correlation,
                             std::vector<Tensor>& tensors) {
  const auto is_coupling = [](const Tensor& t) { return t.name.rfind("coupling.", 0) == 0; };
  std::map<int, SymmetricContraction> ours;
  std::size_t used = 0;
  for (int l = 0; l <= l_max; ++l)
    for (int nu = 1; nu <= correlation; ++nu) {
      std::string suffix("L");  // (a sum of them makes g++ 12 see overlapping copies)
      suffix += std::to_string(l);
      suffix += ".nu";
      suffix += std::to_string(nu);
      const auto coupling = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) {
        return t.name == "coupling." + suffix;
      });
      if (coupling == tensors.end()) continue;
      ++used;
      const SymmetricContraction& table = ours.try_emplace(l, l_max, l, correlation).first->second;
      const Eigen::MatrixXd transform = coupling_transform(where, *coupling, table, l, nu);
      for (Tensor& w : tensors) {
        if (!w.name.ends_with(".product." + suffix)) continue;
        const std::size_t paths = static_cast<std::size_t>(transform.cols());
        if (w.shape.size() != 3 || w.shape[1] != paths)
          throw InputError(tensor_text(where, w.name) + "its shape is " + shown(Json(w.shape)) +
                           ", its couplings have " + std::to_string(paths) + " paths");
        const std::size_t own = static_cast<std::size_t>(transform.rows()), c = w.shape[2];
        std::vector<double> values(w.shape[0] * own * c);
        for (std::size_t z = 0; z < w.shape[0]; ++z)
          for (std::size_t p = 0; p < own; ++p)
            for (std::size_t q = 0; q < paths; ++q)
              for (std::size_t k = 0; k < c; ++k)
                values[(z * own + p) * c + k] +=
                    transform(static_cast<Eigen::Index>(p), static_cast<Eigen::Index>(q)) *
                    w.values[(z * paths + q) * c + k];
        w.shape[1] = own;
        w.values = std::move(values);
      }
    }
  const std::size_t all =
      static_cast<std::size_t>(std::count_if(tensors.begin(), tensors.end(), is_coupling));
  if (all != used) throw InputError(where + " has coupling tensors that the model does not use");
  std::erase_if(tensors, is_coupling);
}

}  // namespace leyden::inline LEYDEN_ABI::detail
#endif
