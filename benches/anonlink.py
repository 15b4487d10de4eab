#!/usr/bin/env python3
"""Compares our Dice kernel with anonlink's on the same tokens: pairs per CPU-second, and whether the pairs are the same.

    python3 benches/anonlink.py --machine "AMD EPYC (Zen 4), 2 cores, idle"

makes a virtual environment with anonlink and clkhash from PyPI (below target/, unless this Python has them already),
invents two databases of persons, encodes them with clkhash to CLKs of 1024 bits and a density of about 0.35, and runs
anonlink's accelerated Dice and ours (`cargo run -p linkage-benches --example dice_pairs`) in turns. Both are charged from
the CLKs as bytes to the sorted pairs, on one core. Exits with 1 when the pairs differ.
"""

import argparse
import array
import collections
import csv
import datetime
import fractions
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import time
import venv

# This file has the package's name, and Python looks beside the script first.
sys.path[:] = [path for path in sys.path if pathlib.Path(path).resolve() != pathlib.Path(__file__).resolve().parent]

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PACKAGES = ["anonlink==0.15.3", "clkhash==0.18.3"]
CLK_BYTES = 128
# Pairs that anonlink may keep per left record. Passing None costs it memory traffic in proportion to the right database;
# that no record has so many pairs is checked.
MOST_PAIRS = 1000
CHANGED = 0.7
# Bits per field that make a density of about 0.35 together.
FIELDS = [("given_name", 2, 80), ("surname", 2, 80), ("birth_date", 1, 85), ("sex", 1, 10), ("street", 2, 80),
          ("suburb", 2, 60), ("postcode", 1, 50)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="records in each database")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--thresholds", nargs="+", default=["0.8", "0.9"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cpu", help="write benches/record/CPU/anonlink-DATE.csv, such as epyc-zen4")
    parser.add_argument("--machine", required=True, help="the machine in words, and what else it was doing")
    args = parser.parse_args()
    in_environment()

    program = build()
    folder = TARGET / "anonlink"
    folder.mkdir(parents=True, exist_ok=True)
    sides = encode(*databases(args.rows, random.Random(args.seed)))
    files = [folder / "left.clk", folder / "right.clk"]
    for file, side in zip(files, sides):
        file.write_bytes(b"".join(clk.tobytes() for clk in side))
    ones = sum(clk.count() for side in sides for clk in side)
    density = ones / (2 * args.rows * CLK_BYTES * 8)
    print(f"{args.rows:,} x {args.rows:,} CLKs of {CLK_BYTES * 8} bits, density {density:.3f}", file=sys.stderr)

    rows, same = [], True
    for threshold in args.thresholds:
        measured = measure(program, files, sides, threshold, args.repetitions, folder / "pairs")
        same &= measured["same"]
        rows += record(measured, threshold, args, density)
    show(rows)
    if args.cpu:
        out = ROOT / "benches" / "record" / args.cpu / f"anonlink-{datetime.date.today()}.csv"
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        print(out, file=sys.stderr)
    sys.exit(0 if same else 1)


def in_environment():
    """Starts again in a virtual environment that has anonlink, when this Python has not."""
    try:
        import anonlink, clkhash  # noqa: F401
        return
    except ImportError:
        pass
    home = TARGET / "anonlink" / "venv"
    python = home / "bin" / "python"
    if pathlib.Path(sys.executable) == python:
        sys.exit(f"error: {home} lacks anonlink\nhint: delete that folder, so that it is made again")
    if not python.exists():
        print(f"making {home} with {' '.join(PACKAGES)}", file=sys.stderr)
        venv.create(home, with_pip=True)
        if subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES]).returncode != 0:
            sys.exit(f"error: pip could not install {' '.join(PACKAGES)}\n"
                     "hint: run this with a Python that has them; they build with Python 3.11 and a C++ compiler")
    os.execv(python, [python, *sys.argv])


def build():
    """Our program, in the profile that everything else is built in: it optimises linkage-core fully."""
    command = ["cargo", "build", "-p", "linkage-benches", "--example", "dice_pairs"]
    subprocess.run(command, cwd=ROOT, check=True)
    return TARGET / "debug" / "examples" / "dice_pairs"


def databases(rows, rng):
    """Two databases: every tenth person is in both, and most of those are written differently in some field."""
    from clkhash.randomnames import NameList
    random.seed(rng.random())
    names = NameList(2 * rows).names
    streets = [rng.choice(names)[1].split()[-1] + kind for kind in (" street", " road", " avenue") for _ in range(400)]
    # Some places have far more people than others.
    places = [(rng.choice(names)[1].split()[-1], f"{rng.randrange(800, 8000):04}") for _ in range(600)]

    def person(name):
        given, surname = name[1].split(" ", 1)
        suburb, postcode = places[min(rng.randrange(600), rng.randrange(600))]
        street = f"{rng.randrange(1, 200)} {rng.choice(streets)}"
        return [given, surname, name[2].replace("/", ""), name[3], street, suburb, postcode]

    left = [person(name) for name in names[:rows]]
    right = [person(name) for name in names[rows:]]
    for at in range(0, rows, 10):
        right[at] = list(left[at])
        if rng.random() < CHANGED:
            for _ in range(rng.randrange(1, 7)):
                field = rng.randrange(len(FIELDS))
                right[at][field] = changed(right[at][field], field, rng)
    rng.shuffle(right)
    return left, right


def changed(value, field, rng):
    """The value with one character dropped, doubled or replaced; of the date, sex and postcode, one digit replaced."""
    at = rng.randrange(len(value))
    if FIELDS[field][0] == "sex":
        return "M" if value == "F" else "F"
    if value.isdigit():
        return value[:at] + rng.choice("0123456789") + value[at + 1:]
    return value[:at] + rng.choice(["", value[at] * 2, rng.choice("aeinrst")]) + value[at + 1:]


def encode(*sides):
    """CLKs by clkhash."""
    from clkhash import clk, schema
    feature = lambda name, n, bits: {
        "identifier": name,
        "format": {"type": "string", "encoding": "utf-8"},
        "hashing": {"comparison": {"type": "ngram", "n": n, "positional": name in ("birth_date", "postcode")},
                    "strategy": {"bitsPerFeature": bits}, "hash": {"type": "blakeHash"}},
    }
    described = schema.from_json_dict({
        "version": 3,
        "clkConfig": {"l": CLK_BYTES * 8, "xor_folds": 0, "kdf": {
            "type": "HKDF", "hash": "SHA256", "info": "", "salt": "", "keySize": 64}},
        "features": [feature(*field) for field in FIELDS],
    })
    return [clk.generate_clks(side, described, "a secret for a benchmark") for side in sides]


def measure(program, files, sides, threshold, repetitions, pairs_file):
    """CPU-seconds of both, in turns, so that what else the machine does meets both alike; and the pairs of both."""
    from anonlink.similarities import dice_coefficient_accelerated
    theirs, ours = [], []
    for _ in range(repetitions):
        before = cpu_seconds()
        _, (left, right) = dice_coefficient_accelerated(sides, float(threshold), k=MOST_PAIRS)
        theirs.append(cpu_seconds() - before)
        # Ours is over so soon that a single run would say little.
        output = subprocess.run([program, *files, str(CLK_BYTES), threshold, "5", pairs_file],
                                check=True, capture_output=True, text=True).stdout
        said = json.loads(output)
        ours.append(statistics.median(said["cpu_seconds"]))
    numbers = array.array("I", pairs_file.read_bytes())
    our_pairs = set(zip(numbers[::2], numbers[1::2]))
    their_pairs = set(zip(left, right))
    if len(our_pairs) * 2 != len(numbers):
        sys.exit("error: we returned a pair twice")
    return {"theirs": theirs, "ours": ours, "kernel": said["kernel"], "pairs": len(our_pairs),
            "same": report(our_pairs, their_pairs, sides, threshold, left)}


def report(ours, theirs, sides, threshold, left):
    """Whether the pairs are the same. What differs is judged in whole numbers, so that it is clear who is wrong."""
    if max(collections.Counter(left).values(), default=0) >= MOST_PAIRS:
        print(f"{threshold}: a record has {MOST_PAIRS} pairs, so anonlink dropped some", file=sys.stderr)
        return False
    ratio = fractions.Fraction(threshold)
    for a, b in sorted(ours ^ theirs)[:10]:
        x, y = sides[0][a], sides[1][b]
        common, total = (x & y).count(), x.count() + y.count()
        print(f"{threshold}: {'ours' if (a, b) in ours else 'anonlink'} alone has ({a}, {b}): 2*{common}/{total}, which is "
              f"{'a' if fractions.Fraction(2 * common, total) >= ratio else 'no'} match", file=sys.stderr)
    return ours == theirs


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def record(measured, threshold, args, density):
    compared = args.rows * args.rows
    rate = lambda seconds: f"{compared / seconds:.3e}"
    common = {"threshold": threshold, "rows": f"{args.rows}x{args.rows}", "density": f"{density:.3f}",
              "pairs": measured["pairs"], "pairs_identical": str(measured["same"]).lower()}
    for name, seconds in (("anonlink 0.15.3", measured["theirs"]), (f"ours {measured['kernel']}", measured["ours"])):
        median = statistics.median(seconds)
        ratio = statistics.median(measured["theirs"]) / median
        # The longest time is the lowest rate.
        yield {"bench": name, **common, "median": rate(median), "low": rate(max(seconds)), "high": rate(min(seconds)),
               "unit": "pairs/CPU-s", "ratio": f"{ratio:.1f}", "command": "python3 benches/anonlink.py", "machine": f"{args.machine}; load average {os.getloadavg()[0]:.1f}"}


def show(rows):
    shown = ["bench", "threshold", "density", "pairs", "pairs_identical", "median", "low", "high", "unit", "ratio"]
    widths = [max(len(str(row[key])) for row in [dict(zip(shown, shown)), *rows]) for key in shown]
    for row in [dict(zip(shown, shown)), *rows]:
        print("  ".join(f"{row[key]:>{width}}" for key, width in zip(shown, widths)))


if __name__ == "__main__":
    main()
