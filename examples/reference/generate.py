#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes labelled structures with CP2K; can be interrupted and resumed. See README.md."""
from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

import cp2k
import metal_water
import silica_vacancy
from store import Locked, Store
from structure import Structure

TASKS = ("silica_vacancy_xtb", "silica_vacancy_pbe", "metal_water_pbe")
EVALUATION_START = 20000  # indices below are for training
TIMEOUT = 1800  # s, of one attempt
MAX_NET_FORCE = 0.6  # eV/A, any component of the sum over the atoms
MAX_CHARGE_ERROR = 0.02  # e, of the sum of the Mulliken charges


@dataclass
class Task:
    """What is done for each index."""

    structure: Callable[[int], Structure]
    calculation: Callable[[Structure, int], cp2k.Calculation]  # attempt 0, 1, ...
    attempts: int
    prepare: Callable[[ThreadPoolExecutor, Callable[[], bool]], None]


def metal_water_task(response: bool) -> Task:
    structure = metal_water.response_structure if response else metal_water.structure
    return Task(structure, metal_water.calculation, attempts=2,
                prepare=lambda pool, cancelled: None)


def silica_vacancy_task(level: str, states: bool, larger: bool, relax_bases: bool, folder: Path,
                        work: Path) -> Task:
    bases = silica_vacancy.Bases(folder / "bases", work, relax_bases)
    structure = silica_vacancy.state_structure if states else silica_vacancy.structure

    def prepare(pool: ThreadPoolExecutor, cancelled: Callable[[], bool]) -> None:
        list(pool.map(partial(bases.prepare, cancelled=cancelled), silica_vacancy.BASES))

    def calculation(built: Structure, attempt: int) -> cp2k.Calculation:
        return silica_vacancy.calculation(level, built.charge, grid_cell=built.grid_cell)

    # A second attempt would be the same as the first.
    return Task(partial(structure, bases, larger=larger), calculation, attempts=1, prepare=prepare)


# ---------------------------------------------------------------- one index


def label(task: Task, index: int, work: Path,
          cancelled: Callable[[], bool]) -> tuple[dict, Atoms | None]:
    """Computes one index; returns its record, and its frame if it is accepted."""
    started = time.monotonic()
    built = task.structure(index)
    folder = work / str(index)
    for attempt in range(task.attempts):
        calculation = task.calculation(built, attempt)
        out = cp2k.run(cp2k.input_text(built.atoms, calculation), folder, TIMEOUT,
                       cancelled=cancelled)
        try:
            result = cp2k.parse(out, len(built.atoms))
            reason = rejection(result, built)
            if reason is None and calculation.density:
                result.dipole_z = cp2k.density_dipole_z(folder, built.atoms)
        except ValueError as error:  # stars where a number does not fit its column
            result = cp2k.Result(converged=False, scf_failed=False)
            reason = f"unreadable output: {error}"
        if result.converged:
            break
    record = {"index": index, "accepted": reason is None}
    if reason is not None:
        record["reason"] = reason
    record.update(config_type=built.label, atoms=len(built.atoms), total_charge=built.charge,
                  field=built.field, energy=result.energy, scf_steps=result.scf_steps,
                  attempts=attempt + 1, seconds=round(time.monotonic() - started, 1))
    clean(folder, keep_output=reason is not None)
    return record, frame(built, result, calculation, index) if reason is None else None


def rejection(result: cp2k.Result, built: Structure) -> str | None:
    """Why a result is not used; None if it is."""
    if not result.converged:
        return "not converged" if result.scf_failed else "unfinished (time limit or crash)"
    if result.forces is None or result.mulliken is None:
        return "incomplete output"
    if not (np.isfinite(result.forces).all() and np.isfinite(result.energy)):
        return "energy or forces are not finite"
    net = np.abs(result.forces.sum(axis=0)).max()
    if net > MAX_NET_FORCE:
        return f"net force {net:.3f} eV/A"
    error = result.mulliken.sum() - built.charge
    if abs(error) > MAX_CHARGE_ERROR:
        return f"Mulliken charges differ from the total charge by {error:.3f} e"
    return None


def frame(built: Structure, result: cp2k.Result, calculation: cp2k.Calculation,
          index: int) -> Atoms:
    """The structure with its labels, as it is written."""
    atoms = Atoms(built.atoms.symbols, built.atoms.positions, cell=built.atoms.cell, pbc=True)
    atoms.info.update(REF_energy=result.energy, total_charge=built.charge,
                      external_field=np.array([0, 0, built.field]), config_type=built.label,
                      level=calculation.method.name, index=index)
    if built.temperature is not None:
        atoms.info["temperature"] = built.temperature
    # A doublet has a Fermi level for each spin, of which CP2K prints one.
    keys = ("homo",) if calculation.doublet else ("fermi_level", "homo")
    for key in keys:
        if getattr(result, key) is not None:
            atoms.info[key] = getattr(result, key)
    if result.dipole_z is not None:
        atoms.info["REF_dipole"] = np.array([0, 0, result.dipole_z])
    for key in ("forces", "mulliken", "hirshfeld", "mulliken_spin", "hirshfeld_spin"):
        if getattr(result, key) is not None:
            atoms.arrays[f"REF_{key}"] = getattr(result, key)
    return atoms


def clean(folder: Path, keep_output: bool) -> None:
    """Removes a work folder, or all of it but the input and the output."""
    if not keep_output:
        shutil.rmtree(folder)
        return
    for path in folder.iterdir():
        if path.name not in ("cp.inp", "cp.out", "cp.err"):
            path.unlink()


# ---------------------------------------------------------------- all indices


def run_all(task: Task, indices: list[int], store: Store, work: Path, workers: int,
            deadline: float, stop: threading.Event) -> None:
    """Computes the indices, several at a time; only this thread writes."""
    pending = iter(indices)
    running: set[Future] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            task.prepare(pool, stop.is_set)
            while True:
                while len(running) < workers and not stop.is_set() and time.monotonic() < deadline:
                    index = next(pending, None)
                    if index is None:
                        break
                    running.add(pool.submit(label, task, index, work, stop.is_set))
                if not running:
                    return
                finished, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in finished:
                    if isinstance(future.exception(), cp2k.Cancelled):
                        continue
                    record, labelled = future.result()
                    store.add(record, labelled)
                    print(" ".join(f"{key}={value}" for key, value in record.items()), flush=True)
        except BaseException:
            stop.set()  # ends the runs that the pool would wait for
            raise


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--frames", type=int, required=True, metavar="N",
                        help="indices to be computed, in all")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--first", type=int, metavar="I",
                        help="the first index (default: 0; 20000 for --response and --states)")
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="MINUTES",
                        help="start no frame after this time")
    parser.add_argument("--workers", type=int, default=1, metavar="K",
                        help="runs of CP2K at the same time, one thread each")
    parser.add_argument("--response", action="store_true",
                        help="metal_water_pbe: each structure in five fields, for evaluation")
    parser.add_argument("--states", action="store_true",
                        help="silica_vacancy: each structure at three charges, for evaluation")
    parser.add_argument("--larger", action="store_true",
                        help="with --states: one vacancy in a cell of twice the length along c")
    parser.add_argument("--charge", type=int, choices=silica_vacancy.CHARGES,
                        help="silica_vacancy: only the indices whose structure has this charge; "
                        "--frames counts the others, too")
    parser.add_argument("--relax-bases", action="store_true",
                        help="silica_vacancy: relax the bases that FOLDER/bases does not have, "
                        "rather than copy the shipped ones")
    chosen = parser.parse_args()
    if chosen.response and chosen.task != "metal_water_pbe":
        parser.error("--response is for metal_water_pbe")
    if chosen.states and chosen.task == "metal_water_pbe":
        parser.error("--states is for silica_vacancy_xtb and silica_vacancy_pbe")
    if chosen.relax_bases and chosen.task == "metal_water_pbe":
        parser.error("--relax-bases is for silica_vacancy_xtb and silica_vacancy_pbe")
    if chosen.charge is not None and (chosen.task == "metal_water_pbe" or chosen.states):
        parser.error("--charge is for training frames of silica_vacancy_xtb and silica_vacancy_pbe")
    if chosen.larger and not chosen.states:
        parser.error("--larger is for --states")
    if chosen.frames < 1 or chosen.workers < 1:
        parser.error("--frames and --workers are at least 1")
    evaluation = chosen.response or chosen.states
    if chosen.first is None:
        chosen.first = EVALUATION_START if evaluation else 0
    if evaluation and chosen.first < EVALUATION_START:
        parser.error(f"--response and --states have indices from {EVALUATION_START} on")
    if not evaluation and not 0 <= chosen.first <= EVALUATION_START - chosen.frames:
        parser.error(f"training frames have indices from 0 to {EVALUATION_START - 1}")
    return chosen


def main() -> int:
    chosen = arguments()
    deadline = time.monotonic() + 60 * chosen.stop_after
    name = chosen.task
    name += "_response" if chosen.response else "_states" if chosen.states else ""
    name += "_larger" if chosen.larger else ""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    wanted = range(chosen.first, chosen.first + chosen.frames)
    try:
        cp2k.require_program()
        store = Store(chosen.out, name)
        work = chosen.out / "work" / name
        if chosen.task == "metal_water_pbe":
            task = metal_water_task(chosen.response)
        else:
            task = silica_vacancy_task(chosen.task[-3:], chosen.states, chosen.larger,
                                       chosen.relax_bases, chosen.out, work)
        if chosen.charge is not None:
            wanted = [index for index in wanted if silica_vacancy.charge_of(index) == chosen.charge]
        pending = [index for index in wanted if index not in store.done]
        if pending:
            run_all(task, pending, store, work, chosen.workers, deadline, stop)
    except (cp2k.CannotRun, Locked) as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 1
    except cp2k.Cancelled:
        pass  # during a relaxation
    left = sum(index not in store.done for index in wanted)
    if left:
        print(f"{left} of {len(wanted)} indices are left; the same command goes on with them")
    return 130 if stop.is_set() else 0


if __name__ == "__main__":
    sys.exit(main())
