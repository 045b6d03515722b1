#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every C++ file of the project is as clang-format writes it.

usage: check_format.py <project folder>
"""
import shutil
import subprocess
import sys
from pathlib import Path

FOLDERS = ("include", "tests", "bench", "examples", "docs")


def sources(project):
    """The files git knows; without git, all files of the project's folders."""
    if shutil.which("git") and (project / ".git").exists():
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "*.hpp", "*.cpp"], cwd=project,
            capture_output=True, text=True)
        if listed.returncode == 0:
            return [name for name in listed.stdout.split("\0") if name and (project / name).exists()]
    return sorted(p.relative_to(project).as_posix() for folder in FOLDERS
                  for pattern in ("*.hpp", "*.cpp") for p in (project / folder).rglob(pattern))


def main():
    project = Path(sys.argv[1])
    # Versions differ in details; the project is written with that of Debian 12.
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if program is None:
        sys.exit("clang-format is missing: apt-get install clang-format")
    files = sources(project)
    if not files:
        sys.exit(f"no C++ files in {project}")
    # Not --dry-run -Werror: clang-format 14 calls `}  // namespace a::inline B` a violation and then
    # writes the same text.
    bad = []
    for name in files:
        text = (project / name).read_bytes()
        result = subprocess.run([program, "--style=file", f"--assume-filename={name}"], input=text,
                                cwd=project, capture_output=True)
        if result.returncode != 0:
            sys.exit(result.stderr.decode())
        if result.stdout != text:
            bad.append(name)
    if bad:
        sys.exit("not as clang-format writes them; run\n  clang-format -i " + " ".join(bad))


main()
