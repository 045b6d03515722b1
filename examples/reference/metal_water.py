# SPDX-License-Identifier: MIT
"""Al(100) slabs with water molecules, potassium and chlorine, some of them in a field along z."""
from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import fcc100, molecule

import cp2k
from structure import Structure

HEIGHT = 22.0  # A, of the cell
LOWEST = 8.0  # A, of the slab's lowest layer before its atoms are displaced
MARGIN = 1.5  # A, kept free of atoms at both ends of the cell
FIELD_SHARE = 0.4  # of the frames that have a field
MAX_TRIES = 20000
RESPONSE_START = 20000
RESPONSE_FIELDS = (0.0, 0.2, -0.2, 0.35, -0.35)  # V/A

SMALLEST_DISTANCE = {  # A, by the two elements in alphabetic order
    ("Al", "Cl"): 2.3, ("Al", "H"): 1.8, ("Al", "K"): 3.1, ("Al", "O"): 2.05,
    ("Cl", "H"): 1.95, ("Cl", "K"): 2.8, ("Cl", "O"): 2.7,
    ("H", "H"): 1.75, ("H", "K"): 2.6, ("H", "O"): 1.65, ("K", "O"): 2.5, ("O", "O"): 2.5,
}


def structure(index: int) -> Structure:
    """The structure of that index; the same index gives the same structure."""
    # The order of the random draws decides which structure an index gives: do not change it.
    rng = np.random.default_rng(5000 + index)
    atoms = _slab(rng)
    bottom, top = atoms.positions[:, 2].min(), atoms.positions[:, 2].max()
    ions = [[], ["K"], ["Cl"], ["K", "Cl"]][int(rng.choice(4, p=[0.35, 0.3, 0.2, 0.15]))]
    waters = int(rng.integers(0 if ions else 1, 5))
    added = ["w"] * waters + ions
    both_sides = rng.random() < 0.35
    side = "top" if rng.random() < 0.7 else "bottom"

    placed = tries = 0
    while placed < len(added):
        tries += 1
        if tries > MAX_TRIES:  # no room in this one
            return structure(index + 100000)
        if both_sides:
            side = "top" if rng.random() < 0.5 else "bottom"
        height = rng.uniform(2.1 if added[placed] == "w" else 2.4, 5.2)
        place = np.array([rng.uniform(0, atoms.cell[0, 0]), rng.uniform(0, atoms.cell[1, 1]),
                          top + height if side == "top" else bottom - height])
        guest = _water(place, rng) if added[placed] == "w" else Atoms(added[placed], [place])
        if _fits(atoms, guest):
            atoms += guest
            placed += 1

    field = 0.0
    if rng.random() < FIELD_SHARE:
        field = round(float(rng.choice([-1, 1]) * rng.uniform(0.02, 0.3)), 4)
    return Structure(atoms, label="slab_" + "_".join(added), field=field)


def response_structure(index: int) -> Structure:
    """Indices from 20000 on: five in a row are one structure in five fields."""
    which, at = divmod(index - RESPONSE_START, len(RESPONSE_FIELDS))
    built = structure(RESPONSE_START + which)
    built.field = RESPONSE_FIELDS[at]
    built.label = "response_" + built.label
    return built


def calculation(built: Structure, attempt: int) -> cp2k.Calculation:
    """PBE at 2x2x1 k-points, 1500 K; the second attempt (1) mixes with more care."""
    orbitals = cp2k.Smearing(1500, empty_orbitals=24, mixing=0.25 / (1 + 1.5 * attempt), max_scf=60)
    method = cp2k.Pbe(orbitals, eps_scf=8e-6, kpoints=(2, 2, 1))
    return cp2k.Calculation(method, charge=built.charge, field=built.field, density=True)


def _slab(rng: np.random.Generator) -> Atoms:
    """Four layers of 2x2 aluminium atoms, displaced at random."""
    slab = fcc100("Al", (2, 2, 4), a=4.05, periodic=True)
    cell = slab.cell.array.copy()
    cell[2] = [0, 0, HEIGHT]
    slab.set_cell(cell)
    slab.pbc = True
    slab.positions[:, 2] += LOWEST - slab.positions[:, 2].min()
    amplitude = rng.uniform(0.02, 0.10)
    slab.positions += rng.normal(0, amplitude, slab.positions.shape)
    return slab


def _water(oxygen: np.ndarray, rng: np.random.Generator) -> Atoms:
    """A water molecule, slightly deformed, turned at random, with its oxygen at a given place."""
    water = molecule("H2O")
    water.positions += rng.normal(0, 0.03, (3, 3))
    angle = rng.uniform(0, 360)
    water.rotate(angle, rng.normal(size=3))
    water.translate(oxygen - water.positions[0])
    return water


def _fits(atoms: Atoms, guest: Atoms) -> bool:
    """Whether the guest is inside the cell and touches nothing."""
    heights = guest.positions[:, 2]
    if heights.min() <= MARGIN or heights.max() >= HEIGHT - MARGIN:
        return False
    edges = atoms.cell.lengths()  # the cell is rectangular
    ways = guest.positions[:, None] - atoms.positions[None]
    distances = np.linalg.norm(ways - edges * np.round(ways / edges), axis=2)
    limits = [[SMALLEST_DISTANCE.get(tuple(sorted((new, old))), 2.0) for old in atoms.symbols]
              for new in guest.symbols]
    return bool((distances >= np.array(limits)).all())
