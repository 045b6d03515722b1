// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/compatibility.hpp>
#include <leyden/electrostatics/external_charges.hpp>
#include <leyden/electrostatics/external_field.hpp>
#include <leyden/scf/self_consistency.hpp>

#include <array>
#include <cstdint>
#include <optional>

namespace leyden::inline LEYDEN_ABI {

/// What evaluate() is asked for beside the energy and the charges.
struct Properties {
  bool forces = true;
  bool stress = true;         ///< of structures that repeat in all directions
  bool map_response = false;  ///< of maps: Prediction::spectral_radius and bare_softness
};

/// The answer of Potential::evaluate().
struct Prediction {
  double energy = 0.0;  ///< eV
  /// (n) eV: the descriptor's energy of the atom, and of the electrostatic energy the atom's
  /// ½ p_i·(Kp)_i + p_i·v_ext,i and its share of the charge model's energy (bonds half and half).
  /// They sum to the energy; the split of the electrostatic part is a convention.
  std::vector<double> atomic_energies;
  std::vector<Vector3<double>> forces;  ///< (n) eV/Å; empty when not asked for
  /// eV/Å³, (1/V) dE/dε, symmetric, positive tensile; zero when not asked for or not periodic in
  /// all directions.
  Matrix3<double> stress{};
  /// (external charges) eV/Å: what the atoms do to the structure's external charges, set with the
  /// forces; zero for models without charges.
  std::vector<Vector3<double>> external_forces;
  std::vector<double> charges;     ///< (n) e; empty for models without charges
  std::vector<double> multipoles;  ///< (n·(l_max+1)²) e, e Å, e Å², atom-major, [q, y, z, x, …]
  std::vector<double> spins;  ///< (n) unpaired electrons; empty for models without spin densities
  /// e Å, (x, y, z): Σ q_i r_i + d_i with positions as given. It depends on the origin when charged
  /// and on the choice of images when periodic (a field's energy is not −E·dipole where it jumps).
  Vector3<double> dipole{};
  /// e Å: −∂E/∂(external field), set when forces are asked for. The dipole of open directions;
  /// along repeating ones the branch of the images as given, or as the field's jump cuts them.
  Vector3<double> polarization{};
  std::vector<double> potentials;  ///< (n·(l_max+1)²) Kp [V, V/Å, …]: what the density makes
  /// V, of models that have one: μ = −dE/dQ. At a prescribed Fermi level that one, and the energy
  /// is the grand potential E + μQ.
  std::optional<double> fermi_level;
  std::vector<double> group_fermi_levels;  ///< V, of the structure's charge groups
  ScfOutcome scf;                          ///< of self-consistent models
  /// (n·(l_max+1)²), of evaluate_at() only: by how much the density misses self-consistency.
  /// Models whose density is a function of the potential (responses and maps): F(v[p]) − p, e and
  /// e Å; models that minimise an energy: ∂E/∂p on the manifold of the charges, V and V/Å.
  std::vector<double> density_residual;
  /// Of maps, where asked for: the spectral radius of the step p → F(v[p]) at prescribed charges
  /// (below 1: repeating it finds the density), and −∂q/∂μ of each atom at fixed density, (n) e/V,
  /// which other models make positive by construction. Else none.
  std::optional<double> spectral_radius;
  std::vector<double> bare_softness;
  /// Set by add_field_response() (train/field_response.hpp) only: the axes along which a field was
  /// applied, ∂P_a/∂E_b of these, e Å²/V, and ∂F_ib/∂E_a, (n) e. The exact ones, for all other
  /// ends, are in observables.hpp.
  std::array<bool, 3> field_axes{};
  Matrix3<double> polarizability{};
  std::vector<Matrix3<double>> born_charges;
};

/// A direction in all inputs of a potential at once; what is empty or zero stays as it is.
struct Direction {
  std::vector<Vector3<double>> displacement;  // (n) Å
  Matrix3<double> strain{};                   // symmetric: r → r + r ε, external charges too
  std::vector<Vector3<double>> external_displacement;  // (external charges) Å
  Vector3<double> external_field{};                    // V/Å
  std::vector<double> applied_potential;               // (n) V
  double total_charge = 0.0;                           // e, of the structure without its groups
  double fermi_level = 0.0;                            // V, where one is prescribed
};

/// The exact derivative of a prediction along a direction.
struct DirectionalDerivative {
  double energy = 0.0;
  std::vector<Vector3<double>> forces;           // (n)
  std::vector<Vector3<double>> external_forces;  // (external charges)
  Matrix3<double> stress{};                      // of structures that repeat in all directions
  std::vector<double> charges;                   // (n)
  std::vector<double> multipoles;                // (n·(l_max+1)²)
  std::vector<double> potentials;                // (n·(l_max+1)²) Kp: V, V/Å
  Vector3<double> polarization{};                // e Å, of −∂E/∂(field), see Prediction
  std::optional<double> fermi_level;             // V
};

/// ∂L/∂(each prediction) of a scalar L. An empty vector stands for zeros.
struct LossCotangents {
  double energy = 0.0;
  std::vector<Vector3<double>> forces;  // (n)
  Matrix3<double> stress{};             // any matrix: only its symmetric part matters
  std::vector<double> charges;          // (n)
  std::vector<double> multipoles;       // (n·(l_max+1)²), beside charges and dipole
  Vector3<double> dipole{};
  double fermi_level = 0.0;  // of the structure, not of its groups
  Vector3<double> polarization{};
  std::vector<double> potentials;             // (n·(l_max+1)²)
  std::vector<double> density_residual;       // (n·(l_max+1)²), of evaluate_at() only
  Matrix3<double> polarizability{};           // add_field_response_gradient() reads these two,
  std::vector<Matrix3<double>> born_charges;  // (n); parameter_gradient() does not
  double spectral_radius = 0.0;               // of maps
  std::vector<double> bare_softness;          // (n), of maps
};

namespace detail {

template <class Q>
struct LawOfModel {
  using type = QuadraticLaw;
};
template <SelfConsistentChargeModel Q>
struct LawOfModel<Q> {
  using type = decltype(std::declval<const Q&>().law());
};
template <class Q>
using LawOf = typename LawOfModel<Q>::type;

struct NoTape {};
template <class Q, Number T>
struct RecursionTape {
  using type = NoTape;
};
template <RecursiveChargeModel Q, Number T>
struct RecursionTape<Q, T> {
  using type = typename Q::template Tape<T>;
};
template <class Q, Number T>
using RecursionTapeOf = typename RecursionTape<Q, T>::type;

/// All memory of one evaluation in number type T.
template <class D, class Q, class S, Number T>
struct EvaluationState {
  Geometry<T> geometry;
  typename D::template Tape<T> tape;
  typename S::template Plan<T> plan;
  ExternalCharges<S, T> external_charges;
  Vector3<T> external_field{};  // V/Å
  T total_charge{};             // e
  Vector3<T> external_field_bar{};
  RecursionTapeOf<Q, T> recursion;       // recursive models
  SelfConsistencyTape<LawOf<Q>, T> scf;  // self-consistent models
  std::vector<T> multipoles;             // (n·size) p
  std::vector<T> own_potential;          // (n·size) Kp
  std::vector<T> external;               // (n·size) v_ext
  std::vector<T> multipole_bar;          // (n·size)
  SiteCoefficients<T> coefficients, coefficient_bar;
  std::vector<T> site_energies;  // (n) beyond ½pᵀKp + p·v_ext
  std::vector<T> field_bar, external_bar, fermi_level_bar;
  std::vector<Vector3<T>> edge_bar;  // (edges)
  GeometryGradient<T> gradient;      // of what the charge model and the solver add
  GeometryGradient<Wide<T>> total;   // … and of edges: forces and stress, summed in double
};

/// Nothing waits: the whole gradient by parameters is there at once.
struct NothingPending {
  void clear() {}
};
template <class D>
struct PendingGradient {
  using type = NothingPending;
};
template <class D>
  requires requires { typename D::PendingGradient; }
struct PendingGradient<D> {
  using type = typename D::PendingGradient;
};

/// A linear functional of the multipoles to be pulled back beside the energy.
template <Number T>
struct ExtraCotangents {
  T energy{RealOf<T>(1)};
  std::span<const T> multipoles;  // (n·size) or empty
  T fermi_level{};
  std::span<const T> residual = {};            // (n·size) or empty, of a given density
  double spectral_radius = 0.0;                // of maps: values in real numbers, tangents in duals
  std::span<const double> bare_softness = {};  // (n) or empty, likewise
};

}  // namespace detail

/// A potential: descriptor D, charge model Q, electrostatic solver S.
///
///   E = Σ_i E_i(R) + min or value of [sites(p; h)] + ½ pᵀKp + p·v_ext
///
/// Policies are fixed at construction; only the parameters change. All const functions are
/// thread-safe given one workspace per thread, and allocate nothing once their workspace has seen a
/// structure of that size. Results do not depend on what the workspace was used for before (unless
/// ScfOptions::warm_start is set).
///
/// Which D, Q, S fit together: Compatibility (leyden/compatibility.hpp).
template <class D, class Q, class S>
class Potential {
  static_assert(detail::RequireCompatible<D, Q, S>::value);

 public:
  using descriptor_type = D;
  using charge_model_type = Q;
  using solver_type = S;
  /// The number type of the whole evaluation; energies, forces and stress are summed in double.
  using real_type = typename D::real_type;
  /// Coefficients per atom.
  static constexpr int multipole_count =
      Q::kind == ChargeKind::none ? 0 : (Q::l_max + 1) * (Q::l_max + 1);

  /// How self-consistent charges are found; the rest ignore it.
  const ScfOptions& scf_options() const { return scf_options_; }
  void set_scf_options(ScfOptions options) { scf_options_ = options; }

  /// What is still to be added to gradients by parameters: see Workspace::pending. Has clear().
  using PendingGradient = typename detail::PendingGradient<D>::type;

  /// All memory of evaluations. One per thread; may serve any structures, also of several
  /// potentials of the same type.
  struct Workspace {
    /// @param skin  Å: the neighbour list is kept while no atom has moved by half of it.
    explicit Workspace(double skin = 0.5) : skin(skin) {}

    double skin;
    /// Evaluations and gradients by parameters take what training may take for speed, together and
    /// consistently: radial functions between knots (MaceOptions::training_knots).
    bool training = false;
    /// Where gradients by parameters leave what several structures may share until add_pending();
    /// null: nothing is left out of them.
    PendingGradient* pending = nullptr;
    NeighborList neighbors;
    std::vector<int> species;                   // (n) index into species()
    std::vector<double> widths;                 // (n) Å
    std::vector<Vector3<double>> displacement;  // (n) tangent of the positions
    Matrix3<double> strain{};                   // tangent of positions and cell
    Prediction prediction;
    DirectionalDerivative derivative;
    std::vector<double> bare_softness;     // (n) e/V
    std::vector<real_type> bare_response;  // (n·size)
    detail::EvaluationState<D, Q, S, real_type> real;
    detail::EvaluationState<D, Q, S, Dual<real_type>> dual;
    std::vector<real_type> real_extra;        // (n·size)
    std::vector<Dual<real_type>> dual_extra;  // (n·size)
    Direction field_direction;                // of a cotangent of the polarization
    std::span<const double> density;          // (n·size), while one is given: evaluate_at()
  };

  /// Declares and initialises all parameters.
  /// @throws ModelError when the parts do not fit (an option's size, missing features of l = 1).
  Potential(D descriptor, Q charge_model, S solver, std::uint64_t seed = 0);

  const D& descriptor() const { return descriptor_; }
  const Q& charge_model() const { return charge_model_; }
  const S& solver() const { return solver_; }
  /// Atomic numbers, in the order of the descriptor's weights.
  std::span<const int> species() const { return descriptor_.species(); }
  double cutoff() const { return descriptor_.cutoff(); }  ///< Å

  const ParameterLayout& layout() const { return layout_; }
  std::span<const double> parameters() const { return parameters_; }
  /// @param training  Prepares for workspaces in training, on all threads; others evaluate, too,
  /// but may do so more slowly.
  /// @throws ModelError when the size is not layout().size().
  template <Executor E = SerialExecutor>
  void set_parameters(std::span<const double> parameters, const E& executor = {},
                      bool training = false);

  /// Energy, charges and what else is asked for. The reference lives in the workspace and is valid
  /// until its next use.
  ///
  /// Models without charges ignore total charge, external field and external charges.
  ///
  /// @throws ModelError for an unknown species or a boundary or charge that the solver does not
  /// serve; InputError for an empty structure, a cell that is none, or a field along a repeating
  /// direction without a vacuum plane to jump at (electrostatics/external_field.hpp);
  /// ConvergenceError when charges have no minimum or do not converge (ScfOptions).
  const Prediction& evaluate(const Structure& structure, Workspace& workspace,
                             Properties properties = {}) const;
  /// The same by the threads of an executor (core/parallel.hpp), to the last bit: what the
  /// descriptor shares among them, and the solver where charges are explicit. To run many
  /// structures side by side is the better use of threads where there are many.
  template <Executor E>
  const Prediction& evaluate(const Structure& structure, Workspace& workspace,
                             Properties properties, const E& executor) const;

  /// Whether the multipoles are found self-consistently, so that there is an evaluate_at().
  static constexpr bool self_consistent = SelfConsistentChargeModel<Q>;
  /// Whether the energy is stationary in the self-consistent multipoles: then its forces at their
  /// density are those at that density held fixed.
  static constexpr bool stationary = self_consistent && !LawWithReadout<detail::LawOf<Q>>;

  /// Whether the density is any function of the potential, so that neither stability nor the sign
  /// of its softness are given.
  static constexpr bool is_map = self_consistent && detail::LawOf<Q>::form == LawForm::map;
  /// Whether a field may act along a periodic direction that has no plane to jump at: of models
  /// whose charges flow along bonds.
  static constexpr bool takes_field_everywhere = [] {
    if constexpr (requires { Q::field_images; })
      return Q::field_images == FieldImages::as_given;
    else
      return Q::kind == ChargeKind::none;
  }();

  /// The prediction at a given density instead of the self-consistent one: multipoles p
  /// (n·(l_max+1)², as Prediction::multipoles; their charges are moved evenly to the total charge,
  /// of groups each), the energy at p, the Fermi level, and Prediction::density_residual. Nothing
  /// is iterated. Forces and stress are derivatives of that energy at fixed p, the Fermi levels of
  /// responses and maps following; where the energy is `stationary` and the residual zero they are
  /// those of evaluate(). Of responses the energy is the dual function, of second order in the
  /// residual.
  /// @throws as evaluate(), InputError for a density of a wrong size, and ConvergenceError where no
  /// Fermi level gives the total charge.
  const Prediction& evaluate_at(const Structure& structure, std::span<const double> density,
                                Workspace& workspace, Properties properties = {}) const requires
      SelfConsistentChargeModel<Q>;
  /// parameter_gradient() of evaluate_at(). The density is a constant: cotangents of multipoles,
  /// charges, dipole and potentials add nothing.
  void parameter_gradient_at(
      const Structure& structure, std::span<const double> density, const LossCotangents& cotangents,
      Workspace& workspace, std::span<double> gradient) const requires SelfConsistentChargeModel<Q>;

  /// The derivative of the prediction along a direction, exact: the evaluation and its adjoint on
  /// dual numbers, with one more linear solve where charges are self-consistent. The basis of all
  /// response properties (observables.hpp). The reference lives in the workspace.
  /// @throws as evaluate(), and InputError for a direction of a wrong size.
  const DirectionalDerivative& directional_derivative(const Structure& structure,
                                                      const Direction& direction,
                                                      Workspace& workspace) const;

  /// −∂q/∂μ of each atom [e/V] at the density that a structure has, held fixed: the bare (not
  /// screened) response of the charges, whose normalised form is the bare Fukui function. Of models
  /// whose density is a function of the potential (responses and maps). The reference lives in the
  /// workspace. @throws as evaluate().
  const std::vector<double>& bare_softness(const Structure& structure, Workspace& workspace) const
      requires(SelfConsistentChargeModel<Q>&& detail::LawOf<Q>::form != LawForm::energy);

  /// Adds dL/dθ to `gradient` (layout().size()) for a loss L whose derivatives by the predictions
  /// are given. Exact also through forces, stress and equilibrated charges: one adjoint pass on
  /// dual numbers (on real ones when neither forces nor stress nor polarization have a cotangent).
  /// Cotangents of charges and potentials are ignored by models without charges. Errors as
  /// evaluate(), and InputError for cotangents of a wrong size.
  void parameter_gradient(const Structure& structure, const LossCotangents& cotangents,
                          Workspace& workspace, std::span<double> gradient) const;
  /// Adds to `gradient` what Workspace::pending was left, of any number of structures, with the
  /// parameters as they were then, and uses it up.
  template <Executor E = SerialExecutor>
  void add_pending(std::span<PendingGradient> pending, std::span<double> gradient,
                   const E& executor = {}) const {
    if constexpr (!std::same_as<PendingGradient, detail::NothingPending>)
      descriptor_.add_pending(pending, gradient, executor);
  }
  /// Where parameter_gradient() adds anything itself, with Workspace::pending and ::training; all
  /// other parameters wait for add_pending(). In order, none beside another.
  std::vector<Slice> slices_at_once() const;

 private:
  template <Number T>
  using State = detail::EvaluationState<D, Q, S, T>;

  static constexpr bool self_consistent_ = self_consistent;
  /// Gives a workspace a density while it lives.
  struct GivenDensity {
    GivenDensity(const Structure& structure, std::span<const double> density, Workspace& w);
    ~GivenDensity() { workspace.density = {}; }
    GivenDensity(const GivenDensity&) = delete;
    GivenDensity& operator=(const GivenDensity&) = delete;
    Workspace& workspace;
  };
  static constexpr std::size_t size_ = static_cast<std::size_t>(multipole_count);

  template <Number T>
  static bool has_field(const State<T>& state) {
    bool any = false;
    for (int j = 0; j < 3; ++j)
      any =
          any || value_of(state.external_field[j]) != 0 || tangent_of(state.external_field[j]) != 0;
    return any;
  }
  static constexpr FieldImages field_images_ = [] {
    if constexpr (requires { Q::field_images; })
      return Q::field_images;
    else
      return FieldImages::between_planes;
  }();
  /// Groups of prescribed charge: their Fermi levels follow that of the rest, if that has one.
  static std::size_t free_groups(const Structure& structure) {
    std::size_t count = 0;
    for (const ChargeGroup& group : structure.groups) count += group.fermi_level ? 0 : 1;
    return count;
  }
  void start(const Structure& structure, Workspace& workspace) const;
  /// h, p and what the energy needs of p; the geometry stands.
  template <Number T, Executor E = SerialExecutor>
  void forward(const Structure& structure, Workspace& workspace, State<T>& state,
               const Direction* direction = nullptr, const E& executor = {}) const;
  /// Cotangents of features, geometry (if `geometry`) and parameters (if not empty).
  template <Number T, Executor E = SerialExecutor>
  void backward(const Structure& structure, Workspace& workspace, State<T>& state,
                const detail::ExtraCotangents<T>& bar, bool geometry,
                std::span<double> parameter_gradient, const E& executor = {}) const;
  /// v = K p and the gradient of ½ pᵀKp, by threads where the solver has a use for them.
  template <Number T, Executor E>
  void apply(State<T>& state, const E& executor) const {
    const std::span<const T> p = state.multipoles;
    const std::span<T> v = state.own_potential;
    if constexpr (requires { solver_.template apply<T>(state.plan, p, v, executor); })
      solver_.template apply<T>(state.plan, p, v, executor);
    else
      solver_.template apply<T>(state.plan, p, v);
  }
  template <Number T, Executor E>
  void add_field_gradient(State<T>& state, T energy_cotangent, const E& executor) const {
    const std::span<const T> p = state.multipoles;
    const T factor = energy_cotangent * RealOf<T>(0.5);
    auto& gradient = state.gradient;
    if constexpr (requires {
                    solver_.template bilinear_gradient<T>(state.plan, p, p, factor, gradient,
                                                          executor);
                  })
      solver_.template bilinear_gradient<T>(state.plan, p, p, factor, gradient, executor);
    else
      solver_.template bilinear_gradient<T>(state.plan, p, p, factor, gradient);
  }
  /// Stress from dE/dε, in T.
  template <Number T>
  static Matrix3<detail::Wide<T>> stress_of(const State<T>& state);
  template <Number T>
  ChargeInput<T> charge_input(const Structure& structure, const Workspace& workspace,
                              const State<T>& state) const;
  /// v_ext: the field, external charges, applied potentials and prescribed Fermi levels.
  template <Number T>
  void fill_external(const Structure& structure, State<T>& state, const Direction* direction) const;
  /// Which charges are prescribed, and the net charge that the solver has to expect.
  double fill_constraints(const Structure& structure, ChargeConstraints& constraints,
                          const Direction* direction) const;
  /// Calls f with the engine of this structure.
  template <Number T, class F>
  void with_engine(Workspace& workspace, State<T>& state, F&& f) const;
  void fill_prediction(const Structure& structure, Properties properties,
                       Workspace& workspace) const;
  /// Cotangents of the multipoles from those of charges, dipole and potentials, each through
  /// `convert`; after forward().
  template <Number T, class Convert>
  void fill_extra(const Structure& structure, const LossCotangents& cotangents, Convert&& convert,
                  State<T>& state, std::vector<T>& extra) const;

  D descriptor_;
  Q charge_model_;
  S solver_;
  ParameterLayout layout_;
  std::vector<double> parameters_;
  ScfOptions scf_options_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/potential_impl.hpp>  // IWYU pragma: keep
