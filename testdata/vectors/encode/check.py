"""Recomputes the vectors of this folder from docs/spec/encoding.md and docs/spec/linkage-schema.md alone.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install blake3 && /tmp/v/bin/python check.py

It shares no code with the Rust encoder: where both agree, the specification says enough.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

from blake3 import blake3

WILDCARD = "\ufffd"
NAMES = {"kana", "kanji", "latin"}


def framed(*parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def derive(context, *parts):
    return blake3(framed(*parts), derive_key_context=context).digest()


class Hashing:
    """The keyed functions of a profile (§§2, 4, 7)."""

    def __init__(self, profile, secret, digest):
        self.profile, self.secret, self.digest = profile, secret, digest

    def key(self, use, name):
        context = f"linkage-engine 2026-11-22 encoding/1 {use} key"
        if self.profile == "blake3":
            return derive(context, self.secret, self.digest, name.encode())
        message = struct.pack(">I", 1) + context.encode() + b"\0" + framed(self.digest, name.encode()) + struct.pack(">I", 256)
        return hmac.digest(self.secret, message, hashlib.sha256)

    def output(self, key, message, length):
        if self.profile == "blake3":
            return blake3(message, key=key).digest(length=length)
        blocks = [hmac.digest(key, struct.pack(">I", i + 1) + message, hashlib.sha256) for i in range(-(-length // 32))]
        return b"".join(blocks)[:length]


def secret_bytes(text):
    """Bech32m without a library (BIP 350)."""
    prefix, data = text.rsplit("1", 1)
    assert prefix == "linkage-secret"
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(c) for c in data]
    checksum = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
            checksum ^= generator if top >> bit & 1 else 0
    assert checksum == 0x2BC830A3, "checksum"
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    return (number >> 4).to_bytes(32, "big")


def canonical_schema(schema):
    """Fills in the defaults; RFC 8785 is what json.dumps does for ASCII keys, integers and strings."""
    layout = schema.get("layout", {})
    fields = []
    for field in schema["fields"]:
        filled = {"name": field["name"], "kind": field["kind"]}
        if field.get("encode") is not None:
            encode = dict(field["encode"])
            if field["kind"] != "date":
                name = field["kind"] in NAMES
                encode.setdefault("q", 2 if name else 1)
                encode.setdefault("pad", name and encode["q"] > 1)
                encode.setdefault("positional", not name)
            filled["encode"] = encode
        fields.append(filled)
    tokens = [{"name": t["name"], "required": t["required"], "optional": t.get("optional", [])}
              for t in schema.get("exact_tokens", [])]
    threshold = schema["threshold"]
    if "." in threshold:
        threshold = threshold.rstrip("0").rstrip(".")
    if layout.get("kind", "composite") == "composite":
        layout = {"kind": "composite", "bits": layout.get("bits", 1024)}
    else:
        layout = {"kind": "segmented", "segments": layout.get("segments", 8),
                  "segment_bits": layout.get("segment_bits", 128)}
    canonical = {
        "format": schema["format"],
        "name": schema["name"],
        "normalisation": schema["normalisation"],
        "layout": layout,
        "hashing": schema.get("hashing", "blake3"),
        "threshold": threshold,
        "fields": fields,
        "exact_tokens": tokens,
    }
    steps = [dict(step) for step in schema.get("hardening", [])]
    budget = sum(field["encode"]["bits"] for field in fields if "encode" in field)
    bias = 1.0
    if layout["kind"] == "composite":
        for _ in range(budget):
            bias *= 1.0 - 1.0 / layout["bits"]
        bias = 1.0 - 2.0 * (1.0 - bias)
    for step in steps:
        if step["kind"] == "salt":
            step.setdefault("take", "whole")
        elif step["kind"] == "diffusion":
            step["rho"] = decimal(step["rho"])
            step["density"] = decimal(step.get("density", "%.6f" % ((1.0 - bias) / 2.0)))
            bias **= diffusion_inputs(step)
        elif step["kind"] in ("xor-fold", "rule90"):
            bias *= bias
        elif step["kind"] == "blip":
            step["flip"] = decimal(step["flip"])
    if steps:
        canonical["hardening"] = steps
    keys = [{"name": k["name"], "fields": [{"take": "whole", **part} for part in k["fields"]]}
            for k in schema.get("blocking_keys", [])]
    if keys:
        canonical["blocking_keys"] = keys
    return canonical


def decimal(text):
    return text.rstrip("0").rstrip(".") if "." in text else text


def diffusion_inputs(step):
    bias, inputs = 1.0 - 2.0 * float(step["density"]), 2
    while bias**inputs > float(step["rho"]):
        inputs += 1
    return inputs


VOWELS = {vowel: row for row in ("アカサタナハマヤラワ", "イキシチニヒミリ", "ウクスツヌフムユル", "エケセテネヘメレ", "オコソトノホモヨロ")
          for vowel in row[0]}
PLAIN = dict(zip("ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポ", "カキクケコサシスセソタチツテトハヒフヘホハヒフヘホ"))
LENGTHENS = {"ア": "ア", "イ": "イエ", "ウ": "ウオ", "エ": "エ", "オ": "オ"}


def phonetic(text):
    out = ""
    for c in text:
        last = next((vowel for vowel, row in VOWELS.items() if out and out[-1] in row), "?")
        if c == "ー" or last in LENGTHENS.get(c, ""):
            continue
        if len(out) == 4:
            break
        out += PLAIN.get(c, c)
    return out


def take(part, text):
    """The part of a value that a salt or a blocking key uses; empty when there is none."""
    if part["take"] == "prefix":
        text = text[: part["characters"]]
    elif part["take"] == "year":
        text = text[:4] if len(text) == 8 and text.isascii() and text.isdigit() else ""
    elif part["take"] == "phonetic":
        text = phonetic(text)
    return "" if WILDCARD in text else text


def positions(stream, bits):
    words = struct.unpack("<%dH" % (len(stream) // 2), stream[: len(stream) // 2 * 2])
    return [w % bits for w in words if w < 65536 - 65536 % bits]


def hardened(steps, hashing, filter_bits):
    """The steps of §8 on a list of bits."""
    if not any(filter_bits):
        empty = filter_bits
        for step in steps:
            empty = empty[: len(empty) // 2] if step["kind"] == "xor-fold" else empty * 2 if step["kind"] == "balance" else empty
        return empty
    x = filter_bits
    for step in steps:
        l, kind = len(x), step["kind"]
        key = hashing.key("hardening", kind)
        if kind == "diffusion":
            out = []
            for i in range(l):
                chosen = []
                for position in positions(hashing.output(key, b"\x50" + struct.pack("<I", i), 1024), l):
                    if position not in chosen and len(chosen) < diffusion_inputs(step):
                        chosen.append(position)
                out.append(sum(x[j] for j in chosen) % 2)
            x = out
        elif kind == "xor-fold":
            x = [x[i] ^ x[i + l // 2] for i in range(l // 2)]
        elif kind == "rule90":
            x = [x[i - 1] ^ x[(i + 1) % l] for i in range(l)]
        elif kind == "balance":
            both = x + [1 - bit for bit in x]
            rank = lambda j: (struct.unpack("<Q", hashing.output(key, b"\x60" + struct.pack("<I", j), 8))[0], j)
            x = [both[j] for j in sorted(range(2 * l), key=rank)]
        elif kind == "blip":
            packed = bytes(sum(x[8 * i + b] << b for b in range(8)) for i in range(l // 8))
            coins = struct.unpack("<%dI" % l, hashing.output(key, b"\x70" + packed, 4 * l))
            below = round(float(step["flip"]) * 10**6) * 2**32 // (2 * 10**6)
            x = [bit ^ (coin < below) for bit, coin in zip(x, coins)]
    return x


def qgrams(text, q, pad, positional):
    if not text:
        return
    symbols = [None] * (q - 1 if pad else 0) + list(text) + [None] * (q - 1 if pad else 0)
    q = min(q, len(symbols))
    for start in range(len(symbols) - q + 1):
        gram = symbols[start : start + q]
        if WILDCARD in gram:
            continue
        body = b"".join(b"\xff" if symbol is None else symbol.encode() for symbol in gram)
        yield b"\x02" + struct.pack("<I", start) + body if positional else b"\x01" + body


def messages(field, text):
    encode = field["encode"]
    if field["kind"] != "date":
        return set(qgrams(text, encode["q"], encode["pad"], encode["positional"]))
    found = set(qgrams(text, 1, False, True))
    if len(text) == 8 and text.isascii() and text.isdigit():
        year, month, day = text[:4].encode(), text[4:6].encode(), text[6:].encode()
        found |= {b"\x10" + year, b"\x11" + month, b"\x12" + day, b"\x13" + year + month + day}
        if int(day) <= 12:
            found.add(b"\x13" + year + day + month)
    return found


def field_positions(hashing, key, found, bits, budget):
    ranked = []
    for message in found:
        output = hashing.output(key, message, 8 + 8 * budget + 64)
        ranked.append((struct.unpack("<Q", output[:8])[0], positions(output[8:], bits)))
    ranked.sort()
    for place, (_, drawn) in enumerate(ranked):
        count = budget // len(ranked) + (place < budget % len(ranked))
        yield from drawn[:count]


def check(vector):
    schema = canonical_schema(vector["schema"])
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == vector["schema_canonical"], "canonical form"
    digest = blake3(text.encode(), derive_key_context="linkage-engine 2026-11-22 linkage-schema/1 digest").digest()
    assert digest.hex() == vector["schema_digest"], "schema digest"
    secret = secret_bytes(vector["secret"])
    key_check = derive("linkage-engine 2026-11-22 linkage-secret/1 key check", secret)[:8]
    assert key_check.hex() == vector["key_check"], "key check"
    hashing = Hashing(schema["hashing"], secret, digest)
    steps = schema.get("hardening", [])
    salt = next((step for step in steps if step["kind"] == "salt"), None)
    layout = schema["layout"]
    segments = layout.get("segments", 1)
    bits = layout.get("segment_bits") or layout["bits"]
    index = {field["name"]: i for i, field in enumerate(schema["fields"])}
    for number, row in enumerate(vector["rows"]):
        clk, presence, bit = [0] * (segments * bits), 0, 0
        for field in schema["fields"]:
            if "encode" not in field:
                continue
            found = messages(field, row["record"][index[field["name"]]] or "")
            if found:
                segment = field["encode"].get("segment")
                presence |= 1 << (bit if segment is None else segment)
                start = (segment or 0) * bits
                key = hashing.key("field", field["name"])
                if salt and salt["field"] != field["name"]:
                    text = take(salt, row["record"][index[salt["field"]]] or "")
                    key = hashing.output(key, b"\x40" + text.encode(), 32)
                for position in field_positions(hashing, key, found, bits, field["encode"]["bits"]):
                    clk[start + position] = 1
            bit += 1
        clk = hardened(steps, hashing, clk)
        clk = bytes(sum(clk[8 * i + b] << b for b in range(8)) for i in range(len(clk) // 8))
        assert clk.hex() == row["clk"], f"row {number}: clk"
        assert presence == row["presence"], f"row {number}: presence"
        exact = {}
        for token in schema["exact_tokens"]:
            message, whole = b"", True
            for name in token["required"] + token["optional"]:
                value = row["record"][index[name]] or ""
                if WILDCARD in value or (not value and name in token["required"]):
                    whole = False
                elif value:
                    message += b"\x01" + struct.pack("<I", len(value.encode())) + value.encode()
                else:
                    message += b"\x00"
            key = hashing.key("exact token", token["name"])
            exact[token["name"]] = hashing.output(key, message, 16).hex() if whole else None
        assert exact == row["exact"], f"row {number}: exact tokens"
        blocking = {}
        for blocking_key in schema.get("blocking_keys", []):
            parts = [take(part, row["record"][index[part["field"]]] or "").encode() for part in blocking_key["fields"]]
            message = b"".join(b"\x01" + framed(part) for part in parts)
            key = hashing.key("blocking", blocking_key["name"])
            blocking[blocking_key["name"]] = hashing.output(key, message, 16).hex() if all(parts) else None
        assert blocking == row.get("blocking", {}), f"row {number}: blocking keys"


failures = 0
paths = sorted(pathlib.Path(__file__).parent.glob("*.json"))
for path in paths:
    try:
        check(json.loads(path.read_text()))
        print(f"{path.name}: agrees")
    except AssertionError as difference:
        failures += 1
        print(f"{path.name}: differs in {difference}")
sys.exit(1 if failures or not paths else 0)
