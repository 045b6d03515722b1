#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of the house that a machine can see, over include/leyden.

usage: check_layers.py [--write-umbrella] <project folder>

Arrows run down only; an axis sees another axis's concepts.hpp at most; SIMD stays in core/pack.hpp;
costly standard headers stay out; the umbrella names every public header (--write-umbrella writes
it so).
"""
import re
import sys
from pathlib import Path

# What each room may include: rooms (all of it), or single files. A room may include itself.
# Files at the top of include/leyden are rooms of their own, named by their stem.
GROUND = {"config", "version", "fwd", "core"}
DATA = GROUND | {"atoms", "equivariant"}
AXES = {"descriptor/concepts.hpp", "electrostatics/concepts.hpp", "charge/concepts.hpp"}
ENGINE = DATA | AXES | {"scf"}
POTENTIAL = ENGINE | {"descriptor", "electrostatics", "charge", "compatibility", "potential"}
ALLOWED = {
    "config": {"version"},
    "version": set(),
    "fwd": {"config"},
    "core": GROUND,
    "atoms": GROUND,
    "equivariant": GROUND,
    "descriptor": DATA,
    "electrostatics": DATA,
    "scf": DATA | AXES | {"electrostatics"},
    "charge": ENGINE | {"electrostatics/multipoles.hpp", "electrostatics/external_field.hpp"},
    "compatibility": POTENTIAL - {"potential"},
    "potential": POTENTIAL,
    "observables": POTENTIAL,
    "design_space": POTENTIAL,
    "any_potential": POTENTIAL | {"design_space"},
    "zoo": POTENTIAL | {"design_space", "observables"},
    "train": POTENTIAL | {"observables", "design_space", "zoo"},
    "io": POTENTIAL | {"any_potential", "zoo", "train"},
}
BANNED = {"iostream", "functional", "ranges", "regex", "execution"}
BANNED_IN_IO = {"regex", "execution"}
SIMD = re.compile(r"\bxsimd\b|\b_mm\d*_\w+|\b__m(?:128|256|512)[di]?\b|\w*intrin\.h")
SIMD_FILES = {"core/pack.hpp", "config.hpp"}
OPENMP = re.compile(r"\b_OPENMP\b|#\s*pragma omp|\bomp_\w+")


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def room_of(path):
    return path.split("/")[0] if "/" in path else path.removesuffix(".hpp").removesuffix("_impl")


def check_file(path, text):
    """Faults of one header; path is relative to include/leyden."""
    room = room_of(path)
    if not text.startswith("// SPDX-License-Identifier: MIT\n"):
        yield "does not start with the SPDX line"
    if "#pragma once" not in text:
        yield "has no #pragma once"
    code = without_comments(text)
    for name in re.findall(r"^\s*namespace\s+(leyden\b[^{=]*)\{", code, re.M):
        if not re.match(r"leyden::inline LEYDEN_ABI\b", name):
            yield f"opens namespace {name.strip()} without `inline LEYDEN_ABI`"
    if path not in SIMD_FILES and (found := SIMD.search(code)):
        yield f"sees {found.group(0)}; SIMD stays in core/pack.hpp"
    if path != "core/parallel.hpp" and (found := OPENMP.search(code)):
        yield f"sees {found.group(0)}; threads come from an executor of core/parallel.hpp"
    if path == "leyden.hpp":
        return
    if room not in ALLOWED:
        yield f"lies in the room '{room}', which check_layers.py does not know"
        return
    for quote, target in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)', code, re.M):
        if quote == '"':
            yield f'includes "{target}"; write <leyden/...>'
        if target in (BANNED_IN_IO if room == "io" else BANNED):
            yield f"includes <{target}>, which is banned from the headers"
        if target.startswith("leyden/"):
            inner = target.removeprefix("leyden/")
            to = room_of(inner)
            if to != room and to not in ALLOWED[room] and inner not in ALLOWED[room]:
                yield f"includes <{target}>: '{room}' may not see it"


def faults(project):
    base = Path(project) / "include" / "leyden"
    headers = sorted(p.relative_to(base).as_posix() for p in base.rglob("*.hpp"))
    if not headers:
        yield f"{base}: no headers"
    for path in headers:
        for fault in check_file(path, (base / path).read_text(encoding="utf-8")):
            yield f"include/leyden/{path}: {fault}"
    umbrella = base / "leyden.hpp"
    named = set()
    if umbrella.exists():
        named = set(re.findall(r"#include <leyden/([^>]+)>", umbrella.read_text(encoding="utf-8")))
    for path in headers:
        if path != "leyden.hpp" and not path.endswith("_impl.hpp") and path not in named:
            yield f"include/leyden/leyden.hpp: does not include <leyden/{path}>"
    for path in sorted(named - set(headers)):
        yield f"include/leyden/leyden.hpp: includes <leyden/{path}>, which does not exist"


def write_umbrella(project):
    base = Path(project) / "include" / "leyden"
    headers = sorted(p.relative_to(base).as_posix() for p in base.rglob("*.hpp"))
    lines = [f"#include <leyden/{path}>" for path in headers
             if path != "leyden.hpp" and not path.endswith("_impl.hpp")]
    text = ("// SPDX-License-Identifier: MIT\n#pragma once\n\n"
            "// Everything, for users who want one line. No header of ours includes it.\n"
            + "\n".join(lines) + "\n")
    (base / "leyden.hpp").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "--write-umbrella":
        write_umbrella(sys.argv[2])
        sys.exit(0)
    found = list(faults(sys.argv[1]))
    if found:
        sys.exit("\n".join(found))
