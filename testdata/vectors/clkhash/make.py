#!/usr/bin/env python3
"""Makes the vectors of this folder with the Python package clkhash: pip install clkhash==0.18.3

    python3 make.py            writes the vectors again (they are deterministic)
    python3 make.py --check    compares the vectors with what the installed clkhash makes
"""
import json
import pathlib
import sys

from clkhash.clk import generate_clks
from clkhash.schema import from_json_dict
from clkhash.serialization import serialize_bitarray

HERE = pathlib.Path(__file__).parent
SECRET = "a secret shared by the parties ✓"


def ngram(n=2, positional=False):
    return {"type": "ngram", "n": n, "positional": positional}


def feature(identifier, fmt, comparison, strategy, hash_=None, missing=None):
    hashing = {"comparison": comparison, "strategy": strategy}
    if hash_:
        hashing["hash"] = hash_
    if missing:
        hashing["missingValue"] = missing
    return {"identifier": identifier, "format": fmt, "hashing": hashing}


def schema(features, l=1024, kdf=None, **config):
    return {"version": 3, "clkConfig": {"l": l, "kdf": kdf or {"type": "HKDF"}, **config}, "features": features}


TEXT = {"type": "string", "encoding": "utf-8"}
PEOPLE = [
    ["1", "Anna", "Bloggs", "1979-05-13", "F", "2600"],
    ["2", "José", "O'Brien-Smythe", "2000-02-29", "M", "+0800"],
    ["3", "花子", "佐藤", "1912-07-30", "F", " 7 "],
    ["4", "aaaa", "aa", "1999-12-31", "M", "-12"],
    ["5", "", "x", "1970-01-01", "F", "0"],
]
IGNORED = {"identifier": "id", "ignored": True}
REST = [
    feature("dob", {"type": "date", "format": "%Y-%m-%d"}, ngram(1, True), {"bitsPerFeature": 150}),
    feature("sex", {"type": "enum", "values": ["M", "F"]}, {"type": "exact"}, {"bitsPerToken": 25}),
    feature("code", {"type": "integer", "minimum": -20}, ngram(1, True), {"bitsPerToken": 10}),
]
NAMES = [feature("given", TEXT, ngram(), {"bitsPerFeature": 200}), feature("family", TEXT, ngram(3), {"bitsPerToken": 40})]
DOUBLE, SAFE = {"type": "doubleHash"}, {"type": "doubleHash", "prevent_singularity": True}

CASES = {
    "blake": (schema([IGNORED, *NAMES, *REST]), PEOPLE),
    "hkdf_sha512_salt_info": (
        schema(
            [IGNORED, *NAMES, *REST],
            kdf={"type": "HKDF", "hash": "SHA512", "salt": "c2FsdCBhbmQgcGVwcGVy", "info": "aW5mbw==", "keySize": 48},
        ),
        PEOPLE,
    ),
    "folded_twice": (schema([IGNORED, *NAMES, *REST], l=256, xor_folds=2), PEOPLE),
    "documented_folds_of_zero": (schema([IGNORED, *NAMES, *REST], xorFolds=0), PEOPLE),
    "double_hash": (
        schema([feature("given", TEXT, ngram(), {"bitsPerToken": 20}, DOUBLE),
                feature("family", TEXT, ngram(2, True), {"bitsPerFeature": 100}, SAFE)], l=1000),
        [row[1:3] for row in PEOPLE],
    ),
    "singular_double_hash": (  # so short a filter that the second hash is often a multiple of its length
        schema([feature("given", TEXT, ngram(1), {"bitsPerToken": 3}, SAFE)], l=8),
        [[chr(97 + i) * 3] for i in range(26)],
    ),
    "missing_values": (
        schema([feature("given", {"type": "string", "minLength": 2, "case": "upper"}, ngram(), {"bitsPerToken": 30},
                        missing={"sentinel": "N/A", "replaceWith": ""}),
                feature("dob", {"type": "date", "format": "%d/%m/%y"}, ngram(1, True), {"bitsPerToken": 12},
                        missing={"sentinel": "00/00/00"})]),
        [["ANNA", "13/05/79"], ["N/A", "1/2/68"], ["ÄÖÜ", "00/00/00"], ["BO", "31/12/69"]],
    ),
    "numbers": (
        schema([feature("weight", TEXT, {"type": "numeric", "thresholdDistance": 2.5, "resolution": 4,
                                         "fractional_precision": 2}, {"bitsPerFeature": 120}),
                feature("age", {"type": "integer"}, {"type": "numeric", "thresholdDistance": 5, "resolution": 3},
                        {"bitsPerToken": 9})]),
        [["61.25", "40"], ["-0.005", "41"], ["7", "-3"], ["1e2", "0"], ["61.245", "123456789012"], ["1_000", "2"]],
    ),
    "dates": (
        schema([feature("dob", {"type": "date", "format": "%d %B %Y"}, {"type": "exact"}, {"bitsPerToken": 100}),
                feature("seen", {"type": "date", "format": "%d%m%Y"}, ngram(2, True), {"bitsPerToken": 15})]),
        [["1 May 1979", "01022003"], ["29  FEBRUARY 2000", "1122000"], ["31 december 0999", "31121999"]],
    ),
    "utf16": (schema([feature("given", {"type": "string", "encoding": "utf-16"}, ngram(), {"bitsPerToken": 30})]),
              [["Anna"], ["𠮷野"]]),
    "utf32": (schema([feature("given", {"type": "string", "encoding": "utf-32"}, ngram(), {"bitsPerToken": 30})]),
              [["Anna"], ["𠮷野"]]),
    "pattern": (schema([feature("code", {"type": "string", "pattern": "[A-Z]{2}\\d{3}|x+"}, ngram(2, True),
                                {"bitsPerToken": 50})], l=512), [["AB123"], ["xxx"]]),
    "more_positions_than_one_call_gives": (
        schema([feature("given", TEXT, {"type": "exact"}, {"bitsPerToken": 333})], l=2048), [["Anna"], ["ANNA"]]),
}


def main():
    failed = False
    for name, (document, rows) in CASES.items():
        clks = generate_clks(rows, from_json_dict(json.loads(json.dumps(document))), SECRET, validate=True)
        vector = {"schema": document, "secret": SECRET, "rows": rows, "clks": [serialize_bitarray(c) for c in clks]}
        text = json.dumps(vector, ensure_ascii=False, indent=1) + "\n"
        path = HERE / f"{name}.json"
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            failed = True
            print(f"{name}: differs", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
