// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/descriptor/mace.hpp>

namespace leyden_bench {

/// Multiply-adds (two operations each) of one forward and adjoint pass by positions, counted from
/// the formulas: radial perceptron on pairs, convolution on edges, channel maps and product on
/// atoms. What is not a multiply-add of channels (harmonics, radial basis, readouts) is left out.
template <leyden::MaceShape Shape>
double mace_operations(const leyden::MaceOptions& o, double atoms, double edges, double pairs) {
  using namespace leyden;
  const double c = o.channels;
  double total = 0.0;
  for (int k = 0; k < o.layers; ++k) {
    const auto layer = [&]<class C>(C) {
      double perceptron = 0.0, width = o.radial_count;
      for (int h : o.radial_hidden) {
        perceptron += width * h;
        width = h;
      }
      perceptron += width * c * C::path_count;
      total += 2.0 * perceptron * pairs;  // forward, adjoint
      double there = 0.0, back = 0.0, maps = 0.0;
      for (const auto& p : C::paths) {
        const double d1 = 2 * p.l1 + 1, d2 = 2 * p.l2 + 1, d3 = 2 * p.l3 + 1;
        there += d1 * d3 + d1;
        back += d1 * (2.0 * d2 + 3.0);
        maps += d3;
      }
      total += (there + back) * c * edges;
      total += 2.0 * maps * c * c * atoms;
    };
    const bool first = k == 0;
    if (first)
      layer(Convolution<0, Shape.l_max>{});
    else
      layer(Convolution<Shape.hidden_l, Shape.l_max>{});
    const double lm_in = first ? 1 : (Shape.hidden_l + 1) * (Shape.hidden_l + 1);
    const bool last = k + 1 == o.layers;
    const double lm_out = last ? 1 : (Shape.hidden_l + 1) * (Shape.hidden_l + 1);
    const double lm_edge = (Shape.l_max + 1) * (Shape.l_max + 1);
    const double species_map = first && !o.residual_first ? lm_edge : std::min(lm_in, lm_out);
    total += 2.0 * (lm_in + lm_out + species_map) * c * c * atoms;
    double terms = 0.0;
    for (int l = 0; l <= (last ? 0 : Shape.hidden_l); ++l) {
      const SymmetricContraction table(Shape.l_max, l, Shape.correlation);
      for (int m = 0; m <= 2 * l; ++m) terms += static_cast<double>(table.monomials(m).size());
    }
    total += terms * (3.0 + 6.0) * c * atoms;
  }
  return 2.0 * total;
}

}  // namespace leyden_bench
