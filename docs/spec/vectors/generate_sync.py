#!/usr/bin/env python3
"""Writes sync.json: known answers for docs/spec/sync.md.

A second implementation of the format, written from its specification and sharing no code with the first one. Needs Python 3.11 and
`cryptography` 48. The tests only read the JSON file; run this after a change of the specification:
python3 docs/spec/vectors/generate_sync.py
"""

import json
import math
import sys

sys.dont_write_bytecode = True

from generate import HERE, multikey
from generate_tuple import blake3, derive_key

M64 = (1 << 64) - 1
END = 1 << 48
MAX_CELLS = 1 << 17

# ---------------------------------------------------------------- parts


def u64(n):
    return n.to_bytes(8, "little")


def number(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def sized(b):
    return number(len(b)) + b


def key(k):
    return bytes([len(k)]) + k


def zigzag(n):
    return n << 1 if n >= 0 else (-n << 1) - 1


# ---------------------------------------------------------------- SipHash-1-3, 128 bits


def siphash(k, data):
    k0, k1 = int.from_bytes(k[:8], "little"), int.from_bytes(k[8:], "little")
    v = [0x736F6D6570736575 ^ k0, 0x646F72616E646F6D ^ k1 ^ 0xEE, 0x6C7967656E657261 ^ k0, 0x7465646279746573 ^ k1]

    def rotl(x, n):
        return (x << n | x >> (64 - n)) & M64

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & M64
            v[1] = rotl(v[1], 13) ^ v[0]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[3]) & M64
            v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & M64
            v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & M64
            v[1] = rotl(v[1], 17) ^ v[2]
            v[2] = rotl(v[2], 32)

    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) & 255])
    for i in range(0, len(padded), 8):
        m = int.from_bytes(padded[i : i + 8], "little")
        v[3] ^= m
        rounds(1)
        v[0] ^= m
    v[2] ^= 0xEE
    rounds(3)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(3)
    return u64(low) + u64(v[0] ^ v[1] ^ v[2] ^ v[3])


# ---------------------------------------------------------------- sets


class Key:
    def __init__(self, material, attempt):
        s = derive_key("rhizome sync set v1", material + bytes([attempt]), 32)
        self.k1, self.k2 = s[:16], s[16:]

    def name(self, i):
        h = siphash(self.k1, i)
        return int.from_bytes(h[:6], "little"), int.from_bytes(h, "little")

    def trace(self, short):
        h = siphash(self.k2, u64(short))
        return int.from_bytes(h[:8], "little"), int.from_bytes(h[8:12], "little")


def walk(seed):
    state, i = seed, 0
    while i < MAX_CELLS:
        yield i
        state = (state + 0x9E3779B97F4A7C15) & M64
        z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
        z ^= z >> 31
        t = ((i + 1) * (i + 2) << 29) // ((z >> 35) + 1)
        j = (math.isqrt(4 * t + 1) - 1) // 2
        while j * (j + 1) > t:
            j -= 1
        while (j + 1) * (j + 2) <= t:
            j += 1
        i = j


def cells(k, ids, n):
    table = [[0, 0, 0] for _ in range(n)]
    for i in ids:
        short = k.name(i)[0]
        seed, check = k.trace(short)
        for at in walk(seed):
            if at >= n:
                break
            cell = table[at]
            cell[0] ^= short
            cell[1] ^= check
            cell[2] += 1
    return table


def put_cells(table, n, first=0):
    out = b""
    for i, (short, check, count) in enumerate(table, first):
        out += short.to_bytes(6, "little") + check.to_bytes(4, "little") + number(zigzag(count - 2 * n // (i + 2)))
    return out


def put_list(shorts, first=0, end=END):
    low = max((end - first) // len(shorts), 1).bit_length() - 1 if shorts else 0
    bits, before = "", first
    for s in sorted(shorts):
        step = s - before
        before = s
        bits += "1" * (step >> low) + "0" + (format(step & (1 << low) - 1, f"0{low}b") if low else "")
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return number(first) + number(end - first) + number(len(shorts)) + body


def name_sum(k, ids):
    return sum(k.name(i)[1] for i in ids) % (1 << 128)


def u128(n):
    return n.to_bytes(16, "little")


def ident(n):
    return blake3(u64(n))


MATERIAL = bytes(range(32))


def sets():
    k = Key(MATERIAL, 0)
    small = [ident(i) for i in range(20)]
    large = [ident(i) for i in range(300)]
    theirs = large[4:] + [ident(1000)]
    shorts = lambda ids: [k.name(i)[0] for i in ids]
    open_list = b"\1\0" + number(20) + u128(name_sum(k, small)) + put_list(shorts(small))
    table = cells(k, large, 64)
    open_cells = b"\0\0" + number(300) + u128(name_sum(k, large)) + put_cells(table, 300)
    want = b"\x08" + u128(name_sum(k, large[4:])) + put_list(shorts(large[:4]))
    again = Key(MATERIAL, 1)
    return {
        "material": MATERIAL.hex(),
        "names": [
            {"attempt": a, "id": i.hex(), "short": Key(MATERIAL, a).name(i)[0], "sum": str(Key(MATERIAL, a).name(i)[1])}
            for a in (0, 1, 255)
            for i in (ident(0), ident(1), b"\0" * 32, b"\xff" * 32)
        ],
        "open_list": {"ids": 20, "message": open_list.hex()},
        "open_cells": {"ids": 300, "message": open_cells.hex()},
        "more_cells": {"ids": 300, "message": (b"\4" + number(64) + put_cells(cells(k, large, 200)[64:], 300, 64)).hex()},
        "want": {"about": "what has ids 4 to 299 and 1000 answers to open_cells", "message": want.hex()},
        "again": (b"\1\1" + number(20) + u128(name_sum(again, small)) + put_list([again.name(i)[0] for i in small])).hex(),
        "walks": [
            {"short": s, "cells": [i for i in walk(k.trace(s)[0])]} for s in (0, 1, 0xABCDEF012345, END - 1)
        ],
        "lists": [
            {"from": f, "to": t, "shorts": s, "list": put_list(s, f, t).hex()}
            for f, t, s in (
                (0, END, []),
                (0, END, [0]),
                (0, END, [END - 1, END - 1]),
                (1000, 1010, [1000, 1001, 1003, 1004, 1005, 1006, 1009]),
                (5, 1 << 20, [7, 7, 9, 500, 501, 90000, 1000000]),
            )
        ],
    }


# ---------------------------------------------------------------- chains and messages

K = bytes(range(100, 132))
POD = blake3(b"did:rhizome:zExample")
ALICE, BOB = multikey(b"\1" * 32), multikey(b"\2" * 32)


def fingerprint(k, heads, stumps):
    return derive_key("rhizome sync chain v1", k + u64(len(heads)) + b"".join(sorted(heads)) + b"".join(sorted(stumps)))


def digest(parts):
    return derive_key("rhizome sync digest v1", POD + b"".join(sorted(set(parts))))


def chain(k, commits):
    """(seq, id, prev) of each commit: as a fingerprint and as it travels."""
    ids = {i for _, i, _ in commits}
    prevs = {p for _, _, p in commits}
    heads = sorted((i, s) for s, i, _ in commits if i not in prevs)
    stumps = [(i, s) for s, i, p in commits if p is not None and p not in ids]
    print_ = fingerprint(k, [i for i, _ in heads], [i for i, _ in stumps])
    starts = sorted([s for _, s in stumps] + [0] * sum(p is None for _, _, p in commits))
    ends = sorted(s for _, s in heads)
    runs = list(zip(starts, ends)) if len(starts) == len(ends) <= 64 else None
    if runs and (
        any(a > b for a, b in runs)
        or any(x[1] >= y[0] for x, y in zip(runs, runs[1:]))
        or sum(b - a + 1 for a, b in runs) != len(commits)
    ):
        runs = None
    if runs == [(0, ends[-1])] and not stumps and len(heads) == 1:
        return print_, key(k) + b"\4" + number(ends[0]) + heads[0][0]
    out = key(k) + bytes([(not stumps) | (runs is not None) << 1]) + number(len(commits)) + print_
    out += number(len(heads)) + b"".join(number(s) + i for i, s in heads)
    if runs is not None:
        out += number(len(runs))
        end = 0
        for a, b in runs:
            out += number(a - end) + number(b - a)
            end = b
    return print_, out


def links(*rows):
    """(name, seq, name of the one before)"""
    return [(seq, ident(n), None if prev is None else ident(prev)) for n, seq, prev in rows]


def sync():
    chains = {
        "unbroken": links((1, 0, None), (2, 1, 1), (3, 2, 2)),
        "one": links((1, 0, None)),
        "gap": links((1, 0, None), (2, 1, 1), (7, 6, 6), (8, 7, 7)),
        "tail": links((7, 6, 6), (8, 7, 7)),
        "fork": links((1, 0, None), (2, 1, 1), (3, 2, 2), (30, 2, 2)),
        "two roots": links((1, 0, None), (10, 0, None)),
        "stray": links((1, 0, None), (2, 1, 1), (9, 1 << 60, 99)),
    }
    prints = {n: chain(ALICE, c) for n, c in chains.items()}
    parts = [ident(500), ident(501), prints["gap"][0]]
    d = digest(parts)
    tag = lambda role, n: derive_key("rhizome sync tag v1", K + bytes([role]) + u64(n) + d)[:16]
    material = lambda role, n, what: derive_key("rhizome sync reconciliation v1", K + bytes([role]) + u64(n) + what)
    leaf = lambda b: number(len(b) * 2) + b
    stream = b"\0" + sized(b"an envelope") + number(3) + leaf(b"leaf") + b"\1" + ident(7) + number(2 * 2 + 1) + b"in" + leaf(b"parts")
    fill = b"\1" + key(ALICE) + ident(3) + number(1) + number(300) + leaf(b"late")
    messages = {
        "open": b"\0\1" + POD + number(1) + tag(0, 1),
        "set of everything": b"\1\1\0" + b"\2",
        "set of a chain": b"\1\0" + key(BOB) + b"\3" + number(1000),
        "certificates": b"\2\0" + sized(b"one") + sized(b"") + sized(b"x" * 200),
        "chains": b"\3\1" + b"".join(p for _, p in prints.values()),
        "want places": b"\4" + key(ALICE) + number(10) + number(290) + number(1 << 20),
        "want ids": b"\5" + key(ALICE) + number(0) + ident(1) + ident(2),
        "want leaves": b"\6" + key(ALICE) + ident(3) + number(5) + number(0) + number(300),
        "credit": b"\7" + number(300),
        "answer": b"\x08" + stream + fill,
        "end": b"\x09",
        "live": b"\x0a" + stream,
        "confirm": b"\x0b" + number(2),
        "offer": b"\x0c\1\1" + key(ALICE) + ident(4),
        "done": b"\x0d" + number(0),
        "certificate refused": b"\x0e\1" + ident(5),
        "commit refused": b"\x0f\2" + key(BOB) + number(77) + ident(6),
        "ephemeral": b"\x10" + b"here",
        "abort": b"\x11\5",
    }
    refused = {
        "nothing": b"",
        "unknown kind": b"\x12",
        "other version": b"\0\2" + POD + number(1) + tag(0, 1),
        "a long zero": b"\x07\x80\0",
        "a number past 64 bits": b"\x07" + b"\xff" * 9 + b"\2",
        "something follows": b"\x09\0",
        "a flag of 2": b"\2\2",
        "cut off": b"\x0f\2" + key(BOB) + number(77) + ident(6)[:31],
        "no key": b"\4\x05abcde\0\0\0",
        "places beyond the last": b"\4" + key(ALICE) + number(5) + number(M64) + number(0),
        "a plain chain in the long form": b"\3\1" + key(ALICE) + b"\3" + number(1) + prints["one"][0] + number(1) + number(0) + ident(1) + number(1) + b"\0\0",
        "runs that do not add up": b"\3\1" + key(ALICE) + b"\2" + number(9) + ident(0) + number(0) + number(1) + b"\0\0",
        "runs that overlap": b"\3\1" + key(ALICE) + b"\2" + number(4) + ident(0) + number(0) + number(2) + b"\0\1\0\1",
        "a list beyond 48 bits": b"\1\1\0\x06" + number(1) + number(END) + number(0),
        "a list with a loose bit": b"\1\1\0\x06" + number(0) + number(8) + number(1) + b"\x01",
        "a list that goes past its end": b"\1\1\0\x06" + number(0) + number(4) + number(2) + b"\xfe",
        "leaves in no order": b"\6" + key(ALICE) + ident(3) + number(5) + number(4) + number(4),
        "63 cells": b"\1\1\0\0\0" + number(300) + b"\0" * 16 + put_cells([[0, 0, 0]] * 63, 300),
    }
    return {
        "about": "Known answers for docs/spec/sync.md; made by generate_sync.py. Bytes are in hexadecimal; id n is BLAKE3 of n as u64.",
        "sets": sets(),
        "chains": [
            {
                "name": n,
                "key": ALICE.hex(),
                "commits": [[s, i.hex(), p.hex() if p else None] for s, i, p in c],
                "fingerprint": prints[n][0].hex(),
                "chain": prints[n][1].hex(),
            }
            for n, c in chains.items()
        ],
        "digest": {"pod": POD.hex(), "parts": [p.hex() for p in parts], "digest": d.hex()},
        "derived": {
            "key": K.hex(),
            "initiator_round_1": tag(0, 1).hex(),
            "responder_round_2": tag(1, 2).hex(),
            "everything_round_1": material(0, 1, b"").hex(),
            "chain_round_3_by_responder": material(1, 3, ALICE).hex(),
        },
        "messages": [{"name": n, "message": m.hex()} for n, m in messages.items()],
        "refused": [{"name": n, "message": m.hex()} for n, m in refused.items()],
    }



if __name__ == "__main__":
    (HERE / "sync.json").write_text(json.dumps(sync(), indent=1, ensure_ascii=False) + "\n")
