#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the reference numbers of tests/data into model files, by the converter of examples/convert.

usage: convert_golden.py PROJECT OUT

They hold weights under their PyTorch names, as a checkpoint does, and what the reference says of some
structures; the smallest of these becomes the self test of the file.
"""
import json
import random
import sys
from pathlib import Path


def flat(tensor):
    """(shape, numbers) of a tensor of the reference files."""
    return list(tensor["shape"]), [float(x) for x in tensor["data"]]


def self_test(golden, scale):
    """The smallest structure, in a variant without field where there are variants. scale: of latent
    charges."""
    structures = golden["structures"]
    key = min(structures, key=lambda k: len(structures[k]["numbers"]))
    s = structures[key]
    variant = s["variants"]["q0_s1"] if "variants" in s else s
    outputs = variant["outputs"]
    cell = flat(variant["cell_used"])[1] if "cell_used" in variant else sum(s["cell"], [])
    forces = flat(outputs["forces"])[1]
    charges = flat(outputs["charges"])[1] if "charges" in outputs else []
    if "latent_charges" in outputs:
        charges = [scale * q for q in flat(outputs["latent_charges"])[1]]
    return {"structure": {"atomic_numbers": s["numbers"], "positions": s["positions"],
                          "cell": [cell[0:3], cell[3:6], cell[6:9]], "periodic": s["pbc"]},
            "energy": flat(outputs["energy"])[1][0],
            "forces": [forces[i:i + 3] for i in range(0, len(forces), 3)],
            "charges": charges}


def main():
    project, out = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, str(project / "examples" / "convert"))
    from leyden_file import ConversionError, write_model
    from mace_model import convert, latent_scale

    def refused(what, **changes):
        """That a checkpoint with something that leyden does not have is not exported in silence."""
        try:
            convert({**h, **changes.get("h", {})}, {**state, **changes.get("state", {})})
        except ConversionError:
            return
        sys.exit(f"convert_golden.py: {name} was converted with {what}")

    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((project / "tests/data").glob("*/*.json")):
        if path.parent.name not in ("mace", "polar") or path.stem.startswith("numpy"):
            continue  # those of numpy are parts of models
        golden = json.loads(path.read_text())
        h = golden["hyperparameters"]
        if path.parent.name == "polar":
            h = {**h, "interaction_cls": h["interaction_cls"].split()[0]}
        state = {name: flat(tensor) for name, tensor in golden["weights"].items()}
        name = path.stem.split("_")[1] if path.stem.startswith("mace_") else path.stem
        spec, tensors = convert(h, state)
        spec["self_test"] = self_test(golden, latent_scale(h["les"]) if "les" in h else 1.0)
        write_model(out / f"{name}.safetensors", tensors, {**spec, "name": name})
        refused("a weight of its own", state={"embedding_readout.weight": ([1], [1.0])})
        refused("an option of its own", h={"use_so3": True})
        refused("another gate", h={"gate": "tanh"})
        refused("no interaction block", h={"interaction_cls": "SomeBlock"})
        if name == "p1":
            refused("quadrupoles", h={"atomic_multipoles_max_l": 2})
            refused("another update", h={"fixedpoint_update_config": {"type": "ManyBody"}})
        if name == "a5":
            refused("two kinds of layers", h={"interaction_cls": "RealAgnosticInteractionBlock"})
        if name == "a2":  # latent charges on top: numbers that nobody trained
            source = random.Random(1)
            names = ["les.0", "les.1"]
            for readout in names:
                state[readout] = ([16], [source.gauss(0.0, 0.3) for _ in range(16)])
            les = {"sigma": 1.0, "dl": 2.0, "remove_self_interaction": True, "norm_factor": 90.4756}
            spec, tensors = convert({**h, "les": les}, state, latent_readouts=names)
            write_model(out / "latent.safetensors", tensors, {**spec, "name": "latent"})


if __name__ == "__main__":
    main()
