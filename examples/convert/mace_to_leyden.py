#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exports a MACE or PolarMACE checkpoint to a leyden model file.

usage: mace_to_leyden.py MODEL.model OUT.safetensors [--head NAME] [--name TEXT]
                         [--latent-charges NAME ... --latent-width A]

Runs where PyTorch and MACE are installed. Loading a checkpoint runs code that is stored in it: open
only those that you trust. The file that is written holds numbers and text only.
"""
import argparse
import sys

from leyden_file import ConversionError, write_model
from mace_model import convert, is_polar


CLASSES = ("ScaleShiftMACE", "MACELES", "PolarMACE")


def plain(value):
    """A number, list or text of what torch, numpy or e3nn hold."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double()
        return value.item() if value.ndim == 0 else value.tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: v if isinstance(v, type) else plain(v) for k, v in value.items()}
    return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)


def hyperparameters(model):
    """What mace's training program calls the options of a model, from the model itself."""
    from mace.tools.scripts_utils import extract_config_mace_model

    if type(model).__name__ not in CLASSES:
        raise ConversionError(f"this is a {type(model).__name__}; {', '.join(CLASSES)} are exported")
    config = extract_config_mace_model(model)
    if "error" in config:
        raise ConversionError(f"mace cannot describe this model: {config['error']}")
    as_they_are = ("interaction_cls", "cueq_config")
    h = {key: value if key.startswith(as_they_are) else plain(value)
         for key, value in config.items()}
    h.setdefault("keep_last_layer_irreps", bool(getattr(model, "keep_last_layer_irreps", False)))
    h["E0s"] = plain(model.atomic_energies_fn.atomic_energies)
    h["scale"] = h.get("atomic_inter_scale", 1.0)
    h["shift"] = h.get("atomic_inter_shift", 0.0)
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


def self_test(model, h, head):
    """A few atoms and what the checkpoint itself says of them, for leyden to compare with. head: its
    name; None: the first."""
    import torch
    from ase import Atoms
    from mace import data, tools

    numbers = [int(h["atomic_numbers"][i % len(h["atomic_numbers"])]) for i in range(4)]
    edge = 0.4 * float(h["r_max"])
    corners = [[0.05, 0.02, 0.0], [edge, 0.04, -0.06], [0.01, edge, 0.03], [0.07, -0.02, edge]]
    cell = [2.1 * edge] * 3
    atoms = Atoms(numbers, positions=corners, cell=cell, pbc=True)
    table = tools.AtomicNumberTable([int(z) for z in h["atomic_numbers"]])
    heads = [str(x) for x in h.get("heads") or ["Default"]]
    config = data.config_from_atoms(atoms, head_name=head or heads[0])
    batch = next(iter(tools.torch_geometric.dataloader.DataLoader(
        [data.AtomicData.from_config(config, z_table=table, cutoff=float(h["r_max"]),
                                     heads=heads)],
        batch_size=1)))
    torch.set_default_dtype(torch.float64)
    out = model.double()(batch.to_dict(), compute_force=True)
    charges = plain(out["charges"]) if out.get("charges") is not None else []
    return {"structure": {"atomic_numbers": numbers, "positions": corners,
                          "cell": [[cell[0], 0, 0], [0, cell[1], 0], [0, 0, cell[2]]],
                          "periodic": [True, True, True]},
            "energy": plain(out["energy"])[0], "forces": plain(out["forces"]),
            "charges": charges}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a checkpoint that torch.load reads as a whole model")
    parser.add_argument("out", help="the model file to write")
    parser.add_argument("--name", default="", help="free text, kept in the file")
    parser.add_argument("--head", default=None, help="the head that evaluations use")
    parser.add_argument("--latent-charges", nargs="+", default=None, metavar="TENSOR",
                        help="tensors of linear readouts of a latent charge, one per layer")
    parser.add_argument("--latent-width", type=float, default=1.0,
                        help="width of the Gaussians of latent charges, Angstrom: sigma/sqrt(2) of "
                             "a model that damps waves by exp(-sigma^2 k^2/2)")
    parser.add_argument("--no-self-test", action="store_true",
                        help="do not evaluate the checkpoint")
    arguments = parser.parse_args()
    import torch

    torch.set_default_dtype(torch.float64)
    model = torch.load(arguments.model, map_location="cpu", weights_only=False).double()
    try:
        h, state = hyperparameters(model), state_of(model)
        spec, tensors = convert(h, state, arguments.latent_charges, arguments.latent_width)
        if arguments.head is not None:
            heads = [str(x) for x in h.get("heads") or []]
            if arguments.head not in heads:
                raise ConversionError(f"there is no head {arguments.head}; there are {heads}")
            spec["descriptor"]["options"]["head"] = heads.index(arguments.head)
        spec["name"] = arguments.name
        spec["training"] = {"converted_from": type(model).__name__}
        latent = arguments.latent_charges is not None and not is_polar(h)
        if not arguments.no_self_test and not latent:
            spec["self_test"] = self_test(model, h, arguments.head)
        write_model(arguments.out, tensors, spec)
    except ConversionError as error:
        sys.exit(f"mace_to_leyden.py: {arguments.model}: {error}")


if __name__ == "__main__":
    main()
