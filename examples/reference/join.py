#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Joins files of frames of one task, in the order of their indices, with fewer digits.

    join.py OUT.xyz IN.xyz [IN.xyz ...]

Positions have 1e-6 A, Hirshfeld charges what CP2K prints, all else of an atom 1e-5 eV/A or e. A
structure takes a little more than half of the space that it takes in the files of generate.py.
"""
from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

DIGITS = {"pos": 6, "REF_hirshfeld": 3, "REF_hirshfeld_spin": 3}
OTHER_DIGITS = 5


def frames(path: Path) -> Iterator[list[str]]:
    """The lines of each frame: the number of atoms, the comment, the atoms."""
    lines = path.read_text().splitlines()
    while lines:
        count = int(lines[0]) + 2
        if len(lines) < count:
            raise ValueError(f"{path}: the last frame is not complete")
        yield lines[:count]
        lines = lines[count:]


def rounded(frame: list[str]) -> list[str]:
    """The frame with the digits of DIGITS."""
    columns = re.search(r"Properties=(\S+)", frame[1])[1].split(":")
    digits = [DIGITS.get(name, OTHER_DIGITS)
              for name, kind, count in zip(columns[::3], columns[1::3], columns[2::3])
              if kind == "R" for _ in range(int(count))]
    rows = []
    for line in frame[2:]:
        symbol, *numbers = line.split()
        rows.append(" ".join([symbol] + [f"{float(number):.{places}f}"
                                         for number, places in zip(numbers, digits, strict=True)]))
    return frame[:2] + rows


def index(frame: list[str]) -> int:
    return int(re.search(r"\bindex=(\d+)", frame[1])[1])


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    joined: dict[int, list[str]] = {}
    for path in map(Path, sys.argv[2:]):
        for frame in frames(path):
            if index(frame) in joined:
                print(f"join.py: index {index(frame)} is in two files", file=sys.stderr)
                return 1
            joined[index(frame)] = rounded(frame)
    Path(sys.argv[1]).write_text("".join("\n".join(joined[k]) + "\n" for k in sorted(joined)))
    print(f"{len(joined)} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
