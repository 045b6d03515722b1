// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/design_space.hpp>
#include <leyden/potential.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// A potential whose type is known at run time only, for programs that evaluate what a file says.
/// Costs one virtual call per evaluation. What needs the type itself (training, response
/// properties) gets it with get_if. Copies share the potential, which is constant.
class AnyPotential {
  struct Memory {
    virtual ~Memory() = default;
  };
  struct Model {
    virtual ~Model() = default;
    virtual const Prediction& evaluate(const Structure&, Memory&, Properties) const = 0;
    virtual std::unique_ptr<Memory> memory(double skin) const = 0;
    virtual const ParameterLayout& layout() const = 0;
    virtual std::span<const double> parameters() const = 0;
    virtual std::span<const int> species() const = 0;
    virtual double cutoff() const = 0;
    virtual const ScfOptions& scf_options() const = 0;
    virtual PointTraits traits() const = 0;
    virtual bool single_precision() const = 0;
    virtual const std::type_info& type() const = 0;
    virtual const void* address() const = 0;
  };
  template <class P>
  struct Known final : Model {
    struct Own final : Memory {
      explicit Own(double skin) : workspace(skin) {}
      typename P::Workspace workspace;
    };
    explicit Known(P potential) : potential(std::move(potential)) {}
    const Prediction& evaluate(const Structure& s, Memory& m, Properties p) const override {
      return potential.evaluate(s, static_cast<Own&>(m).workspace, p);
    }
    std::unique_ptr<Memory> memory(double skin) const override {
      return std::make_unique<Own>(skin);
    }
    const ParameterLayout& layout() const override { return potential.layout(); }
    std::span<const double> parameters() const override { return potential.parameters(); }
    std::span<const int> species() const override { return potential.species(); }
    double cutoff() const override { return potential.cutoff(); }
    const ScfOptions& scf_options() const override { return potential.scf_options(); }
    PointTraits traits() const override { return leyden::traits<P>; }
    bool single_precision() const override { return std::same_as<typename P::real_type, float>; }
    const std::type_info& type() const override { return typeid(P); }
    const void* address() const override { return &potential; }
    P potential;
  };

 public:
  template <class D, class Q, class S>
  explicit AnyPotential(Potential<D, Q, S> potential)
      : model_(std::make_shared<Known<Potential<D, Q, S>>>(std::move(potential))) {}

  /// All memory of evaluations of the potential that made it. One per thread.
  class Workspace {
    friend class AnyPotential;
    explicit Workspace(const Model& model, double skin)
        : model_(&model), memory_(model.memory(skin)) {}
    const Model* model_;
    std::unique_ptr<Memory> memory_;
  };
  /// @param skin  Å: the neighbour list is kept while no atom has moved by half of it.
  Workspace workspace(double skin = 0.5) const { return Workspace(*model_, skin); }

  /// As Potential::evaluate. @throws ModelError for the workspace of another potential.
  const Prediction& evaluate(const Structure& structure, Workspace& workspace,
                             Properties properties = {}) const {
    if (workspace.model_ != model_.get())
      throw ModelError(
          "AnyPotential: the workspace belongs to another potential; every potential "
          "makes its own by workspace()");
    return model_->evaluate(structure, *workspace.memory_, properties);
  }

  const ParameterLayout& layout() const { return model_->layout(); }
  std::span<const double> parameters() const { return model_->parameters(); }
  std::span<const int> species() const { return model_->species(); }  ///< atomic numbers
  double cutoff() const { return model_->cutoff(); }                  ///< Å
  const ScfOptions& scf_options() const { return model_->scf_options(); }
  PointTraits traits() const { return model_->traits(); }
  bool single_precision() const { return model_->single_precision(); }

  /// The potential as what it is; null when it is no P.
  template <class P>
  const P* get_if() const {
    return model_->type() == typeid(P) ? static_cast<const P*>(model_->address()) : nullptr;
  }

 private:
  std::shared_ptr<const Model> model_;
};

}  // namespace leyden::inline LEYDEN_ABI
