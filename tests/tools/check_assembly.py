#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Products and sums of packs are one instruction where the machine has it.

usage: check_assembly.py subject.cpp compiler flags...

xsimd 8.1 multiplies and adds apart on AVX-512 and clang 14 does not contract the two: half the
peak, and no test of numbers would notice.
"""
import re
import subprocess
import sys

# function: (fused, separate products, separate sums)
EXPECTED = {
    "real_fma": (1, 0, 0),
    "real_fnma": (1, 0, 0),
    "float_fma": (1, 0, 0),
    "dual_fma": (3, 0, 0),
    "real_times_dual_fma": (2, 0, 0),
    "dual_product": (1, 2, 0),
}


def main():
    subject, command = sys.argv[1], sys.argv[2:]
    result = subprocess.run(command + ["-S", "-o", "-", subject], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    bad = []
    for name, expected in EXPECTED.items():
        body = re.search(rf"^{name}:[^\n]*\n(.*?)^\s*\.size\s+{name},", result.stdout, re.S | re.M)
        if body is None:
            sys.exit(f"no function {name} in the assembly")
        text = body.group(1)
        found = tuple(
            len(re.findall(pattern, text, re.M))
            for pattern in (r"^\s*vfn?m(?:add|sub)\d+p[sd]\s", r"^\s*v?mulp[sd]\s",
                            r"^\s*v?(?:add|sub)p[sd]\s"))
        if found != expected:
            bad.append(f"{name}: (fused, products, sums) = {found}, expected {expected}\n{text}")
    if bad:
        sys.exit("\n".join(bad))


main()
