# SPDX-License-Identifier: MIT
"""Alpha-quartz, 36 atoms, or 35 with one oxygen vacancy, in the charge states 0, +1 and +2."""
from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.io import read, write
from ase.spacegroup import crystal

import cp2k
from structure import Structure

BOLTZMANN = 8.617333e-5  # eV/K
EXPANSION = 1.012  # of the measured cell; near the PBE cell
CHARGES = (0, 1, 2)
PRISTINE = "pristine"
BASES = (PRISTINE, *CHARGES)  # the perfect crystal, and the vacancy relaxed at each charge
SHIPPED_BASES = Path(__file__).parent / "bases"
STATES_START = 20000

RELAXATION = cp2k.Relaxation(60, 8e-4, 5e-4, 1e-2, 5e-3)
RELAXATION_TIMEOUT = 3000  # s

# Most frames take 30 steps, some doublets 85. Those that do not converge have a small gap, and more
# care takes ten minutes to find that out.
ORBITALS = cp2k.OrbitalTransformation("ATOMIC", "FULL_ALL", energy_gap=0.05, max_scf=15,
                                      outer_max_scf=5)
# Against 500 Ry without what is left out here, the forces of a frame differ by 10 meV/A (root mean
# square), as they do at a relative cutoff of 40 Ry, which takes a third longer; at 240 Ry by 29.
GRID = cp2k.Grid(320, 30, eps_density=1e-6, eps_potential=1e-4)


def calculation(level: str, charge: int, relax: bool = False,
                grid_cell: np.ndarray | None = None) -> cp2k.Calculation:
    """The calculation of one structure."""
    method = cp2k.Xtb() if level == "xtb" else cp2k.Pbe(ORBITALS, eps_scf=5e-6, grid=GRID)
    return cp2k.Calculation(method, charge=charge, doublet=charge % 2 == 1, eigenvalues=not relax,
                            relaxation=RELAXATION if relax else None,
                            grid_cell=None if level == "xtb" else grid_cell)


# ---------------------------------------------------------------- bases


class Bases:
    """The structures that all frames start from, relaxed with xTB and kept in a folder.

    Frames of both levels start from the same: an index is one structure, whatever labels it. Those
    that the folder does not have are copies of the shipped ones, or, with `relax`, relaxed anew.
    """

    def __init__(self, folder: Path, work: Path, relax: bool = False) -> None:
        self._folder = folder
        self._work = work
        self._relax_anew = relax
        self._loaded: dict[str | int, Atoms] = {}

    def __getitem__(self, name: str | int) -> Atoms:
        """A copy of a base that `prepare` has made."""
        return self._loaded[name].copy()

    def prepare(self, name: str | int, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Reads a base, once it is made and kept; warns of one that is not relaxed."""
        path = self._folder / f"xtb_{name}.xyz"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}.part")
            if self._relax_anew:
                write(unfinished, self._relaxed(name, cancelled), format="extxyz")
            else:
                shutil.copyfile(SHIPPED_BASES / path.name, unfinished)
            os.replace(unfinished, path)
        base = read(path)
        if not base.info["relaxed"]:
            print(f"warning: the base {name} is not relaxed after "
                  f"{base.info['relaxation_steps']} steps ({path})", file=sys.stderr, flush=True)
        self._loaded[name] = base

    def _relaxed(self, name: str | int, cancelled: Callable[[], bool]) -> Atoms:
        start = _unrelaxed(name)
        charge = 0 if name == PRISTINE else int(name)
        print(f"relaxing the base {name}", flush=True)
        work = self._work / f"base_{name}"
        out = cp2k.run(cp2k.input_text(start, calculation("xtb", charge, relax=True)), work,
                       RELAXATION_TIMEOUT, cancelled=cancelled)
        steps = read(work / "cp-pos-1.xyz", ":")
        result = cp2k.parse(out, len(start))
        base = Atoms(start.symbols, steps[-1].positions, cell=start.cell, pbc=True)
        base.info.update(relaxed=result.relaxed and result.converged, relaxation_steps=len(steps))
        return base


def _unrelaxed(name: str | int) -> Atoms:
    """The crystal, or the crystal with an oxygen taken out and its atoms slightly displaced."""
    cell = [4.913 * EXPANSION, 4.913 * EXPANSION, 5.4052 * EXPANSION, 90, 90, 120]
    quartz = crystal(["Si", "O"], basis=[(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.2144)],
                     spacegroup=152, cellpar=cell)
    rectangular = make_supercell(quartz, [[1, 0, 0], [1, 2, 0], [0, 0, 1]])
    rectangular.wrap()
    atoms = rectangular.repeat((2, 1, 1))
    if name == PRISTINE:
        return atoms
    center = atoms.cell.array.sum(axis=0) / 2
    oxygens = np.flatnonzero(atoms.symbols == "O")
    del atoms[int(oxygens[np.argmin(np.linalg.norm(atoms.positions[oxygens] - center, axis=1))])]
    atoms.positions += np.random.default_rng(5).normal(0, 0.03, atoms.positions.shape)
    return atoms


# ---------------------------------------------------------------- frames


def structure(bases: Bases, index: int, larger: bool = False) -> Structure:
    """The structure of that index; the same index and bases give the same structure.

    `larger`: beside it along c, before atoms are displaced, stands a cell of the crystal.
    """
    rng, charge, name = _start(index)
    atoms = bases[name]
    label = PRISTINE
    if name != PRISTINE:
        label = f"vac_g{name}"
        if rng.random() < 0.3:
            other = int(rng.integers(3))
            share = rng.random()
            atoms.positions += share * _difference(bases[other], atoms)
            label += f"_mix{other}_{share:.2f}"
    if larger:
        atoms = _beside_crystal(atoms, bases[PRISTINE])
    temperature = float(rng.uniform(150, 1500))
    displace(atoms, temperature, rng)
    grid_cell = atoms.cell.array.copy()
    strain = np.eye(3) + np.diag(rng.normal(0, 0.008, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.pbc = True
    return Structure(atoms, label=label, charge=charge, temperature=temperature,
                     grid_cell=grid_cell)


def charge_of(index: int) -> int:
    """The total charge of the structure of that index."""
    return _start(index)[1]


def _start(index: int) -> tuple[np.random.Generator, int, str | int]:
    """The charge and the base of an index, and what the rest of its structure is drawn from."""
    # The order of the random draws decides which structure an index gives: do not change it.
    rng = np.random.default_rng(1000 + index)
    if rng.random() < 0.2:
        return rng, 0, PRISTINE
    geometry = int(rng.integers(3))
    charge = geometry if rng.random() < 0.7 else int(rng.integers(3))
    return rng, charge, geometry


def state_structure(bases: Bases, index: int, larger: bool = False) -> Structure:
    """Indices from 20000 on: three in a row are one structure at charge 0, +1 and +2."""
    which, charge = divmod(index - STATES_START, len(CHARGES))
    built = structure(bases, STATES_START + which, larger)
    built.charge = CHARGES[charge]
    built.label = ("large_" if larger else "state_") + built.label
    return built


def _beside_crystal(atoms: Atoms, crystal_cell: Atoms) -> Atoms:
    """Both cells, which have the same vectors, one above the other along c."""
    above = crystal_cell.copy()
    above.positions += atoms.cell[2]
    both = atoms + above
    both.set_cell(atoms.cell.array * [[1], [1], [2]])
    return both


def displace(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Displaces the atoms as the modes of a spring model are at a temperature.

    Each mode gets kT/2 of potential energy on average.
    """
    stiffness, modes = np.linalg.eigh(_springs(atoms))
    amplitudes = rng.normal(size=len(stiffness)) * np.sqrt(BOLTZMANN * temperature / stiffness)
    atoms.positions += (modes @ amplitudes).reshape(-1, 3)


def _springs(atoms: Atoms) -> np.ndarray:
    """The second derivatives (3 atoms, 3 atoms) in eV/A^2: springs to the places, and bonds."""
    hessian = np.eye(3 * len(atoms)) * 0.5
    bonds = atoms.get_all_distances(mic=True, vector=True)
    symbols = atoms.get_chemical_symbols()
    for i in range(len(atoms)):
        for j in range(i):
            length = np.linalg.norm(bonds[i, j])
            stiffness = _bond_stiffness({symbols[i], symbols[j]}, length)
            if stiffness:
                direction = bonds[i, j] / length
                block = stiffness * np.outer(direction, direction)
                at_i, at_j = slice(3 * i, 3 * i + 3), slice(3 * j, 3 * j + 3)
                hessian[at_i, at_i] += block
                hessian[at_j, at_j] += block
                hessian[at_i, at_j] -= block
                hessian[at_j, at_i] -= block
    return hessian


def _bond_stiffness(pair: set[str], length: float) -> float:
    """Of a bond, in eV/A^2; 0 where there is none."""
    if pair == {"Si", "O"}:
        return 25.0 if length < 2.1 else 0.0
    if pair == {"O"}:
        return 3.0 if length < 2.95 else 0.0
    if length < 2.8:  # two silicon atoms at the vacancy
        return 6.0
    return 1.5 if length < 3.4 else 0.0


def _difference(to: Atoms, start: Atoms) -> np.ndarray:
    """The way from one structure to another, each atom by the shortest."""
    cell = start.cell.array
    fractional = np.linalg.solve(cell.T, (to.positions - start.positions).T).T
    return (fractional - np.round(fractional)) @ cell
