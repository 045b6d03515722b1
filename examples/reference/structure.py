# SPDX-License-Identifier: MIT
"""What a task hands to the calculation: atoms, and the conditions they are computed under."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms


@dataclass
class Structure:
    """One structure to be labelled."""

    atoms: Atoms
    label: str  # what was built, written to the frame as `config_type`
    charge: int = 0  # e, of the cell
    field: float = 0.0  # V/A along z; a positive field raises the dipole along z
    temperature: float | None = None  # K, of the thermal displacement
    grid_cell: np.ndarray | None = None  # (3, 3) A, see cp2k.Calculation
