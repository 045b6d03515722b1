// CTEST:
// SPDX-License-Identifier: MIT
// Prints the design space as a Markdown table: every combination of the shipped policies that makes
// a potential, with what is known of it at compile time.
#include <leyden/zoo.hpp>

#include <cstdio>
#include <string>

using namespace leyden;

using Space = DesignSpace<
    Descriptors<Mace<MaceShape{.hidden_l = 0}>, Mace<MaceShape{.hidden_l = 1}>>,
    ChargeModels<NoCharges, FixedCharges, LocalMultipoles<0>, LocalMultipoles<1>,
                 LocalMultipoles<1, ChargeConstraint::uniform>,
                 LocalMultipoles<1, ChargeConstraint::fukui>, SplitCharges<1>, ChargeEquilibration,
                 PolarizableChargeEquilibration, FourthGeneration, BondHardness<1>,
                 EnergyFunctional<1>, FixedPoint<1>, ResponseFunctional<1>, PolarRecursion<1>>,
    Solvers<NoElectrostatics, Direct, Reciprocal>>;

int main() {
  const auto yes = [](bool b) { return b ? "yes" : "no"; };
  const auto text = [](std::string_view s) { return std::string(s); };
  std::printf("%zu of %zu combinations make a potential.\n\n", Space::count, Space::combinations);
  std::puts(
      "| descriptor | l of features | charges | solver | kind | self-consistent | exact total "
      "charge | "
      "Fermi level | molecules | slabs | bulk | cost of the charges |");
  std::puts("|---|---|---|---|---|---|---|---|---|---|---|---|");
  for (const PointTraits& t : design_table<Space>)
    std::printf("| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
                text(t.descriptor).c_str(), t.feature_l_max, text(t.charge_model).c_str(),
                text(t.solver).c_str(), text(to_string(t.kind)).c_str(), yes(t.self_consistent),
                yes(t.conserves_charge), yes(t.exchanges_charge), yes(t.boundaries.molecule),
                yes(t.boundaries.slab), yes(t.boundaries.bulk), text(t.cost).c_str());
  return 0;
}
