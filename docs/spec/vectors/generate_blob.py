#!/usr/bin/env python3
"""Writes blob.json: known answers for docs/spec/blob.md.

A second implementation of the format, written from its specification and sharing no code with the first one. Needs Python 3.11 and
`cryptography` 48. The tests only read the JSON file; run this after a change of the specification:
python3 docs/spec/vectors/generate_blob.py
"""

import json
import struct
import sys

sys.dont_write_bytecode = True

from generate import HERE, IV, cbor, cid
from generate_tuple import CHUNK_END, CHUNK_START, PARENT, ROOT, blake3, compress, derive_key, keyed, xchacha20poly1305

SEGMENT, GROUP, MAX_SLICE = 65536, 16384, 60 * 16384


def pattern(n):
    """0, 1, …, 250, 0, …: the input of the test vectors of BLAKE3."""
    return bytes(i % 251 for i in range(n))


# ---------------------------------------------------------------- the sealed form


def seal(key, plaintext):
    parts = [plaintext[i : i + SEGMENT] for i in range(0, len(plaintext), SEGMENT)] or [b""]
    return b"".join(
        xchacha20poly1305(key, bytes(15) + struct.pack(">QB", i, i == len(parts) - 1), part, b"rhizome sealed blob v1")
        for i, part in enumerate(parts)
    )


# ---------------------------------------------------------------- slices


def chaining(blob, start, end, root):
    """The hash of a node of BLAKE3's tree over the bytes from start to end; 64 bytes below it if it is an inner one."""
    if end - start > 1024:
        middle = split(start, end, 1024)
        pair = chaining(blob, start, middle, False)[0] + chaining(blob, middle, end, False)[0]
        return struct.pack("<8I", *compress(IV, pair, 0, 64, PARENT | (ROOT if root else 0))[:8]), pair
    chunk = blob[start:end]
    blocks = [chunk[i : i + 64] for i in range(0, len(chunk), 64)] or [b""]
    cv = IV
    for i, block in enumerate(blocks):
        flags = CHUNK_START if i == 0 else 0
        if i == len(blocks) - 1:
            flags |= CHUNK_END | (ROOT if root else 0)
        cv = compress(cv, block, start // 1024, len(block), flags)[:8]
    return struct.pack("<8I", *cv), None


def split(start, end, unit):
    units = (end - start + unit - 1) // unit
    return start + (1 << (units - 1).bit_length() - 1) * unit


def covered(length, offset, wanted):
    last = max(length - 1, 0) // GROUP * GROUP
    first = (last if offset >= length else offset) // GROUP * GROUP
    end = min(max(offset + max(wanted, 1), first + 1), first + MAX_SLICE)
    ranges = [(first, min(-(-end // GROUP) * GROUP, length))]
    if first == 0:
        ranges.append((last, length))
    return ranges


def slice_of(blob, offset, wanted):
    ranges = covered(len(blob), offset, wanted)

    def walk(start, end):
        if blob and not any(a < end and start < b for a, b in ranges):
            return b""
        if end - start <= GROUP:
            return blob[start:end]
        middle = split(start, end, GROUP)
        return chaining(blob, start, end, False)[1] + walk(start, middle) + walk(middle, end)

    return walk(0, len(blob))


def walk_check():
    blob = pattern(40000)
    assert slice_of(blob, 0, 1 << 20)[:64] == chaining(blob, 0, 40000, True)[1]
    assert chaining(blob, 0, 40000, True)[0] == blake3(blob)


walk_check()


# ---------------------------------------------------------------- the file


def vectors():
    sealed = []
    for secret in (bytes(32), bytes(range(32))):
        for n in (0, 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT + 100):
            plaintext = pattern(n)
            digest = blake3(plaintext)
            key = keyed(derive_key("rhizome epoch blob keys v1", secret), digest)
            ciphertext = seal(key, plaintext)
            sealed.append({
                "secret": secret.hex(),
                "len": n,
                "cid": bytes(cid(0x55, 0x1E, digest)).hex(),
                "key": key.hex(),
                "name": keyed(derive_key("rhizome epoch blob names v1", secret), digest).hex(),
                "sealed_len": len(ciphertext),
                "first": ciphertext[:48].hex(),
                "last": ciphertext[-48:].hex(),
                "root": blake3(ciphertext).hex(),
            })
    slices = []
    for n in (0, 1, GROUP, GROUP + 1, 5 * GROUP + 77):
        blob = pattern(n)
        for offset, wanted in ((0, 1), (0, MAX_SLICE), (GROUP, GROUP), (GROUP + 5, 1), (2 * GROUP - 1, 2), (n, 0), (2**63, 1)):
            part = slice_of(blob, offset, wanted)
            slices.append({
                "len": n,
                "root": blake3(blob).hex(),
                "offset": str(offset),
                "wanted": str(wanted),
                "slice_len": len(part),
                "slice": blake3(part).hex(),
                "first": part[:96].hex(),
            })
    a, b, big = bytes(range(32)), b"\xff" * 32, 2**64 - 1
    messages = [
        ["request", "have nothing", [0, []]],
        ["request", "have", [0, [a, b]]],
        ["request", "get", [1, a, 0, MAX_SLICE]],
        ["request", "get at the end of numbers", [1, b, big, big]],
        ["request", "put", [2, a, b, 5, 0, b"slice"]],
        ["request", "offer", [2, a, b, 1 << 40, 0, b""]],
        ["answer", "held", [0, [[], [[a, 5]], [[a, 5], [b, big]]]]],
        ["answer", "slice", [1, 5, b"slice"]],
        ["answer", "missing", [2]],
        ["answer", "next", [3, MAX_SLICE]],
        ["answer", "done", [4]],
        ["answer", "quota", [5, 0, 4096]],
        ["answer", "too large", [5, 1, big]],
        ["answer", "unverified", [5, 2, 0]],
        ["answer", "not allowed", [5, 3, 0]],
        ["answer", "busy", [5, 4, 0]],
        ["answer", "trouble", [5, 5, 0]],
        ["answer", "crowded", [5, 6, 0]],
    ]
    refused = [
        ["request", "a name of 31 bytes", [0, [a[1:]]]],
        ["request", "no such kind", [3]],
        ["request", "a negative offset", [1, a, -1, 1]],
        ["request", "too few fields", [1, a, 1]],
        ["request", "too many fields", [1, a, 1, 1, 1]],
        ["request", "an offset as a float", [1, a, 1.0, 1]],
        ["answer", "five ciphertexts", [0, [[[a, 1]] * 5]]],
        ["answer", "a slice as text", [1, 5, "slice"]],
        ["answer", "nothing", []],
        ["answer", "a number where there is none", [5, 2, 1]],
        ["answer", "no such refusal", [5, 7, 0]],
        ["answer", "too many fields", [4, 0]],
    ]
    row = lambda side, name, value: {"side": side, "name": name, "bytes": cbor(value).hex()}
    return {
        "sealed": sealed,
        "slices": slices,
        "messages": [row(*m) for m in messages],
        "refused": [row(*m) for m in refused],
    }


if __name__ == "__main__":
    (HERE / "blob.json").write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
