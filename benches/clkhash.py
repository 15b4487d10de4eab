#!/usr/bin/env python3
"""Encodes the same made-up people with clkhash (PyPI) and with `custodian tokenise`, and compares CPU-seconds.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install clkhash==0.18.3
    /tmp/peers/bin/python benches/clkhash.py --cpu epyc-zen4 --machine "AMD EPYC (Zen 4), 2 cores, idle"

Both get one CSV file and schemas that ask for the same work: 4 fields (given name, family name, date of birth, sex), padded
2-grams of names, digits of the date by place, 1024 bits, and the same number of bits drawn per field. clkhash runs
without validation, with its faster hash (blakeHash), in one process; only its encoding call counts. Of custodian the
whole process counts: start, reading, normalising, encoding, sorting, sealing, writing a new file to disk. It is built in
the dev profile, which optimises what is hot, or with `--profile release`.

Two populations: `census` draws names as often as clkhash's own census tables say, `distinct` gives nearly everybody
names that nobody else has, so that neither program gains from remembering them. Both programs remember q-grams.

Each figure is the median of fresh processes, run in turn, with the lowest and the highest beside it. Written to
benches/record/<cpu>/clkhash-<profile>-<date>.csv.
"""

import argparse
import csv
import datetime
import importlib.metadata
import importlib.resources
import itertools
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile

# Python looks for modules beside the script first, and would find this file in place of the package of its name.
sys.path = [path for path in sys.path if pathlib.Path(path).resolve() != pathlib.Path(__file__).resolve().parent]

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECRET = "not a secret: a benchmark"
COLUMNS = ["given_name", "family_name", "date_of_birth", "sex"]
BITS = {"given_name": 200, "family_name": 200, "date_of_birth": 240, "sex": 60}

OURS = {
    "format": "linkage-schema/1", "name": "clkhash-bench", "normalisation": "ja/1",
    "layout": {"kind": "composite", "bits": 1024}, "hashing": "blake3", "threshold": "0.80",
    "fields": [
        {"name": name, "kind": kind, "encode": {"q": q, "pad": pad, "positional": place, "bits": BITS[name]}}
        for name, kind, q, pad, place in [
            ("given_name", "latin", 2, True, False), ("family_name", "latin", 2, True, False),
            ("date_of_birth", "digits", 1, False, True), ("sex", "sex", 1, False, False),
        ]
    ],
}


def clkhash_schema():
    text = {"type": "string", "encoding": "utf-8"}
    forms = {
        "given_name": (text, 2, False), "family_name": (text, 2, False),
        "date_of_birth": ({"type": "date", "format": "%Y%m%d"}, 1, True),
        "sex": ({"type": "enum", "values": ["M", "F"]}, 1, False),
    }
    feature = lambda name, form, n, positional: {
        "identifier": name, "format": form,
        "hashing": {
            "comparison": {"type": "ngram", "n": n, "positional": positional},
            "strategy": {"bitsPerFeature": BITS[name]}, "hash": {"type": "blakeHash"},
        },
    }
    kdf = {"type": "HKDF", "hash": "SHA256", "info": "c2NoZW1hX2V4YW1wbGU=", "salt": "c2FsdA==", "keySize": 64}
    features = [{"identifier": "id", "ignored": True}] + [feature(name, *forms[name]) for name in COLUMNS]
    return {"version": 3, "clkConfig": {"l": 1024, "kdf": kdf}, "features": features}


def census(table):
    """Names and cumulated counts from clkhash's package data."""
    file = importlib.resources.files("clkhash") / "data" / table
    rows = [row for row in csv.reader(file.read_text().splitlines()[1:])]
    return [row[0] for row in rows], list(itertools.accumulate(int(row[1]) for row in rows))


def invented(draw, count):
    """Names of 4 to 11 letters, nearly all different."""
    starts = ["", *"bcdfghjklmnprstvwyz", "br", "ch", "cl", "gr", "sh", "st", "th", "tr"]
    syllables = [a + b + c for a in starts for b in "aeiou" for c in ["", "", "n", "r", "l", "s"]]
    for parts in zip(*(draw.choices(syllables, k=count) for _ in range(3))):
        yield "".join(parts).ljust(4, "e").capitalize()[:11]


def write_people(path, count, population):
    """Everything follows from the seed. Ages fall evenly over 90 years of birth."""
    draw = random.Random(20261122)
    sexes = draw.choices("MF", k=count)
    if population == "census":
        names = {}
        for sex, table in [("M", "male-first-names.csv"), ("F", "female-first-names.csv")]:
            values, weights = census(table)
            names[sex] = iter(draw.choices(values, cum_weights=weights, k=count))
        given = (next(names[sex]) for sex in sexes)
        values, weights = census("last-names.csv")
        family = draw.choices(values, cum_weights=weights, k=count)
    else:
        given, family = list(invented(draw, count)), list(invented(draw, count))
    first = datetime.date(1930, 1, 1).toordinal()
    days = [datetime.date.fromordinal(first + day).strftime("%Y%m%d") for day in range(90 * 365)]
    births = draw.choices(days, k=count)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *COLUMNS])
        writer.writerows(zip(range(1, count + 1), given, family, births, sexes))


def cpu_seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def encode_with_clkhash(path):
    """Runs in a process of its own, so that its caches start empty; prints CPU-seconds and the density."""
    from clkhash.clk import generate_clk_from_csv
    from clkhash.schema import from_json_dict

    schema = from_json_dict(clkhash_schema())
    with open(path, newline="") as file:
        before = cpu_seconds(resource.RUSAGE_SELF)
        clks = generate_clk_from_csv(file, SECRET, schema, validate=False, progress_bar=False, max_workers=1)
        seconds = cpu_seconds(resource.RUSAGE_SELF) - before
    density = sum(clk.count() for clk in clks) / (1024 * len(clks))
    print(json.dumps({"seconds": seconds, "records": len(clks), "density": density}))


def measure_clkhash(people):
    out = subprocess.run([sys.executable, __file__, "--clkhash", people], check=True, capture_output=True, text=True)
    result = json.loads(out.stdout)
    return result["records"] / result["seconds"], result["density"]


def measure_custodian(program, folder, people, threads):
    command = [
        program, "tokenise", "--database", "bench", "--schema", folder / "schema.json", "--secret", folder / "secret",
        "--to", folder / "unit.pub", "--site-key", folder / "site-key", "--id-column", "id", "--threads", str(threads),
        "--force", "--json", people, "-o", folder / "out.tokens",
    ]
    # A new file, as a custodian writes it; replacing one costs what its removal does.
    (folder / "out.tokens").unlink(missing_ok=True)
    before = cpu_seconds(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = cpu_seconds(resource.RUSAGE_CHILDREN) - before
    summary = json.loads(out.stdout)
    return summary["written_rows"] / seconds, summary["header"]["density_ppm"] / 1e6


def build(profile):
    """The program, built in a profile of Cargo.toml."""
    subprocess.run(["cargo", "build", "-p", "custodian", "--no-default-features", "--profile", profile], check=True, cwd=ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / {"dev": "debug"}.get(profile, profile) / "custodian"


def prepare(program, folder):
    (folder / "schema.json").write_text(json.dumps(OURS))
    quiet = {"check": True, "capture_output": True, "text": True}
    subprocess.run([program, "keygen", "-o", folder / "secret"], **quiet)
    for name in ["site-key", "unit-key"]:
        subprocess.run([program, "site-key", "-o", folder / name], **quiet)
    public = [line for line in (folder / "unit-key").read_text().splitlines() if "age1" in line]
    (folder / "unit.pub").write_text(public[0].split()[-1] + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", help="folder below benches/record to write to, such as epyc-zen4")
    # The child process that runs clkhash records nothing.
    needs_machine = "--clkhash" not in sys.argv
    parser.add_argument("--machine", required=needs_machine, help="the machine in words, and what else it was doing")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000, help="people for custodian alone; 0 leaves it out")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of custodian")
    parser.add_argument("--profile", choices=["dev", "release"], default="dev", help="how custodian is built")
    parser.add_argument("--custodian", type=pathlib.Path, help="the program [default: built with cargo in this profile]")
    parser.add_argument("--clkhash", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.clkhash:
        return encode_with_clkhash(args.clkhash)

    program = args.custodian or build(args.profile)
    version = importlib.metadata.version("clkhash")
    rows = []

    def record(bench, figures, unit="records/CPU-second"):
        median, low, high = statistics.median(figures), min(figures), max(figures)
        rows.append([bench, median, low, high, unit])
        print(f"{bench:40} {median:12,.1f}  {low:12,.1f} … {high:12,.1f}  {unit}", flush=True)
        return median

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(program, folder)
        for population in ["census", "distinct"]:
            people = folder / f"{population}.csv"
            write_people(people, args.people, population)
            peer, ours = [], []
            for _ in range(args.repeat):
                peer.append(measure_clkhash(people))
                ours.append(measure_custodian(program, folder, people, args.threads))
            densities = peer[0][1], ours[0][1]
            # The same number of bits drawn gives the same density: a check that both did the same work.
            assert abs(densities[0] - densities[1]) < 0.02, densities
            theirs = record(f"{population}/clkhash {version}", [rate for rate, _ in peer])
            own = record(f"{population}/custodian", [rate for rate, _ in ours])
            ratios = [mine / other for (mine, _), (other, _) in zip(ours, peer)]
            record(f"{population}/ratio", ratios, "times")
            if args.large:
                write_people(people, args.large, population)
                figures = [measure_custodian(program, folder, people, args.threads)[0] for _ in range(args.repeat)]
                large = record(f"{population}/custodian, {args.large} people", figures)
                print(f"{population}: {own / theirs:.1f} times clkhash; {large / theirs:.1f} times on {args.large} people")

    if args.cpu:
        out = ROOT / "benches" / "record" / args.cpu / f"clkhash-{args.profile}-{datetime.date.today()}.csv"
        out.parent.mkdir(parents=True, exist_ok=True)
        command = (f"benches/clkhash.py --people {args.people} --large {args.large} --repeat {args.repeat} "
                   f"--threads {args.threads} --profile {args.profile}")
        machine = f"{args.machine}; load average {os.getloadavg()[0]:.1f}"
        with out.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["bench", "command", "machine", "median", "low", "high", "unit"])
            for bench, *figures, unit in rows:
                writer.writerow([bench, command, machine, *(f"{figure:.4g}" for figure in figures), unit])
        print(out)


if __name__ == "__main__":
    main()
