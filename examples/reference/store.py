# SPDX-License-Identifier: MIT
"""The two files of a task, and the lock that keeps a second run away from them.

A frame is written before its record, each in one piece. After a crash, `Store` cuts off what is not
complete and adds records that are missing, so that no index is computed or written twice.
"""
from __future__ import annotations

import fcntl
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.io import write


class Locked(Exception):
    """Another run writes these files."""


class Store:
    """FOLDER/NAME.xyz with the frames and FOLDER/NAME.jsonl with one record per index tried."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.frames = folder / f"{name}.xyz"
        self.records = folder / f"{name}.jsonl"
        # The system frees this lock when the program ends, in whatever way.
        self._lock = open(folder / f"{name}.lock", "a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"another run works on {name} in {folder}") from None
        self.done = self._recover()

    def add(self, record: dict, frame: Atoms | None) -> None:
        """Writes the record of an index, after its frame if there is one."""
        if frame is not None:
            text = io.StringIO()
            write(text, frame, format="extxyz")
            _append(self.frames, text.getvalue())
        _append(self.records, json.dumps(record) + "\n")
        self.done.add(record["index"])

    def close(self) -> None:
        """Lets another run in."""
        self._lock.close()

    def _recover(self) -> set[int]:
        """Cuts off unfinished ends; returns the indices that were tried."""
        recorded = set()
        if self.records.exists():
            text = self.records.read_bytes()
            complete = text[:text.rfind(b"\n") + 1]
            if len(complete) < len(text):
                os.truncate(self.records, len(complete))
            recorded = {json.loads(line)["index"] for line in complete.splitlines()}
        framed: set[int] = set()
        if self.frames.exists():
            end = 0
            for index, frame in complete_frames(self.frames):
                framed.add(index)
                end += len(frame)
            if end < self.frames.stat().st_size:
                os.truncate(self.frames, end)
        for index in sorted(framed - recorded):
            _append(self.records, json.dumps({"index": index, "accepted": True}) + "\n")
        return recorded | framed


def complete_frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """The index and the text of each frame, up to the first that is not complete."""
    with open(path, "rb") as file:
        while (count := file.readline()).strip().isdigit():
            lines = [file.readline() for _ in range(int(count) + 1)]
            index = re.search(rb"\bindex=(\d+)", lines[0])
            if index is None or not lines[-1].endswith(b"\n"):
                return
            yield int(index.group(1)), count + b"".join(lines)


def _append(path: Path, text: str) -> None:
    with open(path, "ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
