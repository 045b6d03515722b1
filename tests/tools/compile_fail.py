#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A fault is refused, with the words we promise.

usage: compile_fail.py source.cpp compiler flags...

The source says `// EXPECT-ERROR: <regular expression>`, once or several times, and holds the fault
under `#if LEYDEN_MUST_NOT_COMPILE`. It is compiled twice: without the fault, which must succeed, so
that the test cannot pass for another reason; and with it, which must fail and say all of that.
"""
import os
import re
import subprocess
import sys


def main():
    source, command = sys.argv[1], sys.argv[2:]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    expected = re.findall(r"^// EXPECT-ERROR: *(.*\S)", text, re.M)
    if not expected or "LEYDEN_MUST_NOT_COMPILE" not in text:
        sys.exit(f"{source}: needs a line `// EXPECT-ERROR: regex` and LEYDEN_MUST_NOT_COMPILE")

    def compile_with(fault):
        return subprocess.run(
            command + [f"-DLEYDEN_MUST_NOT_COMPILE={fault}", "-c", "-o", "/dev/null", source],
            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})

    sound = compile_with(0)
    if sound.returncode != 0:
        sys.exit(f"{source} does not compile without the fault:\n{sound.stderr}")
    faulty = compile_with(1)
    if faulty.returncode == 0:
        sys.exit(f"{source} compiles with the fault")
    for pattern in expected:
        if not re.search(pattern, faulty.stderr):
            sys.exit(f"{source}: no match for /{pattern}/ in\n{faulty.stderr}")


main()
