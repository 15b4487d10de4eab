#!/usr/bin/env python3
"""Rows per second of `custodian tokenise` by number of rows and of threads, and the most memory that it took.

    /tmp/peers/bin/python benches/custodian.py --people 100000 1000000 --threads 1 2 --machine "AMD EPYC (Zen 4), 2 cores, idle"

The people and the schema are those of benches/clkhash.py, which needs clkhash from PyPI for the names of its census. Each
figure is the median of whole processes, run in turn, with the lowest and the highest beside it: rows per second by the
clock and per CPU-second, and peak memory. By the clock, threads can be compared only on a machine with nothing else to do:
the ratio to one thread is that of runs next to each other. Every run must give the same payload.

With --cpu, written to benches/record/<cpu>/custodian-<profile>-<date>.csv.
"""

import argparse
import csv
import datetime
import importlib.util
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Not by its name, which is that of the package too.
SPEC = importlib.util.spec_from_file_location("beside_clkhash", HERE / "clkhash.py")
beside = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(beside)


def run(program, folder, people, threads, memory):
    """Seconds by the clock and of CPU time, peak memory in MiB, and the payload's hash."""
    output = folder / "out.tokens"
    output.unlink(missing_ok=True)
    command = [
        program, "tokenise", "--database", "bench", "--schema", folder / "schema.json", "--secret", folder / "secret",
        "--to", folder / "unit.pub", "--site-key", folder / "site-key", "--id-column", "id", "--threads", str(threads),
        "--memory", str(memory), "--json", people, "-o", output,
    ]
    with (folder / "summary.json").open("w+") as summary:
        started = time.monotonic()
        child = subprocess.Popen(command, stdout=summary, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise SystemExit(f"{program} ended with {child.returncode}")
        summary.seek(0)
        payload = json.load(summary)["payload_blake3"]
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, payload


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--population", choices=["census", "distinct"], default="census")
    parser.add_argument("--memory", type=int, default=256, help="MiB for sorting")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--profile", choices=["dev", "release"], default="dev", help="how custodian is built")
    parser.add_argument("--custodian", type=pathlib.Path, help="the program [default: built with cargo in this profile]")
    parser.add_argument("--folder", type=pathlib.Path, help="where the files go [default: the system's temporary folder]")
    parser.add_argument("--cpu", help="folder below benches/record to write to, such as epyc-zen4")
    parser.add_argument("--machine", required=True, help="the machine in words, and what else it was doing")
    args = parser.parse_args()
    program = args.custodian or beside.build(args.profile)
    rows = []

    def record(bench, figures, unit):
        rows.append([bench, statistics.median(figures), min(figures), max(figures), unit])
        median, low, high = rows[-1][1:4]
        print(f"{bench:44} {median:13,.2f}  {low:13,.2f} … {high:13,.2f}  {unit}", flush=True)

    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        folder = pathlib.Path(folder)
        beside.prepare(program, folder)
        for count in args.people:
            people = folder / "people.csv"
            # In a process of its own: what this one holds would count as memory of the children.
            writer = multiprocessing.Process(target=beside.write_people, args=(people, count, args.population))
            writer.start()
            writer.join()
            runs = {threads: [] for threads in args.threads}
            for _ in range(args.repeat):
                for threads in args.threads:
                    runs[threads].append(run(program, folder, people, threads, args.memory))
            payloads = {payload for figures in runs.values() for *_, payload in figures}
            assert len(payloads) == 1, "the payload differs between runs"
            for threads, figures in runs.items():
                name = f"{args.population}/{count} people/{threads} threads"
                record(name, [count / clock for clock, *_ in figures], "rows/s")
                record(name, [count / cpu for _, cpu, *_ in figures], "rows/CPU-second")
                record(name, [memory for *_, memory, _ in figures], "MiB at most")
                if threads != args.threads[0]:
                    pairs = zip(runs[args.threads[0]], figures)
                    record(f"{name} beside {args.threads[0]}", [one[0] / more[0] for one, more in pairs], "times by the clock")
            people.unlink()

    if args.cpu:
        out = HERE / "record" / args.cpu / f"custodian-{args.profile}-{datetime.date.today()}.csv"
        out.parent.mkdir(parents=True, exist_ok=True)
        lists = lambda numbers: " ".join(map(str, numbers))
        command = (f"benches/custodian.py --people {lists(args.people)} --threads {lists(args.threads)} --memory {args.memory} "
                   f"--population {args.population} --repeat {args.repeat} --profile {args.profile}")
        machine = f"{args.machine}; load average {os.getloadavg()[0]:.1f}"
        is_new = not out.exists()
        with out.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(["bench", "command", "machine", "median", "low", "high", "unit"])
            for bench, *figures, unit in rows:
                writer.writerow([bench, command, machine, *(f"{figure:.4g}" for figure in figures), unit])
        print(out)


if __name__ == "__main__":
    main()
