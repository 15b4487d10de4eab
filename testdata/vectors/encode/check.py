"""Recomputes the vectors of this folder from docs/spec/encoding.md and docs/spec/linkage-schema.md alone.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install blake3 && /tmp/v/bin/python check.py

It shares no code with the Rust encoder: where both agree, the specification says enough.
"""

import json
import pathlib
import struct
import sys

from blake3 import blake3

WILDCARD = "\ufffd"
NAMES = {"kana", "kanji", "latin"}


def derive(context, *parts):
    material = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    return blake3(material, derive_key_context=context).digest()


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
    return {
        "format": schema["format"],
        "name": schema["name"],
        "normalisation": schema["normalisation"],
        "layout": layout,
        "hashing": schema.get("hashing", "blake3"),
        "threshold": threshold,
        "fields": fields,
        "exact_tokens": tokens,
    }


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


def field_positions(key, found, bits, budget):
    limit = 65536 - 65536 % bits
    ranked = []
    for message in found:
        output = blake3(message, key=key).digest(length=8 + 8 * budget + 64)
        words = struct.unpack("<%dH" % ((len(output) - 8) // 2), output[8:])
        ranked.append((struct.unpack("<Q", output[:8])[0], [w % bits for w in words if w < limit]))
    ranked.sort()
    for place, (_, positions) in enumerate(ranked):
        count = budget // len(ranked) + (place < budget % len(ranked))
        yield from positions[:count]


def check(vector):
    schema = canonical_schema(vector["schema"])
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == vector["schema_canonical"], "canonical form"
    digest = blake3(text.encode(), derive_key_context="linkage-engine 2026-11-22 linkage-schema/1 digest").digest()
    assert digest.hex() == vector["schema_digest"], "schema digest"
    secret = secret_bytes(vector["secret"])
    key_check = derive("linkage-engine 2026-11-22 linkage-secret/1 key check", secret)[:8]
    assert key_check.hex() == vector["key_check"], "key check"
    layout = schema["layout"]
    segments = layout.get("segments", 1)
    bits = layout.get("segment_bits") or layout["bits"]
    index = {field["name"]: i for i, field in enumerate(schema["fields"])}
    for number, row in enumerate(vector["rows"]):
        clk, presence, bit = bytearray(segments * bits // 8), 0, 0
        for field in schema["fields"]:
            if "encode" not in field:
                continue
            found = messages(field, row["record"][index[field["name"]]] or "")
            if found:
                segment = field["encode"].get("segment")
                presence |= 1 << (bit if segment is None else segment)
                start = (segment or 0) * bits
                key = derive("linkage-engine 2026-11-22 encoding/1 field key", secret, digest, field["name"].encode())
                for position in field_positions(key, found, bits, field["encode"]["bits"]):
                    clk[(start + position) // 8] |= 1 << position % 8
            bit += 1
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
            key = derive("linkage-engine 2026-11-22 encoding/1 exact token key", secret, digest, token["name"].encode())
            exact[token["name"]] = blake3(message, key=key).digest()[:16].hex() if whole else None
        assert exact == row["exact"], f"row {number}: exact tokens"


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
