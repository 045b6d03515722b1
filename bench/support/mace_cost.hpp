// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/descriptor/mace.hpp>

namespace leyden_bench {

/// Floating-point operations of the parts of a MACE.
struct MaceOperations {
  double networks = 0, convolution = 0, maps = 0, product = 0;
  double total() const { return networks + convolution + maps + product; }
};

/// Multiply-adds (two operations each) of one forward and adjoint pass by positions, counted from
/// the formulas: radial functions and convolution on edges, channel maps and product on atoms. What
/// is not a multiply-add of channels (harmonics, readouts) is left out.
///
/// With tables of radial functions (options.radial_tolerance > 0) these are polynomials of `terms`
/// terms, evaluated per edge there and back, and the first layer is in its tables up to the atomic
/// basis (few species); without, perceptrons on pairs.
template <leyden::MaceShape Shape>
MaceOperations mace_operations(const leyden::MaceOptions& o, double atoms, double edges,
                               double pairs, int terms = leyden::RadialTable<double>::terms) {
  using namespace leyden;
  const double c = o.channels;
  const bool tables = o.radial_tolerance > 0.0;
  MaceOperations out;
  for (int k = 0; k < o.layers; ++k) {
    const bool first = k == 0, last = k + 1 == o.layers;
    const bool folded = tables && first;
    const auto layer = [&]<class C>(C) {
      double perceptron = 0.0, width = o.radial_count;
      for (int h : o.radial_hidden) {
        perceptron += width * h;
        width = h;
      }
      perceptron += width * c * C::path_count;
      if (!tables) out.networks += 2.0 * perceptron * pairs;  // forward, adjoint
      double there = 0.0, back = 0.0, maps = 0.0;
      for (const auto& p : C::paths) {
        const double d1 = 2 * p.l1 + 1, d2 = 2 * p.l2 + 1, d3 = 2 * p.l3 + 1;
        if (tables) {
          there += terms - 1;
          back += 2 * terms - 2;
        }
        there += d1 * (tables ? d2 : d3) + (folded ? 0.0 : d1);
        back += d1 * (2.0 * d2 + (folded ? 0.0 : 3.0));
        maps += d3;
      }
      out.convolution += (there + back) * c * edges;
      if (!folded) out.maps += 2.0 * maps * c * c * atoms;
    };
    if (first)
      layer(Convolution<0, Shape.l_max>{});
    else
      layer(Convolution<Shape.hidden_l, Shape.l_max>{});
    const double lm_in = first ? 1 : (Shape.hidden_l + 1) * (Shape.hidden_l + 1);
    const double lm_out = last ? 1 : (Shape.hidden_l + 1) * (Shape.hidden_l + 1);
    const double lm_edge = (Shape.l_max + 1) * (Shape.l_max + 1);
    const double species_map = first && !o.residual_first ? lm_edge : std::min(lm_in, lm_out);
    out.maps += 2.0 * (lm_out + (folded ? 0.0 : lm_in + species_map)) * c * c * atoms;
    double monomials = 0.0;
    for (int l = 0; l <= (last ? 0 : Shape.hidden_l); ++l) {
      const SymmetricContraction table(Shape.l_max, l, Shape.correlation);
      for (int m = 0; m <= 2 * l; ++m) monomials += static_cast<double>(table.monomials(m).size());
    }
    out.product += monomials * 3.0 * c * atoms;  // one there, two back
  }
  for (double* part : {&out.networks, &out.convolution, &out.maps, &out.product}) *part *= 2.0;
  return out;
}

}  // namespace leyden_bench
