# SPDX-License-Identifier: MIT
"""What MACE and PolarMACE checkpoints become: leyden's options and tensors.

Plain data in, plain data out. `h` holds hyperparameters by the names of MACE's own training program
(r_max, num_bessel, max_ell, hidden_irreps, …), `state` the tensors of the checkpoint as pairs (shape,
numbers) by their PyTorch names. Weights are copied as they are: leyden keeps MACE's order.
"""
import math
import re

from leyden_file import ConversionError

LINEAR = {"RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock",
          "RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock"}
NONLINEAR = "RealAgnosticResidualNonLinearInteractionBlock"


# What a checkpoint holds beside weights: numbers that are in the hyperparameters, or constants.
CONSTANTS = re.compile(r"atomic_numbers|r_max|num_interactions|kspace_cutoff|field_feature_norms"
                       r"|(radial_embedding|atomic_energies_fn|scale_shift|pair_repulsion_fn"
                       r"|spherical_harmonics|electric_potential_descriptor|coulomb_energy"
                       r"|external_field_contribution)\..*|.*\.(field_norm_factor|output_mask"
                       r"|U_matrix_\d+|weights_\w*zeroed|_w3j\w*|avg_num_neighbors)")
# ε₀ as leyden has it, e/(V Å).
VACUUM_PERMITTIVITY = 5.526349406e-3
# Options of MACE that change the function and that leyden does not have; any of them is refused.
UNKNOWN_OPTIONS = ("use_so3", "use_last_readout_only", "use_embedding_readout", "embedding_specs",
                   "use_edge_irreps_first",
                   "quadrupole_feature_corrections")
KNOWN_CONFIGS = {
    "fixedpoint_update_config": {
        "type": "AgnosticEmbeddedOneBodyVariableUpdate",
        "potential_embedding_cls": "AgnosticChargeBiasedLinearPotentialEmbedding",
        "nonlinearity_cls": "MLPNonLinearity"},
    "field_readout_config": {"type": "OneBodyMLPFieldReadout"},
}


class Hyperparameters(dict):
    """Hyperparameters by name; asking for one that is missing says so."""

    def __missing__(self, key):
        raise ConversionError(f"the hyperparameter '{key}' is missing")


class State(dict):
    """Tensors by name; remembers which were read."""

    def __init__(self, tensors):
        super().__init__(tensors)
        self.read = set()

    def __getitem__(self, name):
        if name not in self:
            raise ConversionError(f"the checkpoint has no tensor '{name}'")
        self.read.add(name)
        return super().__getitem__(name)

    def unread(self):
        """Names of weights that nobody asked for."""
        return [name for name, (_, values) in self.items()
                if values and name not in self.read and not CONSTANTS.fullmatch(name)]


def refuse_unknown(h):
    """Raises ConversionError for options that leyden's models do not have."""
    for key in UNKNOWN_OPTIONS:
        if h.get(key):
            raise ConversionError(f"the option {key} = {h[key]} is not supported")
    if getattr(h.get("cueq_config"), "enabled", False):
        raise ConversionError("weights in cuequivariance's layout are not supported; convert the "
                              "checkpoint with mace's own tool first")
    for key, known in KNOWN_CONFIGS.items():
        for name, value in (h.get(key) or {}).items():
            if name not in known or getattr(value, "__name__", str(value)) != known[name]:
                raise ConversionError(f"{key}: {name} = {value} is not supported")
    if is_polar(h) and float(flag(h, "field_norm_factor", 0.02)) != 0.02:
        raise ConversionError(f"field_norm_factor = {h['field_norm_factor']} is not supported")


def irreps(text):
    """(channels, highest l) of "128x0e + 128x1o", or of a number of scalars. All l must have the
    same channels."""
    if str(text).strip().isdigit():
        return int(text), 0
    channels, highest = set(), -1
    for part in str(text).replace(" ", "").split("+"):
        count, irrep = part.split("x") if "x" in part else ("1", part)
        highest = max(highest, int(irrep[:-1]))
        channels.add(int(count))
        if irrep[-1] != ("e" if int(irrep[:-1]) % 2 == 0 else "o"):
            raise ConversionError(f"irreps {text}: {irrep} has the parity of a pseudo-tensor")
    if len(channels) != 1:
        raise ConversionError(f"irreps {text}: every l must have the same number of channels")
    return channels.pop(), highest


def numbers(state, name):
    """All numbers of a tensor. Raises ConversionError when the checkpoint does not have it."""
    return list(state[name][1])


def flag(h, key, default):
    value = h.get(key)
    return default if value is None else value


def block_name(value):
    """The name of an interaction block, as text or as the class itself."""
    return getattr(value, "__name__", str(value)).split()[0].split(".")[-1].rstrip("'>")


def is_polar(h):
    return "num_recursion_steps" in h


def descriptor(h, state):
    """The descriptor's part of the specification."""
    block = block_name(h["interaction_cls"])
    first = block_name(h.get("interaction_cls_first", block))
    for name in (block, first):
        if name not in LINEAR | {NONLINEAR}:
            raise ConversionError(f"the interaction block {name} is not supported; there are "
                                  + ", ".join(sorted(LINEAR | {NONLINEAR})))
    nonlinear = block == NONLINEAR
    if (first == NONLINEAR) != nonlinear or ("Density" in first) != ("Density" in block):
        raise ConversionError(f"layers of {first} and of {block} in one model are not supported")
    channels, hidden_l = irreps(h["hidden_irreps"])
    readout_width, _ = irreps(h["MLP_irreps"])
    edge = irreps(h["edge_irreps"]) if h.get("edge_irreps") else None
    if h.get("gate", "silu") not in ("silu", None) and "silu" not in str(h["gate"]).lower():
        raise ConversionError(f"the gate {h['gate']} is not supported; silu is")
    options = {
        "species": [int(z) for z in h["atomic_numbers"]],
        "cutoff": float(h["r_max"]),
        "channels": channels,
        "layers": int(h["num_interactions"]),
        "radial_count": int(h["num_bessel"]),
        "envelope_order": int(h["num_polynomial_cutoff"]),
        "readout_width": readout_width,
        "residual_first": not nonlinear and "Residual" in first,
        "density_normalized": not nonlinear and "Density" in block,
        "average_neighbors": float(h["avg_num_neighbors"]),
        "agnostic_product": bool(flag(h, "use_agnostic_product", False)),
        "keep_last_irreps": is_polar(h) or bool(flag(h, "keep_last_layer_irreps", False)),
        "frame": "yzx" if is_polar(h) else "xyz",
    }
    if h.get("radial_MLP"):
        options["radial_hidden"] = [int(w) for w in h["radial_MLP"]]
    if edge:
        options["edge_channels"] = edge[0]
    fades = bool(flag(h, "apply_cutoff", True))
    options["smooth_cutoff" if nonlinear else "envelope_on_messages"] = not fades
    kinds = {"bessel": "bessel", "gaussian": "gaussian", "chebyshev": "chebyshev_of_distance"}
    kind = str(flag(h, "radial_type", "bessel")).lower()
    if kind not in kinds:
        raise ConversionError(f"the radial basis {kind} is not supported")
    options["radial_kind"] = kinds[kind]
    if kind == "bessel" and "radial_embedding.bessel_fn.bessel_weights" in state:
        options["radial_frequencies"] = numbers(state, "radial_embedding.bessel_fn.bessel_weights")
    transform(h, state, options)
    repulsion(h, state, options)
    radii = h.get("covalent_radii_by_Z_used_by_ZBL_and_Agnesi")
    if radii:
        options["covalent_radii"] = [float(radii[str(z)]) for z in options["species"]]
    energies(h, options)
    shape = {"l_max": int(h["max_ell"]), "correlation": int(h["correlation"]),
             "hidden_l": hidden_l, "interaction": "nonlinear" if nonlinear else "linear",
             "edge_l": min(edge[1], hidden_l) if edge else hidden_l}
    return {"kind": "mace", "shape": shape, "options": options}


def transform(h, state, options):
    name = str(h.get("distance_transform") or "None")
    at = "radial_embedding.distance_transform."
    if name == "Agnesi":
        options["distance_transform"] = {"kind": "agnesi",
                                         **{k: numbers(state, at + k)[0] for k in "aqp"}}
    elif name == "Soft":
        options["distance_transform"] = {"kind": "soft"}
        if at + "alpha" in state:
            options["distance_transform"]["alpha"] = numbers(state, at + "alpha")[0]
    elif name != "None":
        raise ConversionError(f"the distance transform {name} is not supported")


def repulsion(h, state, options):
    # PolarMACE computes the repulsion and leaves it out of its energy.
    if not h.get("pair_repulsion") or is_polar(h):
        return
    at = "pair_repulsion_fn."
    options["repulsion"] = {"envelope_order": int(numbers(state, at + "p")[0]),
                            "screening_exponent": numbers(state, at + "a_exp")[0],
                            "screening_prefactor": numbers(state, at + "a_prefactor")[0],
                            "coefficients": numbers(state, at + "c")}


def energies(h, options):
    """E0, scale and shift, of one head or several."""
    scale = h["atomic_inter_scale"] if is_polar(h) else h.get("scale", 1.0)
    shift = h["atomic_inter_shift"] if is_polar(h) else h.get("shift", 0.0)
    as_list = lambda x: [float(v) for v in x] if isinstance(x, (list, tuple)) else [float(x)]
    scale, shift = as_list(scale), as_list(shift)
    e0 = h["E0s"]
    rows = e0 if isinstance(e0[0], (list, tuple)) else [e0]
    heads = max(int(h.get("num_heads", 1)), len(rows), len(scale), len(shift))
    options["atomic_energies"] = [float(e) for row in rows for e in row]
    if heads == 1:
        options["scale"], options["shift"] = scale[0], shift[0]
        return
    options["heads"] = heads
    options["head_scales"] = scale * (heads // len(scale))
    options["head_shifts"] = shift * (heads // len(shift))


def descriptor_tensors(spec, state):
    """leyden's tensors of the descriptor."""
    shape, options = spec["shape"], spec["options"]
    layers, nonlinear = options["layers"], shape["interaction"] == "nonlinear"
    out = {}

    def copy(ours, theirs):
        values = numbers(state, theirs)
        out[ours] = ([len(values)], values)

    copy("mace.embedding", "node_embedding.linear.weight")
    for k in range(layers):
        ours, theirs = f"mace.layer{k}.", f"interactions.{k}."
        copy(ours + "up", theirs + "linear_up.weight")
        residual = nonlinear or k > 0 or options["residual_first"]
        copy(ours + ("skip" if residual else "select"), theirs + "skip_tp.weight")
        hidden = len(options.get("radial_hidden", [64, 64, 64]))
        if nonlinear:
            for name in ("source", "target"):
                copy(ours + name, f"{theirs}{name}_embedding.weight")
            copy(ours + "alpha", theirs + "alpha")
            copy(ours + "beta", theirs + "beta")
            network(copy, ours + "radial", theirs + "conv_tp_weights", hidden)
            network(copy, ours + "density", theirs + "density_fn", 1)
            copy(ours + "residual", theirs + "linear_res.weight")
            copy(ours + "mix", theirs + "linear_1.weight")
            copy(ours + "gated", theirs + "linear_2.weight")
        else:
            for i in range(hidden + 1):
                copy(f"{ours}radial{i}", f"{theirs}conv_tp_weights.layer{i}.weight")
            copy(ours + "mix", theirs + "linear.weight")
            if options["density_normalized"]:
                copy(ours + "density", theirs + "density_fn.layer0.weight")
        product(spec, state, k, out)
        copy(ours + "linear", f"products.{k}.linear.weight")
        if k == 0 or k + 1 < layers:
            copy(f"mace.readout{k}", f"readouts.{k}.linear.weight")
    if layers > 1:
        copy("mace.readout_hidden", f"readouts.{layers - 1}.linear_1.weight")
        copy("mace.readout_last", f"readouts.{layers - 1}.linear_2.weight")
    return out


def network(copy, ours, theirs, hidden):
    """A perceptron with LayerNorm: torch counts activations and norms as layers, too."""
    for i in range(hidden + 1):
        for part in ("weight", "bias"):
            copy(f"{ours}{i}/{part}", f"{theirs}.net.{3 * i}.{part}")
            if i < hidden:
                copy(f"{ours}{i}/norm_{part}", f"{theirs}.net.{3 * i + 1}.{part}")


def product(spec, state, k, out):
    """Weights of the product basis, and the coupling tensors that they belong to."""
    correlation, layers = spec["shape"]["correlation"], spec["options"]["layers"]
    last = k + 1 == layers and not spec["options"]["keep_last_irreps"]
    for l in range(1 if last else spec["shape"]["hidden_l"] + 1):
        at = f"products.{k}.symmetric_contractions.contractions.{l}."
        for nu in range(1, correlation + 1):
            name = "weights_max" if nu == correlation else f"weights.{correlation - 1 - nu}"
            numbers(state, at + name)
            out[f"mace.layer{k}.product.L{l}.nu{nu}"] = state[at + name]
            coupling = f"{at}U_matrix_{nu}"
            if coupling not in state:
                continue
            axes, values = state[coupling]
            if l == 0:  # MACE leaves out the axis of M
                axes = [1] + list(axes)
            ours = f"coupling.L{l}.nu{nu}"
            if ours in out and out[ours] != (axes, values):
                raise ConversionError(f"{coupling} differs from that of an earlier layer")
            out[ours] = (axes, values)


def polar_charge_model(h):
    """The charge model's part of the specification of a PolarMACE."""
    l_max = int(h["atomic_multipoles_max_l"])
    if l_max not in (0, 1):
        raise ConversionError(f"atomic_multipoles_max_l = {l_max} is not supported; 0 and 1 are")
    options = {
        "widths": [float(h["atomic_multipoles_smearing_width"])],
        "feature_l_max": int(h["field_feature_max_l"]),
        "feature_widths": [float(w) for w in h["field_feature_widths"]],
        "feature_self": "included" if h["field_si"] else "excluded",
        "steps": int(h["num_recursion_steps"]),
        "fukui": "signed_sum",
        "fukui_width": irreps(h["MLP_irreps"])[0],
        "local_electron_energy": bool(h["add_local_electron_energy"]),
    }
    if h.get("field_feature_norms"):
        options["feature_norms"] = [float(x) for x in h["field_feature_norms"]]
    kind = "polar recursion, charges" + (" and dipoles" if l_max == 1 else "")
    return {"kind": kind, "shape": {"field_images": "as_given"}, "options": options}


def polar_tensors(h, state):
    """leyden's tensors of the charge model of a PolarMACE."""
    out = {}

    def copy(ours, theirs):
        values = numbers(state, theirs)
        out["charge/" + ours] = ([len(values)], values)

    def both(ours, theirs):
        copy(ours + "/weight", theirs + ".weight")
        copy(ours + "/bias", theirs + ".bias")

    for t in range(int(h["num_interactions"])):
        copy(f"source{t}/weight", f"lr_source_maps.{t}.linear.weight")
        copy(f"mix{t}/weight", f"layer_feature_mixer.linears.{t}.weight")
    copy("fukui0/weight", "fukui_source_map.linear_1.weight")
    both("fukui1", "fukui_source_map.linear_mid")
    both("fukui2", "fukui_source_map.linear_2")
    for k in range(int(h["num_recursion_steps"])):
        to, at = f"step{k}/", f"field_dependent_charges_maps.{k}."
        copy(to + "potential/weight", at + "potential_embedding.potential_linear.weight")
        copy(to + "features/weight", at + "potential_embedding.node_feats_linear.weight")
        copy(to + "density/weight", at + "potential_embedding.charge_embedding.weight")
        copy(to + "dot/weight", at + "dot_products.weight")
        copy(to + "species/weight", at + "source_embedding.weight")
        network(copy, to + "network/", at + "nonlinearity", 3)
        copy(to + "scaling/weight", at + "tp_out.weight")
        copy(to + "readout0/weight", at + "readout.linear_1.weight")
        both(to + "readout1", at + "readout.linear_mid")
        both(to + "readout2", at + "readout.linear_2")
    if h["add_local_electron_energy"]:
        both("energy/density", "local_electron_energy.linear_up_q")
        both("energy/potential", "local_electron_energy.linear_up_v")
        copy("energy/density_dot/weight", "local_electron_energy.dot_products_q.weight")
        copy("energy/potential_dot/weight", "local_electron_energy.dot_products_v.weight")
        network(copy, "energy/network/", "local_electron_energy.mlp", 3)
    else:  # the checkpoint has its weights all the same and does not use them
        state.read.update(n for n in state if n.startswith("local_electron_energy."))
    return out


def latent_scale(les):
    """What LES's charges are multiplied by, so that leyden's Coulomb constant gives LES's energy.
    LES rounds the constant: the factor differs from 1 by 2e-7, of early versions by 2e-3."""
    return math.sqrt(float(les["norm_factor"]) * 2.0 * VACUUM_PERMITTIVITY)


def latent_solver(les, molecules):
    """The solver's part of the specification of a model with latent charges. LES sums over pairs
    in molecules and over the same wave vectors in any cell; no wave has the length zero."""
    own = "excluded" if les["remove_self_interaction"] else "included"
    if molecules:
        return {"kind": "direct", "options": {"self": own}}
    return {"kind": "reciprocal",
            "options": {"k_cutoff": 2.0 * math.pi / float(les["dl"]), "background": "uniform",
                        "self": own}}


def latent_charge_tensors(h, state, readouts):
    """leyden's tensors of latent charges that are read linearly from the scalars of each layer.

    readouts: the PyTorch names of the linear maps, one per layer, each (channels) numbers of the
    layer's l = 0 features, scaled as e3nn scales a linear layer.
    """
    channels, _ = irreps(h["hidden_irreps"])
    scale = latent_scale(h["les"])
    weights = []
    for name in readouts:
        if name not in state and name.replace(".linear.", ".linear_1.") in state:
            raise ConversionError(f"{name.split('.linear.')[0]} is a perceptron: only linear "
                                  "readouts of latent charges are exported")
        values = numbers(state, name)
        if len(values) != channels:
            raise ConversionError(f"{name} has {len(values)} weights, not one per channel "
                                  f"({channels}): only linear readouts of one charge are exported")
        weights += [scale * w for w in values]
    species = len(h["atomic_numbers"])
    return {"charge/weight": ([len(weights)], weights),
            "charge/bias": ([species], [0.0] * species)}


def convert(h, state, latent_readouts=None, molecules=False):
    """(specification, tensors) of a checkpoint.

    h, state: see the top of this file. h["les"], of models with latent charges: sigma, dl,
    remove_self_interaction and norm_factor of LES's Ewald module; latent_readouts: names of their
    linear readouts, one per layer, when they are not MACE's; molecules: the file is for structures
    without a cell.
    Raises ConversionError for what cannot be exported, a weight that nobody asked for included.
    """
    h, state = Hyperparameters(h), State(state)
    refuse_unknown(h)
    spec = {"descriptor": descriptor(h, state)}
    tensors = descriptor_tensors(spec["descriptor"], state)
    if is_polar(h):
        spec["charge_model"] = polar_charge_model(h)
        spec["solver"] = {"kind": "reference",
                          "options": {"k_cutoff": numbers(state, "kspace_cutoff")[0],
                                      "self": "included"
                                      if flag(h, "include_electrostatic_self_interaction", False)
                                      else "excluded"}}
        tensors.update(polar_tensors(h, state))
    elif "les" in h:
        latent_readouts = latent_readouts or [f"les_readouts.{t}.linear.weight"
                                              for t in range(int(h["num_interactions"]))]
        # σ of a factor exp(−σ²k²/2) is that of both charges of a pair.
        width = float(h["les"]["sigma"]) / math.sqrt(2.0)
        spec["charge_model"] = {"kind": "local charges", "options": {"widths": [width]}}
        spec["solver"] = latent_solver(h["les"], molecules)
        tensors.update(latent_charge_tensors(h, state, latent_readouts))
    else:
        spec["charge_model"] = {"kind": "none"}
        spec["solver"] = {"kind": "none"}
    if unread := state.unread():
        raise ConversionError(f"the checkpoint has weights that are not exported: {unread[0]}"
                              + (f" and {len(unread) - 1} more" if len(unread) > 1 else ""))
    return spec, tensors
