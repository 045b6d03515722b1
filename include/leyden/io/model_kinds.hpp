// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/ace.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/io/option_fields.hpp>
#include <leyden/zoo.hpp>

#if __has_include(<nlohmann/json.hpp>)

// How policies stand in model files: {"kind": name, "shape": what the type is compiled for,
// "options": what it is built with}.
namespace leyden::inline LEYDEN_ABI {

constexpr EnumNames<FieldImages, 2> names(FieldImages) {
  return {{{FieldImages::as_given, "as_given"}, {FieldImages::between_planes, "between_planes"}}};
}
template <class V>
void fields(V& v, MaceShape& s) {
  v("l_max", s.l_max);
  v("correlation", s.correlation);
  v("hidden_l", s.hidden_l);
  v("interaction", s.interaction);
  if (s.edge_l < 0) s.edge_l = s.hidden_l;
  v("edge_l", s.edge_l);
}
template <class V>
void fields(V& v, AceShape& s) {
  v("l_max", s.l_max);
  v("correlation", s.correlation);
  if (s.feature_l < 0) s.feature_l = std::min(1, s.l_max);
  v("feature_l", s.feature_l);
}

/// How a policy is written: what a policy of your own specialises when it is more than a name and
/// options() of which it can be built.
template <class P>
struct ModelKind {
  static detail::Json shape() { return detail::Json::object(); }
  static detail::Json options(const P& policy) {
    if constexpr (requires { policy.options(); })
      return detail::to_json(policy.options());
    else
      return detail::Json::object();
  }
  /// @param numbers  how many parameters the file has: no count in options can be larger.
  static P make(const detail::Json& options, const std::string& where, std::size_t /*numbers*/) {
    if constexpr (requires(const P& policy) { policy.options(); }) {
      std::remove_cvref_t<decltype(std::declval<const P&>().options())> o{};
      detail::from_json(options, o, where);
      return P(std::move(o));
    } else {
      return P();
    }
  }
};

namespace detail {

/// @throws InputError for a count that asks for more parameters than the file has, before anything
/// is built of it.
inline void require_count(const std::string& where, const char* what, double count,
                          std::size_t numbers) {
  if (!(count >= 0 && count <= static_cast<double>(numbers)))
    throw InputError(where + ": " + what + " are " + number_text(count) + ", but the file has " +
                     std::to_string(numbers) + " parameters in all");
}

}  // namespace detail

template <MaceShape Shape, class Real>
struct ModelKind<Mace<Shape, Real>> {
  static detail::Json shape() { return detail::to_json(Shape); }
  static detail::Json options(const Mace<Shape, Real>& mace) {
    return detail::to_json(mace.options());
  }
  static Mace<Shape, Real> make(const detail::Json& options, const std::string& where,
                                std::size_t numbers) {
    MaceOptions o;
    detail::from_json(options, o, where);
    const double c = o.channels, layers = o.layers;
    detail::require_count(where, "channels of all layers", c * c * layers, numbers);
    double rows = o.radial_knots > 0 ? 0.0 : o.radial_count;  // splines take the network's place
    for (const int h : o.radial_hidden) {
      detail::require_count(where, "widths of the radial network", rows * h, numbers);
      rows = o.radial_knots > 0 ? 0.0 : h;
    }
    detail::require_count(where, "widths of the radial network", rows * c, numbers);
    detail::require_count(where, "channels of all species",
                          c * static_cast<double>(o.species.size()), numbers);
    detail::require_count(where, "knots of radial functions", o.radial_knots * c, numbers);
    detail::require_count(where, "readouts", double(o.readout_width) * o.heads, numbers);
    detail::require_count(where, "edge channels", double(o.edge_channels) * c, numbers);
    return Mace<Shape, Real>(std::move(o));
  }
};

template <AceShape Shape, class Real>
struct ModelKind<Ace<Shape, Real>> {
  static detail::Json shape() { return detail::to_json(Shape); }
  static detail::Json options(const Ace<Shape, Real>& ace) {
    return detail::to_json(ace.options());
  }
  static Ace<Shape, Real> make(const detail::Json& options, const std::string& where,
                               std::size_t numbers) {
    AceOptions o;
    detail::from_json(options, o, where);
    detail::require_count(
        where, "radial functions of all channels and species",
        double(o.channels) * o.radial_count * static_cast<double>(o.species.size()), numbers);
    return Ace<Shape, Real>(std::move(o));
  }
};

/// A site that has options of its own stands under "site".
template <class Site, ChargeConstraint constraint>
struct ModelKind<SiteCharges<Site, constraint>> {
  using P = SiteCharges<Site, constraint>;
  static constexpr bool site_has_options = requires(const Site& site) { site.options(); };
  static detail::Json shape() {
    if (constraint == ChargeConstraint::none) return detail::Json::object();
    return {{"charge_constraint", "uniform"}};
  }
  static detail::Json options(const P& policy) {
    detail::Json j = detail::to_json(policy.options());
    if constexpr (site_has_options) j["site"] = ModelKind<Site>::options(policy.site());
    return j;
  }
  static P make(detail::Json options, const std::string& where, std::size_t numbers) {
    detail::Json own = detail::Json::object();
    if constexpr (site_has_options)
      if (const auto site = options.find("site"); site != options.end()) {
        own = *site;
        options.erase(site);
      }
    SiteChargesOptions o;
    detail::from_json(options, o, where);
    return P(std::move(o), ModelKind<Site>::make(own, where + ".site", numbers));
  }
};

template <int L, FieldImages images>
struct ModelKind<PolarRecursion<L, images>> {
  using P = PolarRecursion<L, images>;
  static detail::Json shape() { return {{"field_images", detail::to_json(images)}}; }
  static detail::Json options(const P& policy) { return detail::to_json(policy.options()); }
  static P make(const detail::Json& options, const std::string& where, std::size_t numbers) {
    PolarRecursionOptions o;
    detail::from_json(options, o, where);
    detail::require_count(where, "steps", o.steps, numbers);
    detail::require_count(where, "readout channels", o.readout_channels, numbers);
    for (const auto* list : {&o.step_hidden, &o.energy_hidden}) {
      double rows = 1;
      for (const int h : *list) {
        detail::require_count(where, "widths of a network", rows * h, numbers);
        rows = h;
      }
    }
    detail::require_count(where, "Fukui channels", o.fukui_width, numbers);
    return P(std::move(o));
  }
};

template <class S>
struct ModelKind<WithJellium<S>> {
  static detail::Json shape() { return {{"solver", std::string(S::name)}}; }
  static detail::Json options(const WithJellium<S>& policy) {
    return {{"jellium", detail::to_json(policy.options())},
            {"solver", ModelKind<S>::options(policy.solver())}};
  }
  static WithJellium<S> make(const detail::Json& options, const std::string& where,
                             std::size_t numbers) {
    JelliumOptions o;
    detail::Json own = detail::Json::object();
    if (options.contains("solver")) own = options["solver"];
    if (options.contains("jellium")) detail::from_json(options["jellium"], o, where + ".jellium");
    return WithJellium<S>(ModelKind<S>::make(own, where + ".solver", numbers), o);
  }
};

namespace detail {

struct Spelling {
  std::string_view name, type;
};
template <class P>
constexpr Spelling spelled(std::string_view type) {
  return {P::name, type};
}
// What a user writes to get a policy that a file names.
inline constexpr Spelling spellings[] = {
    spelled<NoCharges>("NoCharges"),
    spelled<FixedCharges>("FixedCharges"),
    spelled<BasicFixedCharges<false>>("BasicFixedCharges<false>"),
    spelled<LocalMultipoles<0>>("LocalMultipoles<0>"),
    spelled<LocalMultipoles<1>>("LocalMultipoles<1>"),
    spelled<LocalMultipoles<2>>("LocalMultipoles<2>"),
    spelled<LocalMultipoles<0, ChargeConstraint::uniform>>(
        "LocalMultipoles<0, ChargeConstraint::uniform>"),
    spelled<LocalMultipoles<1, ChargeConstraint::uniform>>(
        "LocalMultipoles<1, ChargeConstraint::uniform>"),
    spelled<LocalMultipoles<2, ChargeConstraint::uniform>>(
        "LocalMultipoles<2, ChargeConstraint::uniform>"),
    spelled<LocalMultipoles<0, ChargeConstraint::fukui>>(
        "LocalMultipoles<0, ChargeConstraint::fukui>"),
    spelled<LocalMultipoles<1, ChargeConstraint::fukui>>(
        "LocalMultipoles<1, ChargeConstraint::fukui>"),
    spelled<LocalMultipoles<2, ChargeConstraint::fukui>>(
        "LocalMultipoles<2, ChargeConstraint::fukui>"),
    spelled<LocalMultipoles<0, ChargeConstraint::softness>>(
        "LocalMultipoles<0, ChargeConstraint::softness>"),
    spelled<LocalMultipoles<1, ChargeConstraint::softness>>(
        "LocalMultipoles<1, ChargeConstraint::softness>"),
    spelled<LocalMultipoles<2, ChargeConstraint::softness>>(
        "LocalMultipoles<2, ChargeConstraint::softness>"),
    spelled<SplitCharges<0>>("SplitCharges<0>"),
    spelled<SplitCharges<1>>("SplitCharges<1>"),
    spelled<SplitCharges<0, false>>("SplitCharges<0, false>"),
    spelled<SplitCharges<1, false>>("SplitCharges<1, false>"),
    spelled<BasicChargeEquilibration<0>>("ChargeEquilibration"),
    spelled<BasicChargeEquilibration<1>>("BasicChargeEquilibration<1>"),
    spelled<FourthGeneration>("FourthGeneration"),
    spelled<BondHardness<0>>("BondHardness<0>"),
    spelled<BondHardness<1>>("BondHardness<1>"),
    spelled<EnergyFunctional<0>>("EnergyFunctional<0>"),
    spelled<EnergyFunctional<1>>("EnergyFunctional<1>"),
    spelled<FixedPoint<0>>("FixedPoint<0>"),
    spelled<FixedPoint<1>>("FixedPoint<1>"),
    spelled<PolarRecursion<0>>("PolarRecursion<0>"),
    spelled<PolarRecursion<1>>("PolarRecursion<1>"),
    spelled<ResponseFunctional<0>>("ResponseFunctional<0>"),
    spelled<ResponseFunctional<1>>("ResponseFunctional<1>"),
};
inline constexpr Spelling solver_spellings[] = {
    spelled<NoElectrostatics>("NoElectrostatics"),
    spelled<Direct>("Direct"),
    spelled<Reciprocal>("Reciprocal"),
    spelled<Ewald>("Ewald"),
    spelled<ParticleMesh>("ParticleMesh"),
    spelled<ReferenceElectrostatics>("ReferenceElectrostatics"),
    spelled<WithJellium<Reciprocal>>("WithJellium<Reciprocal>"),
};

inline std::string text_at(const Json& j, const char* key) {
  const auto found = j.find(key);
  return found != j.end() && found->is_string() ? found->get<std::string>() : std::string();
}
/// The C++ type of a policy in a file, as far as this library knows it; empty for one it does not.
inline std::string spelling(std::span<const Spelling> list, const Json& policy) {
  const std::string kind = text_at(policy, "kind");
  for (const Spelling& s : list)
    if (s.name == kind) {
      std::string type(s.type);
      if (policy.contains("shape") && text_at(policy["shape"], "field_images") == "between_planes")
        type.insert(type.size() - 1, ", FieldImages::between_planes");
      return type;
    }
  return {};
}
inline std::string descriptor_spelling(const Json& policy, bool single) {
  const std::string kind = text_at(policy, "kind");
  const std::string real = single ? ", float>" : ">";
  const Json shape = policy.value("shape", Json::object());
  const auto number = [](int i) { return std::to_string(i); };
  if (kind == "mace") {
    MaceShape s;
    from_json(shape, s, "the shape of the descriptor");
    return "Mace<MaceShape{.l_max = " + number(s.l_max) +
           ", .correlation = " + number(s.correlation) + ", .hidden_l = " + number(s.hidden_l) +
           (s.interaction == MaceInteraction::nonlinear
                ? ", .interaction = MaceInteraction::nonlinear"
                : "") +
           (s.edge_l >= 0 && s.edge_l != s.hidden_l ? ", .edge_l = " + number(s.edge_l) : "") +
           "}" + real;
  }
  if (kind == "ace") {
    AceShape s;
    from_json(shape, s, "the shape of the descriptor");
    return "Ace<AceShape{.l_max = " + number(s.l_max) +
           ", .correlation = " + number(s.correlation) + ", .feature_l = " + number(s.feature_l) +
           "}" + real;
  }
  if (kind == "elements") return single ? "BasicElements<float>" : "Elements";
  return {};
}

template <class P>
Json policy_to_json(const P& policy) {
  return {{"kind", std::string(P::name)},
          {"shape", ModelKind<P>::shape()},
          {"options", ModelKind<P>::options(policy)}};
}
template <class P>
bool is_kind(const Json& policy) {
  if (text_at(policy, "kind") != P::name) return false;
  Json shape = policy.value("shape", Json::object());
  if constexpr (requires { P::shape; }) {  // what the file leaves out has its default
    std::remove_cvref_t<decltype(P::shape)> s{};
    from_json(shape, s, "the shape of '" + std::string(P::name) + "'");
    shape = to_json(s);
  }
  return shape == ModelKind<P>::shape();
}

}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
#endif
