#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keeps what the documentation quotes equal to its source.

docs.py ROOT                    checks that every quoted piece of code is the example's, that every
                                relative link leads somewhere
docs.py ROOT --write            copies the code into the pages
docs.py ROOT --write --figures FILE    also the performance tables, from the lines of bench/report.sh
docs.py ROOT --write --table NAME FILE also the table of that name, which is the file: quickstart is
                                report/table.md of the quickstart, silica_vacancy and metal_water are
                                table.md of these studies, …-best and …-verdicts their best.md and
                                verdicts.html

In a page, `<!-- include: path [tag] -->` is followed by a code block that holds the lines between the
two `// [tag]` lines of that file; `<!-- table: name -->` … `<!-- end -->` holds a table.
"""
import argparse
import pathlib
import re
import sys

INCLUDE = re.compile(r"(<!-- include: (\S+) \[(\w+)\] -->\n\n?)(?:```cpp\n(.*?)```\n)?", re.S)
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def snippet(path, tag):
    lines = path.read_text().splitlines(keepends=True)
    marks = [i for i, line in enumerate(lines) if line.strip() == f"// [{tag}]"]
    if len(marks) != 2:
        sys.exit(f"docs: {path} does not have two lines '// [{tag}]'")
    return "".join(lines[marks[0] + 1 : marks[1]])


# Which lines of bench/report.sh a table shows.
SELF_CONSISTENCY = r"(convergence|slabs|cost|dynamics)/"
ELECTROSTATICS = (r"(mesh|mesh alone|broad Gaussians|multipoles|direct|waves|Ewald|mesh transform"
                  r"|equilibration|peers|tuning)/")
FIGURES = {
    "performance": r"descriptor/128x0e\+128x1o, (double|float)/192 atoms/energy, forces, stress$"
                   r"|mesh/8000 atoms$|equilibration/8000 atoms/(cold|warm)$|peers/8000 .*fastest/over ours"
                   r"|io/extxyz",
    "performance-all": rf"(?!(descriptor|precision|threads|training)/|{SELF_CONSISTENCY}|{ELECTROSTATICS})",
    "performance-training": r"training/",
    "performance-descriptor": r"machine/peak|(descriptor|precision|threads)/",
    "performance-electrostatics": rf"machine/|(?!mesh transform/){ELECTROSTATICS}",
    "performance-transforms": r"mesh transform/.*/(24|32|36|48|64|72|96|128)/.* against",
    "performance-scf": r"convergence/.*/(Newton|mixing/iterations median)|slabs/"
                       r"|cost/.*/over the descriptor|dynamics/",
}


def figures_table(lines, name):
    """The table, or nothing when no line belongs to it."""
    rows = []
    for line in lines:
        figure, value, unit, target = (line.rstrip("\n").split("\t") + [""] * 4)[:4]
        if re.match(FIGURES[name], figure):
            rows.append(f"| {figure} | {value} {unit} | {target} |")
    return "\n".join(["| figure | value | target |", "| --- | --- | --- |", *rows, ""]) if rows else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--figures", type=pathlib.Path)
    parser.add_argument("--table", nargs=2, action="append", default=[])
    options = parser.parse_args()
    files = {name: pathlib.Path(file) for name, file in options.table}
    root = options.root
    problems = []
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md")),
             *sorted((root / "examples").rglob("*.md"))]
    for page in pages:
        text = page.read_text()

        def code(match):
            body = snippet(root / match[2], match[3])
            if match[4] != body and not options.write:
                problems.append(f"{page}: the code of {match[2]} [{match[3]}] is out of date; run "
                                "tests/tools/docs.py . --write")
            return f"{match[1].rstrip()}\n\n```cpp\n{body}```\n"

        def table(match):
            if match[2] in files:
                return f"{match[1]}{files[match[2]].read_text().strip()}\n{match[4]}"
            if match[2] in FIGURES and options.figures:
                rows = figures_table(options.figures.read_text().splitlines(), match[2])
                if rows:
                    return f"{match[1]}{rows}{match[4]}"
            if not match[3].strip():
                problems.append(f"{page}: the table '{match[2]}' is empty")
            return match[0]

        new = TABLE.sub(table, INCLUDE.sub(code, text))
        if options.write and new != text:
            page.write_text(new)
        for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
            if "://" not in target and not (page.parent / target).exists():
                problems.append(f"{page}: the link to {target} leads nowhere")
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
