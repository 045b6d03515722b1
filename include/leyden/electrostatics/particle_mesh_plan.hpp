// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft.hpp>
#include <leyden/electrostatics/mesh/influence.hpp>
#include <leyden/electrostatics/mesh/spread_sites.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/particle_mesh_settings.hpp>
#include <leyden/electrostatics/short_range.hpp>

#include <complex>
#include <optional>
#include <vector>

namespace leyden::inline LEYDEN_ABI::detail {

template <Number T>
struct MeshSpectrum {
  Buffer<std::complex<RealOf<T>>> value, tangent;

  void resize(std::size_t n) {
    value.resize(n);
    if constexpr (is_dual_v<T>) tangent.resize(n);
  }
};

// Classes of atoms that are spread and transformed together, with the factor exp(−σ²k²/2) of their
// width (none: 1).
template <Number T>
struct MeshChannel {
  int first = 0, last = 0;  // classes
  const MeshField<T>* factor = nullptr;
  double square = 0;  // σ² of the factor
};

// Multipoles on all atoms.
template <Number T>
struct MeshLayer {
  int l_max = 0;
  std::vector<MeshChannel<T>> channels;
};

// Sums over the mesh's wave vectors.
template <Number T>
struct MeshSums {
  WideOf<T> energy{};
  Matrix3<WideOf<T>> strain{};
};

// Sums over a block of atoms.
template <Number T>
struct AtomSums {
  Matrix3<T> moved{};   // Σ r_a ∂E/∂r_b
  Matrix3<T> turned{};  // Σ d_a ∂E/∂d_b and likewise for quadrupoles
};

template <Number T>
struct ParticleMeshScratch {
  MeshField<T> padded, grid;
  std::array<MeshSpectrum<T>, 2> spectrum, broadened;  // of sources a, b
  MeshSpectrum<T> work;
  std::array<MeshLayer<T>, 3> layers;
  std::vector<MeshSums<T>> plane_sums;
  std::vector<AtomSums<T>> atom_sums;
  std::vector<double> feature_widths;
  std::vector<MeshField<T>> feature_factors;
  std::vector<T> feature_sum;
  std::vector<T> result;
};

template <Number T>
struct ParticleMeshPlan {
  using number_type = T;
  using R = RealOf<T>;
  int n_atoms = 0;
  int l_max = 0;
  std::vector<double> widths;  // (n)
  MeshSettings settings;
  std::optional<Splitting> split;  // none: mesh only
  std::optional<ShortRange> pairs;
  ShortRange::Plan<T> pair_plan;
  MeshWindow window;
  WindowTable<R> table;
  std::vector<double> class_widths;  // of mesh only; else one class
  std::vector<int> class_of;         // (n) or empty
  BoundaryBox<T> box;
  Matrix3<T> to_mesh;  // ∂(mesh coordinate d)/∂r_c at (c, d)
  MeshSites<T> sites;
  MeshInfluence<T> influence;
  std::vector<MeshField<T>> class_factors;  // exp(−σ²k²/2)
  MeshTransform<R> transform;
  std::array<Buffer<R>, 3> row_tables;  // see MeshWaves
  std::vector<Vector3<T>> positions;    // with open directions alone
  // What the tables were made for.
  bool ready = false;
  std::array<double, 3> chosen{};  // l_max, narrowest, widest
  Matrix3<T> table_cell{};
  double table_radius = 0;
  mutable ParticleMeshScratch<T> scratch;
  mutable std::array<std::vector<T>, 2> assembly;
};

// exp(−σ²k²/2) of the mesh's wave vectors.
template <Number T>
void fill_width_factor(const MeshInfluence<T>& g, double width, MeshField<T>& out) {
  using std::exp;
  using R = RealOf<T>;
  clear_field(out, g.weight.size());
  const R half = static_cast<R>(-0.5 * width * width);
  for_each_mesh_vector(g, [&](std::size_t at, const std::array<int, 3>&, const Vector3<T>& k) {
    set_field(out, at, T(exp(dot(k, k) * half)));
  });
}

}  // namespace leyden::inline LEYDEN_ABI::detail
