#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks of this folder find planted faults.

usage: self_test.py compiler
"""
import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
HEAD = "// SPDX-License-Identifier: MIT\n#pragma once\n"


def run(tool, *arguments):
    result = subprocess.run([sys.executable, str(TOOLS / tool), *map(str, arguments)],
                            capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def expect(what, outcome, text):
    """text: part of the complaint, or None when all is well."""
    code, output = outcome
    if text is None and code != 0:
        sys.exit(f"{what}: complains without a fault:\n{output}")
    if text is not None and (code == 0 or text not in output):
        sys.exit(f"{what}: exit code {code}, no '{text}' in:\n{output}")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def layers(folder):
    house = folder / "include" / "leyden"
    rooms = ["core/a.hpp", "atoms/a.hpp", "equivariant/a.hpp", "descriptor/concepts.hpp",
             "descriptor/a.hpp", "electrostatics/a.hpp", "scf/a.hpp", "charge/concepts.hpp",
             "charge/a.hpp", "potential.hpp", "train/a.hpp", "io/a.hpp"]
    umbrella = HEAD + "".join(f"#include <leyden/{r}>\n" for r in rooms)

    def plant(path, text):
        for room in rooms:
            write(house / room, HEAD + "namespace leyden::inline LEYDEN_ABI {}\n")
        write(house / "leyden.hpp", umbrella)
        if path:
            write(house / path, text)
        outcome = run("check_layers.py", folder)
        if path and path not in rooms:
            (house / path).unlink()
        return outcome

    expect("layers", plant(None, ""), None)
    expect("layers, allowed", plant("scf/a.hpp", HEAD + "#include <leyden/charge/concepts.hpp>\n"), None)
    expect("layers, comment", plant("core/a.hpp", HEAD + "// xsimd is elsewhere\n"), None)
    for path, include in [
        ("core/a.hpp", "leyden/atoms/a.hpp"),
        ("equivariant/a.hpp", "leyden/atoms/a.hpp"),
        ("electrostatics/a.hpp", "leyden/descriptor/a.hpp"),
        ("electrostatics/a.hpp", "leyden/descriptor/concepts.hpp"),
        ("descriptor/a.hpp", "leyden/electrostatics/a.hpp"),
        ("scf/a.hpp", "leyden/charge/a.hpp"),
        ("charge/a.hpp", "leyden/descriptor/a.hpp"),
        ("charge/a.hpp", "leyden/electrostatics/a.hpp"),
        ("potential.hpp", "leyden/train/a.hpp"),
        ("train/a.hpp", "leyden/io/a.hpp"),
        ("atoms/a.hpp", "leyden/leyden.hpp"),
    ]:
        expect(f"layers, {path} -> {include}", plant(path, HEAD + f"#include <{include}>\n"),
               "may not see it")
    for path, text, complaint in [
        ("atoms/a.hpp", HEAD + "#include <functional>\n", "banned"),
        ("io/a.hpp", HEAD + "#include <regex>\n", "banned"),
        ("atoms/a.hpp", HEAD + '#include "leyden/core/a.hpp"\n', "write <leyden/...>"),
        ("atoms/a.hpp", HEAD + "inline __m256d x;\n", "SIMD stays"),
        ("atoms/a.hpp", HEAD + "#include <xsimd/xsimd.hpp>\n", "SIMD stays"),
        ("atoms/a.hpp", HEAD + "#pragma omp parallel\n", "come from an executor"),
        ("atoms/a.hpp", HEAD + "namespace leyden {}\n", "without `inline LEYDEN_ABI`"),
        ("atoms/a.hpp", "#pragma once\n", "SPDX"),
        ("atoms/a.hpp", "// SPDX-License-Identifier: MIT\n", "#pragma once"),
        ("attic/a.hpp", HEAD, "does not know"),
        ("atoms/b.hpp", HEAD, "does not include <leyden/atoms/b.hpp>"),
        ("leyden.hpp", umbrella + "#include <leyden/gone.hpp>\n", "does not exist"),
    ]:
        expect(f"layers, {complaint}", plant(path, text), complaint)


def formatting(folder):
    write(folder / ".clang-format", "BasedOnStyle: Google\n")
    write(folder / "include" / "a.hpp", "int f();\n")
    expect("format", run("check_format.py", folder), None)
    write(folder / "include" / "a.hpp", "int  f( );\n")
    expect("format, planted", run("check_format.py", folder), "a.hpp")


def compile_fail(folder, compiler):
    source = folder / "a.cpp"

    def outcome(text):
        write(source, text)
        return run("compile_fail.py", source, compiler)

    fault = "#if LEYDEN_MUST_NOT_COMPILE\nstatic_assert(sizeof(char) == 2, \"too small\");\n#endif\n"
    expect("compile_fail", outcome("// EXPECT-ERROR: too s.all\n" + fault), None)
    expect("compile_fail, other words", outcome("// EXPECT-ERROR: too large\n" + fault), "no match")
    expect("compile_fail, no fault",
           outcome("// EXPECT-ERROR: x\n// LEYDEN_MUST_NOT_COMPILE\nint a;\n"),
           "compiles with the fault")
    expect("compile_fail, broken", outcome("// EXPECT-ERROR: x\nint a\n" + fault),
           "does not compile without the fault")
    expect("compile_fail, no words", outcome(fault), "EXPECT-ERROR")


def assembly(folder, compiler):
    # Products and sums kept apart by the compiler.
    source = folder / "b.cpp"
    write(source, "".join(
        f'extern "C" void {name}(double* a, const double* b, const double* c) '
        "{ for (int i = 0; i < 8; ++i) a[i] = b[i] * c[i] + a[i]; }\n"
        for name in ("real_fma", "real_fnma", "float_fma", "dual_fma", "real_times_dual_fma",
                     "dual_product")))
    outcome = run("check_assembly.py", source, compiler, "-O3", "-mavx2", "-mfma", "-ffp-contract=off")
    if "no function" not in outcome[1] and "unrecognized" not in outcome[1]:
        expect("assembly, planted", outcome, "real_fma: (fused")


def main():
    compiler = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layers(folder / "layers")
        formatting(folder / "format")
        compile_fail(folder / "compile_fail", compiler)
        assembly(folder / "assembly", compiler)


main()
