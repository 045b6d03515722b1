#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exports a MACE or PolarMACE checkpoint to a leyden model file.

usage: mace_to_leyden.py MODEL.model OUT.safetensors [--head NAME] [--name TEXT]
                         [--latent-charges NAME ...] [--molecules] [--no-self-test]

Runs where PyTorch and MACE are installed. Loading a checkpoint runs code that is stored in it: open
only those that you trust. The file that is written holds numbers and text only.
"""
import argparse
import re
import sys

from leyden_file import ConversionError, write_model
from mace_model import convert, latent_scale


# Numbers beside the weights that leyden computes itself.
COMPUTED = re.compile(r".*\.(_w3j\w*|U_matrix_\d+|covalent_radii)|kspace_cutoff"
                      r"|radial_embedding\.bessel_fn\.(prefactor|gaussian_weights)"
                      r"|(electric_potential_descriptor|coulomb_energy|external_field_contribution)"
                      r"\..*")
CLASSES = ("ScaleShiftMACE", "MACELES", "PolarMACE")


def plain(value):
    """A number, list or text of what torch, numpy or e3nn hold."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double()
        return value.item() if value.ndim == 0 else value.tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value) in (list, tuple):  # and not e3nn's irreps, which are tuples of their own kind
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: v if isinstance(v, type) else plain(v) for k, v in value.items()}
    return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)


def configuration(model):
    """What a model was built from, in mace's words."""
    from mace.tools.scripts_utils import extract_config_mace_model

    if type(model).__name__ not in CLASSES:
        raise ConversionError(f"this is a {type(model).__name__}; {', '.join(CLASSES)} are exported")
    basis = model.radial_embedding.bessel_fn
    if not hasattr(basis, "bessel_weights"):  # mace counts them, and others than Bessel have none
        basis.bessel_weights = range(model.radial_embedding.out_dim)
    config = extract_config_mace_model(model)
    if "error" in config:
        raise ConversionError(f"mace cannot describe this model: {config['error']}")
    config["keep_last_layer_irreps"] = model.products[-1].linear.irreps_out.lmax > 0
    return config


def in_double_precision(model):
    """The model in double precision. A checkpoint of single precision has rounded more than its
    weights: 3j symbols, coupling tensors, radii. What leyden computes itself becomes what it is in
    a new model; what is exported stays as it is."""
    import torch
    from mace.modules import PolarMACE, ScaleShiftMACE

    single = next(model.parameters()).dtype != torch.float64
    model = model.double()
    if not single:
        return model
    kind = PolarMACE if type(model).__name__ == "PolarMACE" else ScaleShiftMACE
    exact = dict(kind(**configuration(model)).named_buffers())
    for name, rounded in model.named_buffers():
        value = exact.get(name) if COMPUTED.fullmatch(name) else None
        if (value is not None and rounded.is_floating_point() and value.shape == rounded.shape
                and torch.allclose(rounded, value.double(), rtol=1e-6, atol=1e-6)):
            rounded.copy_(value)
    return model


def hyperparameters(model):
    """What mace's training program calls the options of a model, from the model itself."""
    config = configuration(model)
    as_they_are = ("interaction_cls", "cueq_config")
    h = {key: value if key.startswith(as_they_are) else plain(value)
         for key, value in config.items()}
    h["E0s"] = plain(model.atomic_energies_fn.atomic_energies)
    h["scale"] = h.get("atomic_inter_scale", 1.0)
    h["shift"] = h.get("atomic_inter_shift", 0.0)
    if hasattr(model, "les"):
        h["les"] = {key: plain(getattr(model.les.ewald, key))
                    for key in ("sigma", "dl", "remove_self_interaction", "norm_factor")}
    h["num_heads"] = len(h.get("heads") or [0])
    h["pair_repulsion"] = hasattr(model, "pair_repulsion_fn")
    if hasattr(model, "pair_repulsion_fn") or h.get("distance_transform") not in (None, "None"):
        import ase.data

        h["covalent_radii_by_Z_used_by_ZBL_and_Agnesi"] = {
            str(int(z)): float(ase.data.covalent_radii[int(z)]) for z in h["atomic_numbers"]}
    return h


def state_of(model):
    """All tensors of a model, buffers that state_dict leaves out included."""
    out = {}
    for source in (dict(model.named_buffers()), dict(model.named_parameters()),
                   model.state_dict()):
        for name, tensor in source.items():
            tensor = tensor.detach().cpu().double()
            out[name] = (list(tensor.shape), tensor.reshape(-1).tolist())
    return out


def differentiable(model):
    """Computes Chebyshev polynomials by their recursion. Torch's own function has no derivative:
    forces that it is part of are not the gradient of the energy."""
    basis = model.radial_embedding.bessel_fn
    if type(basis).__name__ != "ChebychevBasis":
        return

    def polynomials(x):
        import torch

        t = [torch.ones_like(x), x]
        while len(t) <= basis.num_basis:
            t.append(2.0 * x * t[-1] - t[-2])
        return torch.cat(t[1:], dim=-1)

    basis.forward = polynomials


def self_test(model, h, head, periodic):
    """A few atoms and what the checkpoint itself says of them, for leyden to compare with. head: its
    name; None: the first."""
    import torch
    from ase import Atoms
    from mace import data, tools

    numbers = [int(h["atomic_numbers"][i % len(h["atomic_numbers"])]) for i in range(4)]
    edge = 0.4 * float(h["r_max"])
    corners = [[0.05, 0.02, 0.0], [edge, 0.04, -0.06], [0.01, edge, 0.03], [0.07, -0.02, edge]]
    cell = [2.1 * edge if periodic else 0.0] * 3
    atoms = Atoms(numbers, positions=corners, cell=cell, pbc=periodic)
    table = tools.AtomicNumberTable([int(z) for z in h["atomic_numbers"]])
    heads = [str(x) for x in h.get("heads") or ["Default"]]
    config = data.config_from_atoms(atoms, head_name=head or heads[0])
    batch = next(iter(tools.torch_geometric.dataloader.DataLoader(
        [data.AtomicData.from_config(config, z_table=table, cutoff=float(h["r_max"]),
                                     heads=heads)],
        batch_size=1)))
    torch.set_default_dtype(torch.float64)
    differentiable(model)
    out = model(batch.to_dict(), compute_force=True)
    charges = plain(out["charges"]) if out.get("charges") is not None else []
    if out.get("latent_charges") is not None:
        charges = [latent_scale(h["les"]) * q for q in plain(out["latent_charges"])]
    return {"structure": {"atomic_numbers": numbers, "positions": corners,
                          "cell": [[cell[0], 0, 0], [0, cell[1], 0], [0, 0, cell[2]]],
                          "periodic": [periodic] * 3},
            "energy": plain(out["energy"])[0], "forces": plain(out["forces"]),
            "charges": charges}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a checkpoint that torch.load reads as a whole model")
    parser.add_argument("out", help="the model file to write")
    parser.add_argument("--name", default="", help="free text, kept in the file")
    parser.add_argument("--head", default=None, help="the head that evaluations use")
    parser.add_argument("--latent-charges", nargs="+", default=None, metavar="TENSOR",
                        help="tensors of linear readouts of a latent charge, one per layer, when "
                             "they are not those of les_readouts")
    parser.add_argument("--molecules", action="store_true",
                        help="latent charges: for structures without a cell, where LES sums over "
                             "pairs")
    parser.add_argument("--no-self-test", action="store_true",
                        help="do not evaluate the checkpoint")
    arguments = parser.parse_args()
    import torch

    torch.set_default_dtype(torch.float64)
    model = torch.load(arguments.model, map_location="cpu", weights_only=False)
    try:
        model = in_double_precision(model)
        h, state = hyperparameters(model), state_of(model)
        if (arguments.molecules or arguments.latent_charges) and "les" not in h:
            raise ConversionError("this model has no latent charges")
        spec, tensors = convert(h, state, arguments.latent_charges, arguments.molecules)
        if arguments.head is not None:
            heads = [str(x) for x in h.get("heads") or []]
            if arguments.head not in heads:
                raise ConversionError(f"there is no head {arguments.head}; there are {heads}")
            spec["descriptor"]["options"]["head"] = heads.index(arguments.head)
        spec["name"] = arguments.name
        spec["training"] = {"converted_from": type(model).__name__}
        if not arguments.no_self_test:
            spec["self_test"] = self_test(model, h, arguments.head, not arguments.molecules)
        write_model(arguments.out, tensors, spec)
    except ConversionError as error:
        sys.exit(f"mace_to_leyden.py: {arguments.model}: {error}")


if __name__ == "__main__":
    main()
