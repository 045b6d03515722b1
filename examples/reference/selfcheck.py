#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of the generator that need numpy and ase, but not CP2K."""
from __future__ import annotations

import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    from ase import Atoms
    from ase.io import read, write
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import cp2k
import join
import metal_water
import silica_vacancy
from store import Locked, Store, complete_frames

# Excerpts of outputs of CP2K 2023.1, shortened; the two of Hirshfeld charges are a water molecule.
DOUBLET = """
 MO| ALPHA ENERGIES AND OCCUPATION NUMBERS AFTER SCF STEP 0
 MO|  Index          Energy [a.u.]            Energy [eV]             Occupation
 MO|      1            -0.91876105           -25.00075952             1.00000000
 MO|      2             0.15933345             4.33570617             1.00000000
 MO| BETA ENERGIES AND OCCUPATION NUMBERS AFTER SCF STEP 0
 MO|  Index          Energy [a.u.]            Energy [eV]             Occupation
 MO|      1            -0.91021681           -24.76825914             1.00000000
 MO|      2             0.02195258             0.59736021             1.00000000
 MO|      3             0.17500000             4.76199254             0.00000000
  *** SCF run converged in    11 steps ***

 MULLIKEN POPULATION ANALYSIS

 # Atom  Element  Kind  Atomic population (alpha,beta)   Net charge  Spin moment
      1   Si         1           1.483938     1.475587     1.040475     0.008351
      2   Si         1           1.485871     1.470226     1.043903     0.015645
      3   O          2           3.243512     3.241292    -0.484804     0.002220
 # Total charge and spin         6.213321     6.187105     1.599574     0.026216

 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:             -134.542946973164760

 ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X                Y                Z
      1      1      Si         -0.0109449831     0.0226535426     0.0129893010
      2      1      Si          0.0029465310    -0.0395617425     0.0170557301
      3      2      O          -0.0082500537    -0.0238932639     0.0277028643
 SUM OF ATOMIC FORCES          -0.0162485058    -0.0408014638     0.0577478954     0.0725507000

  **** **** ******  **  PROGRAM ENDED AT                 2023-06-01 12:00:00.000
"""

CLOSED_SHELL = """
  *** SCF run converged in    19 steps ***

  Fermi energy:                                                 0.06147840115098

 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:              -17.190053863215464

                    Hirshfeld Charges

  #Atom  Element  Kind  Ref Charge     Population                    Net charge
      1       O      1       6.000          6.311                        -0.311
      2       H      2       1.000          0.844                         0.156
      3       H      2       1.000          0.844                         0.156

  Total Charge                                                           -0.000
  **** **** ******  **  PROGRAM ENDED AT                 2023-06-01 12:00:00.000
"""

HIRSHFELD_WITH_SPIN = """
                    Hirshfeld Charges

  #Atom  Element  Kind  Ref Charge     Population       Spin moment  Net charge
      1       O      1       6.000    3.299   2.364            0.935      0.337
      2       H      2       1.000    0.351   0.318            0.033      0.331
      3       H      2       1.000    0.351   0.318            0.033      0.331

  Total Charge                                                            1.000
"""


def check_metal_water() -> None:
    for index in (0, 1, 17, 700):
        first, again = metal_water.structure(index), metal_water.structure(index)
        assert np.array_equal(first.atoms.positions, again.atoms.positions)
        assert (first.label, first.field) == (again.label, again.field)
        no_contact(first.atoms)
    # Drawn once and kept: a change of the order of the draws shows here.
    assert metal_water.structure(0).label == "slab_w_K"
    assert metal_water.structure(1).field == 0.1829
    five = [metal_water.response_structure(20000 + k) for k in range(5)]
    assert [built.field for built in five] == list(metal_water.RESPONSE_FIELDS)
    assert all(np.array_equal(built.atoms.positions, five[0].atoms.positions) for built in five)


def check_silica_vacancy(folder: Path) -> None:
    bases = silica_vacancy.Bases(folder / "bases", folder)
    for name in silica_vacancy.BASES:
        bases.prepare(name)
        assert len(bases[name]) == (36 if name == silica_vacancy.PRISTINE else 35)
        assert len(silica_vacancy._unrelaxed(name)) == len(bases[name])
    # The shipped data are what their indices give, but for a shift of the whole cell.
    data = Path(__file__).parents[1] / "data" / "silica_vacancy_pbe.xyz"
    vacancies = [atoms for atoms in read(data, ":12") if len(atoms) == 35]
    assert vacancies
    for atoms in vacancies:
        built = silica_vacancy.structure(bases, atoms.info["index"]).atoms
        change = built.get_all_distances(mic=True) - atoms.get_all_distances(mic=True)
        assert np.abs(change).max() < 1e-3
    for index in range(12):
        first = silica_vacancy.structure(bases, index)
        again = silica_vacancy.structure(bases, index)
        assert np.array_equal(first.atoms.positions, again.atoms.positions)
        assert first.charge == silica_vacancy.charge_of(index) in silica_vacancy.CHARGES
        assert 150 <= first.temperature <= 1500
        no_contact(first.atoms)
    # Cells differ, their grids do not.
    cells, grids = set(), set()
    for index in range(4):
        built = silica_vacancy.structure(bases, index)
        calculation = silica_vacancy.calculation("pbe", 0, grid_cell=built.grid_cell)
        cell, grid = cp2k.input_text(built.atoms, calculation).split("&CELL_REF")
        cells.add(cell[cell.index("&CELL"):])
        grids.add(grid[:grid.index("&COORD")])
    assert len(cells) == 4 and len(grids) == 1
    three = [silica_vacancy.state_structure(bases, 20000 + k) for k in range(3)]
    assert [built.charge for built in three] == [0, 1, 2]
    assert np.array_equal(three[0].atoms.positions, three[2].atoms.positions)
    for index in (20000, 20003, 20006):
        built = silica_vacancy.state_structure(bases, index)
        larger = silica_vacancy.state_structure(bases, index, larger=True)
        assert len(larger.atoms) == len(built.atoms) + 36
        assert 1.9 < larger.atoms.get_volume() / built.atoms.get_volume() < 2.1
        no_contact(larger.atoms)


def no_contact(atoms: Atoms) -> None:
    """No two atoms are closer than four fifths of an O-H bond."""
    distances = atoms.get_all_distances(mic=True)
    assert distances[~np.eye(len(atoms), dtype=bool)].min() > 0.78


def check_input() -> None:
    built = metal_water.structure(1)
    text = cp2k.input_text(built.atoms, metal_water.calculation(built, 0))
    assert "VALUES [hartree*bohr^-1] -0.0035568" in text  # a positive field, 0.1829 V/A
    assert "MONKHORST-PACK 2 2 1" in text and "UKS" not in text
    doublet = cp2k.input_text(built.atoms, silica_vacancy.calculation("pbe", 1))
    assert "MULTIPLICITY 2" in doublet and "UKS T" in doublet and "&OT" in doublet
    assert "&SMEAR" in text and "&SMEAR" not in doublet
    relaxation = cp2k.input_text(built.atoms, silica_vacancy.calculation("xtb", 0, relax=True))
    assert "RUN_TYPE GEO_OPT" in relaxation and "&MOTION" in relaxation


def check_parse() -> None:
    result = cp2k.parse(DOUBLET, 3)
    assert result.converged and not result.relaxed and result.scf_steps == 11
    assert abs(result.energy + 134.54294697316476 * cp2k.HARTREE) < 1e-9
    assert result.forces.shape == (3, 3)
    assert abs(result.forces[2, 2] - 0.0277028643 * cp2k.HARTREE / cp2k.BOHR) < 1e-9
    assert result.mulliken.tolist() == [1.040475, 1.043903, -0.484804]
    assert result.mulliken_spin.tolist() == [0.008351, 0.015645, 0.002220]
    assert result.homo == 4.33570617
    assert result.hirshfeld is None and result.fermi_level is None

    closed = cp2k.parse(CLOSED_SHELL, 3)
    assert closed.converged and closed.mulliken is None
    assert abs(closed.fermi_level - 0.06147840115098 * cp2k.HARTREE) < 1e-9
    assert closed.hirshfeld.tolist() == [-0.311, 0.156, 0.156] and closed.hirshfeld_spin is None
    spin = cp2k.parse(HIRSHFELD_WITH_SPIN, 3)
    assert spin.hirshfeld.tolist() == [0.337, 0.331, 0.331]
    assert spin.hirshfeld_spin.tolist() == [0.935, 0.033, 0.033]

    assert cp2k.parse(DOUBLET, 4).forces is None  # a table that is not complete is not used
    cut = cp2k.parse(DOUBLET.replace("PROGRAM ENDED", ""), 3)
    assert not cut.converged and not cut.scf_failed
    failed = cp2k.parse(DOUBLET + " *** SCF run NOT converged ***", 3)
    assert not failed.converged and failed.scf_failed


def check_density(folder: Path) -> None:
    """Two electrons half a grid step below and above a plane, and a nucleus of charge 1 each."""
    atoms = Atoms("H2", [[0, 0, 2 * cp2k.BOHR], [0, 0, 4 * cp2k.BOHR]])
    layers = [0, 0, 1, 0, 0, 1, 0, 0]  # electrons at z = 2 and 5 Bohr
    rows = ["", "", "2 0 0 0", "1 1 0 0", "1 0 1 0", "8 0 0 1", "1 0 0 0 2", "1 0 0 0 4"]
    text = "\n".join(rows + [" ".join(str(count) for count in layers)]) + "\n"
    (folder / "cp-ELECTRON_DENSITY-1_0.cube").write_text(text)
    dipole = cp2k.density_dipole_z(folder, atoms)
    assert abs(dipole + cp2k.BOHR) < 1e-9  # one electron is a Bohr above its nucleus


def check_store(folder: Path) -> None:
    def frame(index: int) -> Atoms:
        return Atoms("OH", [[0, 0, 0], [0, 0, 1.0]], cell=[5, 5, 5], pbc=True,
                     info={"index": index})

    store = Store(folder, "task")
    try:
        Store(folder, "task")
        raise AssertionError("a second run was let in")
    except Locked:
        pass
    for index in (0, 1):
        store.add({"index": index, "accepted": True}, frame(index))
    store.add({"index": 2, "accepted": False, "reason": "not converged"}, None)
    store.add({"index": 3, "accepted": True}, frame(3))
    store.close()

    # Killed while it wrote: the last frame and the last record are cut, another record is missing.
    frames, records = folder / "task.xyz", folder / "task.jsonl"
    frames.write_bytes(frames.read_bytes()[:-40])
    lines = records.read_text().splitlines(keepends=True)
    records.write_text(lines[0] + lines[2] + lines[3][:10])
    store = Store(folder, "task")
    assert store.done == {0, 1, 2}
    store.add({"index": 3, "accepted": True}, frame(3))
    store.close()
    assert [atoms.info["index"] for atoms in read(frames, ":")] == [0, 1, 3]
    assert len(records.read_text().splitlines()) == 4


def check_join(folder: Path) -> None:
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 1.00000049]], cell=[5, 5, 5], pbc=True)
    atoms.arrays["REF_forces"] = np.array([[0.1234567, 0, 0], [0, -2e-6, 1]])
    for index in (3, 1):
        atoms.info["index"] = index
        write(folder / f"{index}.xyz", atoms, format="extxyz")
    (folder / "all.xyz").write_text("".join(
        join.rounded(frame.decode())
        for k in (1, 3) for _, frame in complete_frames(folder / f"{k}.xyz")))
    back = read(folder / "all.xyz", ":")
    assert [frame.info["index"] for frame in back] == [1, 3]
    assert back[0].positions[1, 2] == 1.0 and back[0].arrays["REF_forces"][0, 0] == 0.12346


def main() -> None:
    check_metal_water()
    check_input()
    check_parse()
    for check in (check_silica_vacancy, check_density, check_store, check_join):
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
    print("all checks passed")


main()
