// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/units.hpp>
#include <leyden/potential.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

/// Response properties of any potential: derivatives of its predictions, exact to rounding, none by
/// finite differences. Each direction costs one evaluation on dual numbers (about three plain
/// ones); nothing is learned or fitted beside the potential.
///
/// Second derivatives of the energy (polarizability, Born charges, Hessian) are symmetric for every
/// model. Derivatives of charges (charge_response, capacitance_matrix) are so for variational
/// models, whose charges are derivatives of the energy.
///
/// All functions throw what Potential::evaluate() throws, and ModelError where the charge model
/// cannot have the property.
namespace leyden::inline LEYDEN_ABI {

namespace detail {

template <class P>
void require_charges(const char* where) {
  if constexpr (P::multipole_count == 0)
    throw ModelError(std::string(where) + ": '" + std::string(P::charge_model_type::name) +
                     "' has no charges, so there is nothing that a field or charge could change; "
                     "take a potential with a charge model");
}

template <class P>
void require_exchange(const char* where) {
  constexpr bool exchanges = [] {
    if constexpr (SelfConsistentChargeModel<typename P::charge_model_type>)
      return P::charge_model_type::exchanges_charge;
    else
      return false;
  }();
  if constexpr (!exchanges)
    throw ModelError(std::string(where) + ": with '" + std::string(P::charge_model_type::name) +
                     "' the total charge does not respond to a potential, so there is no Fermi "
                     "level; take a charge model that exchanges charge");
}

// The charge of the structure, beyond that of its groups, must be a number that can be changed.
inline void require_total_charge(const char* where, const Structure& structure) {
  if (structure.fermi_level)
    throw InputError(std::string(where) +
                     ": the structure prescribes a Fermi level, so its charge is a result and no "
                     "variable; remove fermi_level and give total_charge");
  std::size_t grouped = 0;
  for (const ChargeGroup& group : structure.groups) grouped += group.atoms.size();
  if (grouped >= structure.size())
    throw InputError(std::string(where) +
                     ": all atoms are in charge groups, so none carries total_charge; leave the "
                     "atoms that take up the charge out of the groups");
}

inline Vector3<double> unit_vector(int axis) {
  Vector3<double> e{};
  e[axis] = 1.0;
  return e;
}

}  // namespace detail

/// Σ q_i r_i + d_i in e Å, positions as given: depends on the origin when the structure is charged
/// and on the choice of images when it is periodic. For models without variational charges it is
/// not the polarization −∂E/∂(field) of Prediction.
/// @throws ModelError for models without charges.
template <class P>
Vector3<double> dipole_moment(const P& potential, const Structure& structure,
                              typename P::Workspace& workspace) {
  detail::require_charges<P>("dipole_moment");
  return potential.evaluate(structure, workspace, {false, false}).dipole;
}

/// ∂P/∂ε for a field E + ε·direction [e Å per unit of ε; e Å²/V for a unit vector], P = −∂E/∂field:
/// one direction of the polarizability. For slabs, whose normal is the only one that takes a field.
///
/// @throws InputError for a direction along a repeating lattice vector, unless the charge model
/// takes such fields (bonds) or the structure has a field_jump there.
/// @throws ModelError for models without charges.
template <class P>
Vector3<double> polarization_response(const P& potential, const Structure& structure,
                                      const Vector3<double>& direction,
                                      typename P::Workspace& workspace) {
  detail::require_charges<P>("polarization_response");
  Direction d;
  d.external_field = direction;
  return potential.directional_derivative(structure, d, workspace).polarization;
}

/// α(a, b) = ∂P_a/∂E_b = −∂²E/∂E_a∂E_b in e Å²/V, atoms at rest, at the field of the structure;
/// symmetric. Of periodic structures: per cell. Zero for models whose charges do not see the field.
///
/// At a prescribed Fermi level charge flows from the reservoir, and α depends on the origin.
/// @throws as polarization_response, of which it takes three.
template <class P>
Matrix3<double> polarizability(const P& potential, const Structure& structure,
                               typename P::Workspace& workspace) {
  Matrix3<double> alpha;
  for (int b = 0; b < 3; ++b) {
    const Vector3<double> column =
        polarization_response(potential, structure, detail::unit_vector(b), workspace);
    for (int a = 0; a < 3; ++a) alpha(a, b) = column[a];
  }
  return alpha;
}

/// A polarizability in Å³: α/(4π ε₀).
inline Matrix3<double> polarizability_volume(const Matrix3<double>& alpha) {
  Matrix3<double> volume = alpha;
  for (double& x : volume.data) x *= units::coulomb;
  return volume;
}

/// ∂(Σ q_i r_i + d_i)_a/∂E_b in e Å²/V. That of variational models is polarizability(); for others
/// it is what their charges do, and need not be symmetric.
/// @throws as polarization_response.
template <class P>
Matrix3<double> dipole_polarizability(const P& potential, const Structure& structure,
                                      typename P::Workspace& workspace) {
  detail::require_charges<P>("dipole_polarizability");
  Matrix3<double> alpha;
  constexpr auto size = static_cast<std::size_t>(P::multipole_count);
  for (int b = 0; b < 3; ++b) {
    Direction d;
    d.external_field = detail::unit_vector(b);
    const auto& p = potential.directional_derivative(structure, d, workspace).multipoles;
    for (std::size_t i = 0; i * size < p.size(); ++i)
      for (int a = 0; a < 3; ++a) alpha(a, b) += structure.positions[i][a] * p[i * size];
    for (std::size_t k = 0; k < p.size(); ++k)
      if (k % size >= 1 && k % size <= 3) alpha(cartesian_of_coefficient[k % size], b) += p[k];
  }
  return alpha;
}

/// Born effective charges Z*_i(a, b) = ∂P_a/∂r_ib = ∂F_ib/∂E_a in e, one matrix per atom, from
/// three directions. They sum to total charge · 1 (acoustic sum rule) for all models, because
/// energies do not depend on where the structure lies.
/// @throws as polarization_response.
template <class P>
std::vector<Matrix3<double>> born_charges(const P& potential, const Structure& structure,
                                          typename P::Workspace& workspace) {
  detail::require_charges<P>("born_charges");
  std::vector<Matrix3<double>> charges(structure.size());
  for (int a = 0; a < 3; ++a) {
    Direction d;
    d.external_field = detail::unit_vector(a);
    const auto& forces = potential.directional_derivative(structure, d, workspace).forces;
    for (std::size_t i = 0; i < charges.size(); ++i)
      for (int b = 0; b < 3; ++b) charges[i](a, b) = forces[i][b];
  }
  return charges;
}

/// The dielectric tensor of a bulk at fixed atoms, ε∞ = 1 + α/(ε₀ V): electrons respond, ions stay.
/// The applied field is the macroscopic one, because solvers of bulk drop k = 0 (tin-foil
/// boundary).
///
/// @throws InputError for structures that do not repeat in all directions, and, from the field, for
/// charge models that see the position of a charge and no bonds.
template <class P>
Matrix3<double> dielectric_tensor(const P& potential, const Structure& structure,
                                  typename P::Workspace& workspace) {
  detail::require_charges<P>("dielectric_tensor");
  if (!structure.cell.all_periodic())
    throw InputError(
        "dielectric_tensor: the structure does not repeat in all three directions, so it has no "
        "volume; take the polarizability");
  Matrix3<double> epsilon = polarizability(potential, structure, workspace);
  const double volume = std::abs(determinant(structure.cell.vectors));
  for (double& x : epsilon.data) x *= units::inverse_vacuum_permittivity / volume;
  return epsilon += Matrix3<double>::identity();
}

/// χ·u: the change of all multipoles (n·(l_max+1)²) [e, e Å] per unit of ε when the potentials
/// ε·u_i [V] act on the charges. u·χ·w = w·χ·u for variational models, −χ is then positive
/// semidefinite; charges sum to zero unless a Fermi level is prescribed. Zero for models whose
/// charges do not see potentials.
///
/// @throws InputError unless `applied` has one number per atom. @throws ModelError for models
/// without charges.
template <class P>
std::vector<double> charge_response(const P& potential, const Structure& structure,
                                    std::span<const double> applied,
                                    typename P::Workspace& workspace) {
  detail::require_charges<P>("charge_response");
  if (applied.size() != structure.size())
    throw InputError("charge_response: " + std::to_string(applied.size()) +
                     " applied potentials are given for " + std::to_string(structure.size()) +
                     " atoms; give one per atom");
  Direction d;
  d.applied_potential.assign(applied.begin(), applied.end());
  return potential.directional_derivative(structure, d, workspace).multipoles;
}

/// The Fukui function f_i = ∂q_i/∂Q (n), without unit: where charge goes when the structure's
/// total_charge grows. The f of its atoms sum to one, those of a group (which keeps its charge) to
/// zero. In bulk the charge comes with its uniform background.
///
/// @throws ModelError for models that have no charges or do not keep the total charge.
/// @throws InputError where total_charge is no variable: at a prescribed Fermi level, or when all
/// atoms are in groups.
template <class P>
std::vector<double> fukui_function(const P& potential, const Structure& structure,
                                   typename P::Workspace& workspace) {
  detail::require_charges<P>("fukui_function");
  if constexpr (!P::charge_model_type::conserves_charge)
    throw ModelError("fukui_function: the charges of '" + std::string(P::charge_model_type::name) +
                     "' do not follow the total charge; take a charge model that conserves it");
  detail::require_total_charge("fukui_function", structure);
  Direction d;
  d.total_charge = 1.0;
  return potential.directional_derivative(structure, d, workspace).charges;
}

/// The chemical hardness −dμ/dQ [V/e], which is d²E/dQ² = d²E/dN² for variational models:
/// ionisation potential minus electron affinity, without the factor ½ of some texts. At fixed
/// atoms.
///
/// @throws ModelError for models without a Fermi level. @throws InputError as fukui_function.
template <class P>
double chemical_hardness(const P& potential, const Structure& structure,
                         typename P::Workspace& workspace) {
  detail::require_exchange<P>("chemical_hardness");
  detail::require_total_charge("chemical_hardness", structure);
  Direction d;
  d.total_charge = 1.0;
  return -potential.directional_derivative(structure, d, workspace).fermi_level.value_or(0.0);
}

/// C_ab = −∂Q_a/∂μ_b [e/V], row-major: the differential capacitances between the parts of the
/// structure whose Fermi level is prescribed. Part 0 are the structure's own atoms if it has a
/// fermi_level; then follow the groups that have one, in their order. Parts with a prescribed
/// charge keep it.
///
/// @throws ModelError for models that do not exchange charge. @throws InputError when no Fermi
/// level is prescribed.
template <class P>
std::vector<double> capacitance_matrix(const P& potential, const Structure& structure,
                                       typename P::Workspace& workspace) {
  detail::require_exchange<P>("capacitance_matrix");
  const std::size_t n = structure.size();
  constexpr int none = -1;
  std::vector<int> part(n, structure.fermi_level ? 0 : none);
  int count = structure.fermi_level ? 1 : 0;
  for (const ChargeGroup& group : structure.groups) {
    const int index = group.fermi_level ? count++ : none;
    for (int atom : group.atoms)
      if (atom >= 0 && static_cast<std::size_t>(atom) < n)  // the rest is refused by evaluate()
        part[static_cast<std::size_t>(atom)] = index;
  }
  if (count == 0)
    throw InputError(
        "capacitance_matrix: no Fermi level is prescribed; set fermi_level of the structure or of "
        "a charge group");
  const auto m = static_cast<std::size_t>(count);
  std::vector<double> capacitance(m * m, 0.0);
  Direction d;
  d.applied_potential.resize(n);
  for (std::size_t b = 0; b < m; ++b) {
    // A prescribed Fermi level is a potential on every charge that follows it.
    for (std::size_t i = 0; i < n; ++i)
      d.applied_potential[i] = part[i] == static_cast<int>(b) ? 1.0 : 0.0;
    const auto& q = potential.directional_derivative(structure, d, workspace).charges;
    for (std::size_t i = 0; i < n; ++i)
      if (part[i] != none) capacitance[static_cast<std::size_t>(part[i]) * m + b] -= q[i];
  }
  return capacitance;
}

/// The differential capacitance −dQ/dμ [e/V] at the Fermi level of the structure, Q the charge of
/// its atoms beyond its groups. The inverse of chemical_hardness at that charge.
///
/// @throws ModelError for models that do not exchange charge. @throws InputError without a
/// fermi_level.
template <class P>
double capacitance(const P& potential, const Structure& structure,
                   typename P::Workspace& workspace) {
  detail::require_exchange<P>("capacitance");
  if (!structure.fermi_level)
    throw InputError(
        "capacitance: the structure has no fermi_level; give one, or take capacitance_matrix for "
        "groups");
  Direction d;
  d.fermi_level = 1.0;
  const auto& q = potential.directional_derivative(structure, d, workspace).charges;
  double sum = 0.0;
  for (double x : q) sum += x;
  // Groups at Fermi levels of their own change too, and those are not ours to count.
  for (const ChargeGroup& group : structure.groups)
    for (int atom : group.atoms) sum -= q[static_cast<std::size_t>(atom)];
  return -sum;
}

/// H·u = −∂F/∂ε for positions r + ε·u: (n) eV/Å per unit of ε (eV/Å² times u). One direction.
/// @throws InputError unless `displacement` has one vector per atom.
template <class P>
std::vector<Vector3<double>> hessian_product(const P& potential, const Structure& structure,
                                             std::span<const Vector3<double>> displacement,
                                             typename P::Workspace& workspace) {
  if (displacement.size() != structure.size())
    throw InputError("hessian_product: " + std::to_string(displacement.size()) +
                     " displacements are given for " + std::to_string(structure.size()) +
                     " atoms; give one per atom");
  Direction d;
  d.displacement.assign(displacement.begin(), displacement.end());
  auto out = potential.directional_derivative(structure, d, workspace).forces;
  for (auto& f : out) f = -f;
  return out;
}

/// ∂²E/∂r_ia∂r_jb in eV/Å², row-major (3n)², index 3i + a; symmetric. 3n directions: for small
/// structures.
template <class P>
std::vector<double> hessian(const P& potential, const Structure& structure,
                            typename P::Workspace& workspace) {
  const std::size_t n = structure.size(), size = 3 * n;
  std::vector<double> matrix(size * size);
  Direction d;
  d.displacement.assign(n, Vector3<double>{});
  for (std::size_t j = 0; j < n; ++j)
    for (int b = 0; b < 3; ++b) {
      d.displacement[j][b] = 1.0;
      const auto& forces = potential.directional_derivative(structure, d, workspace).forces;
      d.displacement[j][b] = 0.0;
      for (std::size_t i = 0; i < n; ++i)
        for (int a = 0; a < 3; ++a)
          matrix[(3 * i + static_cast<std::size_t>(a)) * size + 3 * j +
                 static_cast<std::size_t>(b)] = -forces[i][a];
    }
  return matrix;
}

}  // namespace leyden::inline LEYDEN_ABI
