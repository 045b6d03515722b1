# SPDX-License-Identifier: MIT
"""Writes leyden's model files (docs/model_files.md). Needs nothing but Python itself.

A tensor is a pair (shape, numbers): a list of axes, and all numbers row by row.
"""
import array
import json
import math
import struct
import sys

FORMAT = "leyden potential"
FORMAT_VERSION = 1
UNITS = {"length": "angstrom", "energy": "eV", "charge": "e"}


class ConversionError(Exception):
    """What a model has that leyden does not; the text names it."""


def doubles(numbers):
    """The bytes of numbers as little-endian doubles."""
    data = array.array("d", numbers)
    if sys.byteorder == "big":
        data.byteswap()
    return data.tobytes()


def checksum(tensors):
    """FNV-1a of names, shapes and numbers: what leyden compares when it reads the file."""
    value = 0xCBF29CE484222325
    for name, (shape, numbers) in tensors.items():
        header = name.encode() + b"\0" + b"".join(struct.pack("<Q", s) for s in shape)
        for byte in header + doubles(numbers):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def write_model(path, tensors, specification):
    """Writes tensors {name: (shape, numbers)} and a specification {descriptor, charge_model, solver,
    and what else there is: name, seed, training, scf, self_test}.

    Raises ConversionError for numbers that are not finite or do not fill their shape.
    """
    header, offset = {}, 0
    for name, (shape, numbers) in tensors.items():
        if math.prod(shape) != len(numbers):
            raise ConversionError(f"{name}: {len(numbers)} numbers do not fill the shape {shape}")
        if not all(map(math.isfinite, numbers)):
            raise ConversionError(f"{name} has a number that is not finite")
        end = offset + 8 * len(numbers)
        header[name] = {"dtype": "F64", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    full = {"format_version": FORMAT_VERSION, "units": UNITS, **specification,
            "checksum": checksum(tensors)}
    header["__metadata__"] = {"format": FORMAT,
                              "specification": json.dumps(full, allow_nan=False)}
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for _, numbers in tensors.values():
            file.write(doubles(numbers))
