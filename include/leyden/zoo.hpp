// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/fourth_generation.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/charge/split.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/design_space.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>

/// Published models as points of the design space, and ours. Each is an alias: a descriptor D and a
/// solver S may be chosen, the charge model is what makes it that model. A name says which idea a
/// paper has, not that its trained weights can be read.
namespace leyden::inline LEYDEN_ABI::zoo {

/// A short-range MACE: Batatia et al., NeurIPS 2022, arXiv:2206.07697.
template <class D = Mace<MaceShape{}>>
using ShortRange = Potential<D, NoCharges, NoElectrostatics>;

/// Formal charges beneath a local model: Baldwin et al., arXiv:2603.14700, family A.
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using FixedChargeBaseline = Potential<D, FixedCharges, S>;

/// Latent Ewald summation: charges that nobody labels, without constraint. Cheng, npj Comput.
/// Mater. 11, 80 (2025), arXiv:2408.15165; with MACE: MACE-LES.
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using LatentEwald = Potential<D, LocalMultipoles<0>, S>;

/// Charges trained on reference charges, shifted evenly to the total: 3G-HDNNP (Artrith, Morawietz
/// and Behler, Phys. Rev. B 83, 153101 (2011)), PhysNet (Unke and Meuwly, J. Chem. Theory Comput.
/// 15, 3678 (2019)).
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using ThirdGeneration = Potential<D, LocalMultipoles<0, ChargeConstraint::uniform>, S>;

/// LC-MACE, local multipoles: Baldwin et al., arXiv:2603.14700, family B.
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using LocalMace = Potential<D, LocalMultipoles<1>, S>;

/// LSC-MACE, split charges and local dipoles: Baldwin et al., arXiv:2603.14700, family C.
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using LocalSplitMace = Potential<D, SplitCharges<1>, S>;

/// Charge equilibration with learned electronegativities: CENT (Ghasemi et al., Phys. Rev. B 92,
/// 045131 (2015)); with MACE: MACE-QEq (Baldwin et al., family D).
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using ChargeEquilibrationMace = Potential<D, ChargeEquilibration, S>;

/// 4G-HDNNP: equilibrated charges, whose energy is read out. Ko et al., Nat. Commun. 12, 398
/// (2021).
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using FourthGenerationNetwork = Potential<D, FourthGeneration, S>;

/// Split-charge equilibration and its dual ACKS2: Nistor et al., J. Chem. Phys. 125, 094108 (2006);
/// Verstraelen et al., J. Chem. Phys. 138, 074108 (2013).
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using SplitChargeEquilibration = Potential<D, BondHardness<0>, S>;

/// EF-SCF: a learned energy of the multipoles. Baldwin et al., family E; Becke population networks
/// (BpopNN): Xie, Persson and Small, J. Chem. Theory Comput. 16, 4256 (2020).
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using EnergyFunctionalMace = Potential<D, EnergyFunctional<1>, S>;

/// FP-SCF: a learned response, iterated to its fixed point. Baldwin et al., family F; SCFNN: Gao
/// and Remsing, Nat. Commun. 13, 1572 (2022).
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using FixedPointMace = Potential<D, FixedPoint<1>, S>;

/// MACE-POLAR-1: two spin densities and a truncated recursion. arXiv:2602.19411. Published weights
/// want the reference's conventions: S = ReferenceElectrostatics.
template <
    class D = Mace<MaceShape{
        .l_max = 3, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear}>,
    class S = Reciprocal>
using PolarMace = Potential<D, PolarRecursion<1>, S>;

/// Ours: the response functional, a convex dual that spans metals, insulators and what lies
/// between.
template <class D = Mace<MaceShape{}>, class S = Reciprocal>
using ResponseMace = Potential<D, ResponseFunctional<1>, S>;

// What is the same under two names, and what is not.
static_assert(std::same_as<LatentEwald<>::charge_model_type, LocalMultipoles<0>>);
static_assert(!traits<LatentEwald<>>.conserves_charge &&
              traits<ThirdGeneration<>>.conserves_charge);
static_assert(traits<ChargeEquilibrationMace<>>.variational &&
              !traits<FourthGenerationNetwork<>>.variational &&
              std::same_as<FourthGenerationNetwork<>::charge_model_type, FourthGeneration>);
static_assert(traits<ResponseMace<>>.variational && traits<ResponseMace<>>.exchanges_charge);
static_assert(traits<EnergyFunctionalMace<>>.variational && !traits<FixedPointMace<>>.variational);
static_assert(!traits<SplitChargeEquilibration<>>.exchanges_charge);
static_assert(!traits<PolarMace<>>.self_consistent && traits<PolarMace<>>.responds);

}  // namespace leyden::inline LEYDEN_ABI::zoo
