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
from pathlib import Path

from store import complete_frames

DIGITS = {"pos": 6, "REF_hirshfeld": 3, "REF_hirshfeld_spin": 3}
OTHER_DIGITS = 5


def rounded(frame: str) -> str:
    """The frame with the digits of DIGITS."""
    count, comment, *atoms = frame.splitlines()
    columns = re.search(r"Properties=(\S+)", comment)[1].split(":")
    digits = [DIGITS.get(name, OTHER_DIGITS)
              for name, kind, width in zip(columns[::3], columns[1::3], columns[2::3])
              if kind == "R" for _ in range(int(width))]
    lines = [count, comment]
    for line in atoms:
        symbol, *numbers = line.split()
        lines.append(" ".join([symbol] + [f"{float(number):.{places}f}"
                                          for number, places in zip(numbers, digits, strict=True)]))
    return "\n".join(lines) + "\n"


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    joined: dict[int, str] = {}
    for path in map(Path, sys.argv[2:]):
        size = 0
        for index, frame in complete_frames(path):
            if index in joined:
                print(f"join.py: index {index} is there twice", file=sys.stderr)
                return 1
            joined[index] = rounded(frame.decode())
            size += len(frame)
        if size < path.stat().st_size:
            print(f"join.py: {path}: a frame is not complete", file=sys.stderr)
            return 1
    Path(sys.argv[1]).write_text("".join(joined[index] for index in sorted(joined)))
    print(f"{len(joined)} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
