#!/usr/bin/env python3
"""Writes what the last `cargo bench` measured as CSV: benches/record/<cpu>/<date>.csv.

    cargo bench -p linkage-benches --profile dev
    python3 benches/record.py --cpu epyc-zen4 --machine "AMD EPYC (Zen 4), 2 cores"

Each row is a rate: median and the ends of its 95 % confidence interval, from criterion's own files.
"""

import argparse
import csv
import datetime
import json
import os
import pathlib

UNITS = {"dice": "pairs/s", "tokenise": "records/s"}
COMMAND = "cargo bench -p linkage-benches --profile dev"


def rows(criterion: pathlib.Path, machine: str):
    for file in sorted(criterion.glob("**/new/benchmark.json")):
        benchmark = json.loads(file.read_text())
        median = json.loads(file.with_name("estimates.json").read_text())["median"]
        interval = median["confidence_interval"]
        elements = benchmark["throughput"]["Elements"]
        rate = lambda nanoseconds: f"{elements / nanoseconds * 1e9:.3e}"
        # The longest time is the lowest rate.
        low, high = rate(interval["upper_bound"]), rate(interval["lower_bound"])
        unit = UNITS[benchmark["group_id"]]
        yield [benchmark["full_id"], COMMAND, machine, rate(median["point_estimate"]), low, high, unit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", required=True, help="folder below benches/record, such as epyc-zen4")
    parser.add_argument("--machine", required=True, help="the machine in words")
    parser.add_argument("--criterion", type=pathlib.Path, default=pathlib.Path("target/criterion"))
    args = parser.parse_args()

    folder = pathlib.Path(__file__).parent / "record" / args.cpu
    folder.mkdir(parents=True, exist_ok=True)
    machine = f"{args.machine}; load average {os.getloadavg()[2]:.1f}"
    out = folder / f"{datetime.date.today()}.csv"
    with out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["bench", "command", "machine", "median", "low", "high", "unit"])
        writer.writerows(rows(args.criterion, machine))
    print(out)


if __name__ == "__main__":
    main()
