# SPDX-License-Identifier: MIT
"""One CP2K calculation: the input text, the run, and the numbers read from its output.

Energies in eV, lengths in angstrom, forces in eV/A, charges in e, fields in V/A.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

PROGRAM = "cp2k.psmp"
HARTREE = 27.211386245988  # eV, CODATA 2018
BOHR = 0.529177210903  # A, CODATA 2018
VALENCE = {"H": 1, "O": 6, "Al": 3, "Si": 4, "Cl": 7, "K": 9}  # electrons of the pseudopotentials


class Cancelled(Exception):
    """The run was stopped from outside."""


class CannotRun(Exception):
    """CP2K is missing, or ends before it computes anything: no fault of the structure."""


@dataclass(frozen=True)
class Relaxation:
    """Limits of a geometry relaxation, in atomic units."""

    steps: int
    max_force: float
    rms_force: float
    max_step: float
    rms_step: float


@dataclass(frozen=True)
class OrbitalTransformation:
    """The ground state of what has a gap, minimised directly: no smearing, and no mixing."""

    guess: str
    preconditioner: str
    energy_gap: float  # hartree, that the preconditioner takes for granted
    max_scf: int  # steps before the preconditioner is made anew
    outer_max_scf: int  # how often it is


@dataclass(frozen=True)
class Smearing:
    """Diagonalisation with Fermi smearing, for metals; closed shells."""

    temperature: float  # K
    empty_orbitals: int
    mixing: float  # share of the new density in each step
    max_scf: int


@dataclass(frozen=True)
class Xtb:
    """GFN1-xTB with Ewald sums."""

    name = "CP2K-GFN1-xTB"
    eps_scf: float = 1e-6
    orbitals: OrbitalTransformation = OrbitalTransformation(
        "MOPAC", "FULL_SINGLE_INVERSE", energy_gap=0.1, max_scf=40, outer_max_scf=4)


@dataclass(frozen=True)
class Grid:
    """Of the density. What is left out of the tails of products of orbitals, and of integrals over
    them, saves half of the time; None: what CP2K takes."""

    cutoff: int  # Ry
    relative_cutoff: int  # Ry
    eps_density: float | None = None
    eps_potential: float | None = None


@dataclass(frozen=True)
class Pbe:
    """PBE with GTH pseudopotentials and DZVP-MOLOPT-SR-GTH."""

    name = "CP2K-PBE-DZVP-MOLOPT-SR-GTH"
    orbitals: OrbitalTransformation | Smearing
    eps_scf: float
    grid: Grid = Grid(320, 40)
    kpoints: tuple[int, int, int] | None = None  # None: the Gamma point alone


@dataclass(frozen=True)
class Calculation:
    """What is computed, apart from the atoms."""

    method: Xtb | Pbe
    charge: int = 0
    doublet: bool = False  # one unpaired electron, spin-polarised; otherwise closed shell
    field: float = 0.0  # V/A along z, with its jump at z = 0
    eigenvalues: bool = False
    density: bool = False  # write the electron density for `density_dipole_z`
    relaxation: Relaxation | None = None  # None: energy and forces of the structure as it is
    # (3, 3) A, the cell that decides how many points the grids have; None: that of the atoms. Where
    # cells differ they need a common one: the energy jumps with the number of points.
    grid_cell: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.doublet and isinstance(self.method.orbitals, Smearing):
            raise ValueError("Smearing is for closed shells")


@dataclass
class Result:
    """What the output says. A number that it does not hold is None."""

    converged: bool  # to its end, and every self-consistency
    scf_failed: bool  # said so; without it and without `converged`: time limit or crash
    energy: float | None = None
    forces: np.ndarray | None = None  # (atoms, 3)
    mulliken: np.ndarray | None = None  # (atoms,)
    mulliken_spin: np.ndarray | None = None
    hirshfeld: np.ndarray | None = None
    hirshfeld_spin: np.ndarray | None = None
    fermi_level: float | None = None
    homo: float | None = None
    dipole_z: float | None = None  # e A, from the density
    scf_steps: int | None = None
    relaxed: bool = False  # a relaxation reached its limits of force and step


# ---------------------------------------------------------------- input


def input_text(atoms: Atoms, calculation: Calculation) -> str:
    """The input file of CP2K."""
    parts = [_global(calculation), "&FORCE_EVAL\n METHOD QS\n"
             " &PRINT\n  &FORCES\n   NDIGITS 10\n  &END\n &END",
             _dft(atoms, calculation), _subsystem(atoms, calculation), "&END FORCE_EVAL"]
    if calculation.relaxation:
        parts.append(_motion(calculation.relaxation))
    return "\n".join(parts) + "\n"


def _global(calculation: Calculation) -> str:
    run_type = "GEO_OPT" if calculation.relaxation else "ENERGY_FORCE"
    return (f"&GLOBAL\n PROJECT cp\n RUN_TYPE {run_type}\n PRINT_LEVEL MEDIUM\n"
            " PREFERRED_DIAG_LIBRARY SL\n EXTENDED_FFT_LENGTHS T\n&END")


def _dft(atoms: Atoms, calculation: Calculation) -> str:
    method = calculation.method
    start = "USE_PREV_WF" if calculation.relaxation else "USE_GUESS"
    parts = [" &DFT\n  BASIS_SET_FILE_NAME BASIS_MOLOPT\n  POTENTIAL_FILE_NAME GTH_POTENTIALS",
             f"  CHARGE {calculation.charge}\n  MULTIPLICITY {2 if calculation.doublet else 1}"]
    if calculation.doublet:
        parts.append("  UKS T")
    if calculation.field:
        parts.append(_field(calculation.field, atoms.cell[2, 2] / 2))
    if isinstance(method, Xtb):
        parts.append(f"  &QS\n   METHOD XTB\n   EXTRAPOLATION {start}\n"
                     "   &XTB\n    CHECK_ATOMIC_CHARGES F\n    DO_EWALD T\n   &END\n  &END")
    else:
        parts.append(_grid(method.grid, start))
    parts.append("  &POISSON\n   PERIODIC XYZ\n   POISSON_SOLVER PERIODIC\n  &END")
    parts.append(_self_consistency(method))
    parts.append(_printed(calculation) + "\n &END DFT")
    return "\n".join(parts)


def _field(field: float, middle: float) -> str:
    """A potential linear in z; its sign is that of a field that pulls electrons towards -z."""
    slope = -field / (HARTREE / BOHR)
    return ("  &EXTERNAL_POTENTIAL\n   FUNCTION (A)*(Z-C)\n   PARAMETERS A C\n"
            f"   VALUES [hartree*bohr^-1] {slope:.10f} [bohr] {middle / BOHR:.8f}\n  &END")


def _grid(grid: Grid, start: str) -> str:
    tails = "".join(f"   {key} {value}\n" for key, value in (("EPS_RHO_RSPACE", grid.eps_density),
                                                            ("EPS_GVG_RSPACE", grid.eps_potential))
                    if value is not None)
    return (f"  &MGRID\n   CUTOFF {grid.cutoff}\n   REL_CUTOFF {grid.relative_cutoff}\n"
            "   NGRIDS 4\n  &END\n"
            f"  &QS\n   METHOD GPW\n   EPS_DEFAULT 1.0E-9\n{tails}   EXTRAPOLATION {start}\n"
            "  &END\n  &XC\n   &XC_FUNCTIONAL PBE\n   &END\n"
            "   &XC_GRID\n    XC_SMOOTH_RHO NN10\n    XC_DERIV NN10_SMOOTH\n   &END\n"
            "  &END")


def _self_consistency(method: Xtb | Pbe) -> str:
    kpoints = ""
    if isinstance(method, Pbe) and method.kpoints:
        grid = " ".join(str(count) for count in method.kpoints)
        kpoints = (f"  &KPOINTS\n   SCHEME MONKHORST-PACK {grid}\n   SYMMETRY F\n   FULL_GRID F\n"
                   "   PARALLEL_GROUP_SIZE -1\n  &END\n")
    orbitals = (_smearing(method.orbitals) if isinstance(method.orbitals, Smearing)
                else _orbital_transformation(method.orbitals, method.eps_scf))
    return (kpoints + f"  &SCF\n   EPS_SCF {method.eps_scf}\n" + orbitals +
            "   &PRINT\n    &RESTART OFF\n    &END\n   &END\n  &END")


def _orbital_transformation(orbitals: OrbitalTransformation, eps_scf: float) -> str:
    return (f"   SCF_GUESS {orbitals.guess}\n   MAX_SCF {orbitals.max_scf}\n"
            "   &OT\n    MINIMIZER DIIS\n"
            f"    PRECONDITIONER {orbitals.preconditioner}\n"
            f"    ENERGY_GAP {orbitals.energy_gap}\n   &END\n"
            f"   &OUTER_SCF\n    MAX_SCF {orbitals.outer_max_scf}\n    EPS_SCF {eps_scf}\n   &END\n")


def _smearing(orbitals: Smearing) -> str:
    return (f"   SCF_GUESS ATOMIC\n   MAX_SCF {orbitals.max_scf}\n"
            f"   ADDED_MOS {orbitals.empty_orbitals}\n"
            "   &DIAGONALIZATION\n    ALGORITHM STANDARD\n   &END\n"
            "   &SMEAR ON\n    METHOD FERMI_DIRAC\n"
            f"    ELECTRONIC_TEMPERATURE [K] {orbitals.temperature}\n   &END\n"
            f"   &MIXING\n    METHOD BROYDEN_MIXING\n    ALPHA {orbitals.mixing}\n    BETA 1.5\n"
            "    NBROYDEN 8\n   &END\n")


def _printed(calculation: Calculation) -> str:
    method = calculation.method
    text = "  &PRINT\n   &MULLIKEN ON\n   &END\n"
    if isinstance(method, Pbe):
        text += "   &HIRSHFELD ON\n    SHAPE_FUNCTION DENSITY\n   &END\n"
    else:
        text += "   &HIRSHFELD OFF\n   &END\n"
    if calculation.density:
        text += "   &E_DENSITY_CUBE ON\n    STRIDE 1 1 1\n   &END\n"
    if calculation.eigenvalues:
        text += "   &MO\n    EIGENVALUES T\n    OCCUPATION_NUMBERS T\n    NDIGITS 8\n   &END\n"
    return text + "  &END"


def _subsystem(atoms: Atoms, calculation: Calculation) -> str:
    lines = [" &SUBSYS\n  &CELL", *_vectors(atoms.cell.array)]
    if calculation.grid_cell is not None:
        lines += ["   &CELL_REF", *_vectors(calculation.grid_cell), "   PERIODIC XYZ\n   &END"]
    lines.append("   PERIODIC XYZ\n  &END\n  &COORD")
    lines += ["   {} {:.10f} {:.10f} {:.10f}".format(atom.symbol, *atom.position)
              for atom in atoms]
    lines.append("  &END")
    for symbol in sorted(set(atoms.symbols)):
        lines.append(f"  &KIND {symbol}")
        if isinstance(calculation.method, Pbe):
            lines.append("   BASIS_SET DZVP-MOLOPT-SR-GTH\n"
                         f"   POTENTIAL GTH-PBE-q{VALENCE[symbol]}")
        lines.append("  &END")
    return "\n".join(lines) + "\n &END"


def _vectors(cell: np.ndarray) -> list[str]:
    return ["   {} {:.10f} {:.10f} {:.10f}".format(name, *vector)
            for name, vector in zip("ABC", cell)]


def _motion(limits: Relaxation) -> str:
    return (f"&MOTION\n &GEO_OPT\n  OPTIMIZER BFGS\n  MAX_ITER {limits.steps}\n"
            f"  MAX_FORCE {limits.max_force}\n  RMS_FORCE {limits.rms_force}\n"
            f"  MAX_DR {limits.max_step}\n  RMS_DR {limits.rms_step}\n &END\n&END")


# ---------------------------------------------------------------- run


def require_program() -> None:
    """Raises CannotRun where CP2K is not installed."""
    if shutil.which(PROGRAM) is None:
        raise CannotRun(f"{PROGRAM} is missing: apt-get install cp2k cp2k-data")


def run(text: str, folder: Path, timeout: float, nice: int = 15,
        cancelled: Callable[[], bool] = lambda: False) -> str:
    """Runs CP2K on one thread in an emptied folder; returns its output.

    The output ends early if the time limit (in seconds) was reached. Raises Cancelled as soon as
    `cancelled()` is true, and CannotRun if no step was computed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "cp.inp").write_text(text)
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                       OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                       OMPI_MCA_btl="self", OMPI_MCA_hwloc_base_binding_policy="none")
    environment.setdefault("CP2K_DATA_DIR", "/usr/share/cp2k")
    end = time.monotonic() + timeout
    with open(folder / "cp.out", "w") as output, open(folder / "cp.err", "w") as errors:
        # Apart from the terminal: Ctrl-C reaches this program alone, which then ends CP2K.
        process = subprocess.Popen(["nice", "-n", str(nice), PROGRAM, "-i", "cp.inp"], cwd=folder,
                                   stdout=output, stderr=errors, env=environment,
                                   start_new_session=True)
        try:
            while time.monotonic() < end and not cancelled():
                try:
                    process.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    pass
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if cancelled():
        shutil.rmtree(folder)
        raise Cancelled
    out = (folder / "cp.out").read_text(errors="replace")
    if "SCF WAVEFUNCTION OPTIMIZATION" not in out:
        raise CannotRun(f"CP2K computed nothing; see {folder}/cp.out and cp.err")
    return out


# ---------------------------------------------------------------- output


def parse(text: str, atom_count: int) -> Result:
    """The numbers in the output of a run; of repeated tables, the last."""
    energies = re.findall(r"ENERGY\| Total FORCE_EVAL.*?:\s+(\S+)", text)
    fermi = re.findall(r"Fermi energy:\s+(\S+)", text)
    steps = re.findall(r"SCF run converged in\s+(\d+) steps", text)
    scf_failed = "SCF run NOT converged" in text or "outer SCF loop FAILED" in text
    result = Result(
        converged=bool(energies) and "PROGRAM ENDED AT" in text and not scf_failed,
        scf_failed=scf_failed,
        energy=float(energies[-1]) * HARTREE if energies else None,
        fermi_level=float(fermi[-1]) * HARTREE if fermi else None,
        scf_steps=int(steps[-1]) if steps else None,
        relaxed="GEOMETRY OPTIMIZATION COMPLETED" in text)

    forces = _table(text, r"ATOMIC FORCES in \[a\.u\.\]", "SUM OF ATOMIC FORCES", atom_count)
    if forces:
        result.forces = np.array([row[3:6] for row in forces], float) * (HARTREE / BOHR)
    # Columns: atom, element, kind, population, charge; with spin two populations, charge, moment.
    mulliken = _table(text, "Mulliken Population Analysis", "# Total charge", atom_count)
    if mulliken:
        spin = len(mulliken[0]) == 7
        result.mulliken = np.array([row[5 if spin else 4] for row in mulliken], float)
        if spin:
            result.mulliken_spin = np.array([row[6] for row in mulliken], float)
    # Columns: atom, element, kind, reference charge, population, charge; with spin two populations,
    # moment, charge.
    hirshfeld = _table(text, "Hirshfeld Charges", "Total Charge", atom_count)
    if hirshfeld:
        result.hirshfeld = np.array([row[-1] for row in hirshfeld], float)
        if len(hirshfeld[0]) == 8:
            result.hirshfeld_spin = np.array([row[-2] for row in hirshfeld], float)
    result.homo = _homo(text, channels=1 if result.mulliken_spin is None else 2)
    return result


def _table(text: str, title: str, end: str, atom_count: int) -> list[list[str]]:
    """The rows of the last table of that title, one per atom, in the order of the atoms.

    Empty if there is none, or if it is not complete.
    """
    tables = re.findall(f"{title}(.*?){end}", text, re.DOTALL | re.IGNORECASE)
    if not tables:
        return []
    rows = [line.split() for line in tables[-1].splitlines()]
    rows = sorted((row for row in rows if len(row) >= 5 and row[0].isdigit()),
                  key=lambda row: int(row[0]))
    return rows if len(rows) == atom_count else []


def _homo(text: str, channels: int) -> float | None:
    """The highest occupied level over the spin channels."""
    lines = re.findall(r"MO\|\s+(\d+)\s+(-?\d+\.\d+)\s+(-?\d+\.\d+)\s+(\d+\.\d+)\s*\n", text)
    blocks: list[list[tuple[float, float]]] = []
    for number, _, level, occupation in lines:
        if int(number) == 1:
            blocks.append([])
        if blocks:
            blocks[-1].append((float(level), float(occupation)))
    return max((level for block in blocks[-channels:] for level, occupation in block
                if occupation > 1.0 / channels), default=None)


def density_dipole_z(folder: Path, atoms: Atoms) -> float | None:
    """The dipole along z in e A, from the electron density that CP2K left in the folder.

    For cells whose third vector is along z, and with no density at the faces z = 0 and z = c: there
    the dipole has a meaning in a periodic cell. The density is scaled to the number of electrons.
    """
    cubes = sorted(folder.glob("*ELECTRON_DENSITY*.cube"))
    if not cubes:
        return None
    with open(cubes[0]) as cube:
        header = [cube.readline().split() for _ in range(6)]
        for _ in range(int(header[2][0])):
            cube.readline()
        shape = [int(line[0]) for line in header[3:]]
        density = np.array(cube.read().split(), float).reshape(shape)
    spacing_z = float(header[5][3]) * BOHR
    valence = np.array([VALENCE[symbol] for symbol in atoms.symbols])
    layers = density.sum(axis=(0, 1))
    layers *= valence.sum() / layers.sum()
    return float(valence @ atoms.positions[:, 2] - layers @ np.arange(shape[2]) * spacing_z)
