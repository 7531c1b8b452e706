#!/usr/bin/env python3
"""Writes tuple.json: known answers for docs/spec/commit.md.

A second implementation of the format, written from its specification and sharing no code with the first one. Needs Python 3.11 and
`cryptography` 48. The tests only read the JSON file; run this after a change of the specification:
python3 docs/spec/vectors/generate_tuple.py
"""

import base64
import hashlib
import json
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

sys.dont_write_bytecode = True

from generate import HERE, IV, Link, PERMUTATION, cbor, cid, envelope, multikey, rotr, text

# ---------------------------------------------------------------- BLAKE3 of any length, keyed, with any length of output

CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 4, 8, 16, 32, 64


def compress(cv, block, counter, length, flags):
    v = list(cv) + IV[:4] + [counter & 0xFFFFFFFF, counter >> 32, length, flags]
    m = list(struct.unpack("<16I", block.ljust(64, b"\0")))

    def g(a, b, c, d, x, y):
        v[a] = (v[a] + v[b] + x) & 0xFFFFFFFF
        v[d] = rotr(v[d] ^ v[a], 16)
        v[c] = (v[c] + v[d]) & 0xFFFFFFFF
        v[b] = rotr(v[b] ^ v[c], 12)
        v[a] = (v[a] + v[b] + y) & 0xFFFFFFFF
        v[d] = rotr(v[d] ^ v[a], 8)
        v[c] = (v[c] + v[d]) & 0xFFFFFFFF
        v[b] = rotr(v[b] ^ v[c], 7)

    for _ in range(7):
        g(0, 4, 8, 12, m[0], m[1]), g(1, 5, 9, 13, m[2], m[3]), g(2, 6, 10, 14, m[4], m[5]), g(3, 7, 11, 15, m[6], m[7])
        g(0, 5, 10, 15, m[8], m[9]), g(1, 6, 11, 12, m[10], m[11]), g(2, 7, 8, 13, m[12], m[13]), g(3, 4, 9, 14, m[14], m[15])
        m = [m[i] for i in PERMUTATION]
    return [v[i] ^ v[i + 8] for i in range(8)] + [v[i + 8] ^ cv[i] for i in range(8)]


def node(key, mode, data, first=0):
    """The last compression of a tree over `data`, not yet done: (cv, block, counter, length, flags)."""
    if len(data) > 1024:
        left = 1 << ((len(data) - 1) // 1024).bit_length() - 1
        halves = [node(key, mode, data[: left * 1024], first), node(key, mode, data[left * 1024 :], first + left)]
        block = b"".join(struct.pack("<8I", *compress(*half)[:8]) for half in halves)
        return key, block, 0, 64, mode | PARENT
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    cv = key
    for i, block in enumerate(blocks):
        flags = mode | (CHUNK_START if i == 0 else 0) | (CHUNK_END if i == len(blocks) - 1 else 0)
        if i == len(blocks) - 1:
            return cv, block, first, len(block), flags
        cv = compress(cv, block, first, len(block), flags)[:8]


def blake3(data, key=None, mode=0, length=32):
    key = list(struct.unpack("<8I", key)) if key else IV
    cv, block, _, size, flags = node(key, mode, data)
    out = b"".join(struct.pack("<16I", *compress(cv, block, i, size, flags | ROOT)) for i in range((length + 63) // 64))
    return out[:length]


def keyed(key, data, length=32):
    return blake3(data, key, KEYED, length)


def derive_key(context, material, length=32):
    return blake3(material, blake3(context.encode(), None, DERIVE_CONTEXT), DERIVE_MATERIAL, length)


# from the test vectors of BLAKE3: input is 0, 1, …, 250, 0, …
PATTERN = bytes(i % 251 for i in range(5121))
assert blake3(PATTERN[:1025]).hex() == "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"
assert blake3(PATTERN[:5121]).hex() == "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff"
assert keyed(b"whats the Elvish word for friend", PATTERN[:1024]).hex() == (
    "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"
)

# ---------------------------------------------------------------- XChaCha20-Poly1305


def hchacha20(key, nonce):
    s = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key)) + list(struct.unpack("<4I", nonce))

    def q(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotr(s[z] ^ s[x], 32 - n)

    for _ in range(10):
        q(0, 4, 8, 12), q(1, 5, 9, 13), q(2, 6, 10, 14), q(3, 7, 11, 15)
        q(0, 5, 10, 15), q(1, 6, 11, 12), q(2, 7, 8, 13), q(3, 4, 9, 14)
    return struct.pack("<8I", *s[:4], *s[12:])


# draft-irtf-cfrg-xchacha, section 2.2.1
assert hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex() == (
    "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
)


def xchacha20poly1305(key, nonce, plaintext, data):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(b"\0" * 4 + nonce[16:], plaintext, data)


# ---------------------------------------------------------------- the format


def entity_id(creator, nonce):
    return derive_key("rhizome entity id v1", creator.encode() + b"\0" + nonce)[:24]


def entity_text(entity):
    return "rz:" + base64.b32encode(entity).decode().lower().rstrip("=")


def raw_blake3(content):
    return cid(0x55, 0x1E, blake3(content))


def value(v):
    """A value from its JSON form in this file."""
    ((kind, x),) = v.items()
    return {
        "boolean": lambda: x,
        "integer": lambda: int(x),
        "float": lambda: float(x),
        "text": lambda: x,
        "bytes": lambda: bytes.fromhex(x),
        "blob": lambda: Link(bytes.fromhex(x)),
        "ref": lambda: [0, bytes.fromhex(x)],
        "time": lambda: [1, int(x)],
    }[kind]()


def op(o):
    ids = [[bytes.fromhex(c), leaf, i] for c, leaf, i in o.get("supersedes", [])]
    a = o.get("attribute")
    return {
        "assert": lambda: [0, a, value(o["value"]), ids],
        "retract": lambda: [1, a, ids],
        "add": lambda: [2, a, int(o["n"])],
        "text": lambda: [3, a, bytes.fromhex(o["payload"])],
        "list": lambda: [4, a, bytes.fromhex(o["position"]), value(o["value"]), ids],
        "insert": lambda: [5, a, value(o["value"])],
        "erase": lambda: [6, [[bytes.fromhex(c), leaf] for c, leaf in o["leaves"]]],
        "create": lambda: [7, bytes.fromhex(o["nonce"])],
        "note": lambda: [10, bytes.fromhex(o["payload"])],
        "quote": lambda: [8, bytes.fromhex(o["leaf"][0]), o["leaf"][1], o["author"] and bytes.fromhex(o["author"]), int(o["hlc"]),
                          [[place, op(inner)] for place, inner in o["ops"]]],
        "withdraw": lambda: [9, [[bytes.fromhex(c), leaf] for c, leaf in o["leaves"]]],
    }[o["op"]]()


def leaf_hash(sealed):
    return blake3(b"\0" + sealed)


def tree(hashes):
    """The root, and the path of every leaf from the bottom up."""
    if len(hashes) == 1:
        return hashes[0], [[]]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    (left, a), (right, b) = tree(hashes[:k]), tree(hashes[k:])
    return blake3(b"\1" + left + right), [p + [right] for p in a] + [p + [left] for p in b]


def seal(secret, pod, commit_nonce, index, entity, plaintext):
    place = commit_nonce + index.to_bytes(4, "big")
    address = blake3(pod.encode()) + place + entity
    entity_key = keyed(derive_key("rhizome epoch entity keys v1", secret), entity)
    mask = keyed(derive_key("rhizome epoch entity mask v1", secret), place)
    both = keyed(entity_key, b"rhizome leaf v1", 64)
    nonce = keyed(both[32:], address + plaintext, 24)
    out = {
        "epoch": derive_key("rhizome epoch id v1", secret)[:8],
        "entity_key": entity_key,
        "locator": bytes(x ^ y for x, y in zip(entity, mask)),
        "nonce": nonce,
        "ciphertext": xchacha20poly1305(both[:32], nonce, plaintext, address),
    }
    out["sealed"] = cbor([out["epoch"], out["locator"], out["nonce"], out["ciphertext"]])
    out["hash"] = leaf_hash(out["sealed"])
    return out


def hexed(o):
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in o.items()}


POD = "did:rhizome:bafyreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"
E1, E2 = sorted([entity_id(POD, b"one"), entity_id(POD, b"two")])
C1 = blake3(b"a commit")
C2 = blake3(b"another commit")
BLOB = raw_blake3(b"a photo")

VALUES = {
    "false": {"boolean": False},
    "true": {"boolean": True},
    "zero": {"integer": "0"},
    "minus one": {"integer": "-1"},
    "largest integer": {"integer": str(2**63 - 1)},
    "smallest integer": {"integer": str(-(2**63))},
    "float": {"float": 2.5},
    "whole float": {"float": 2.0},
    "zero float": {"float": 0.0},
    "largest float": {"float": 1.7976931348623157e308},
    "smallest float": {"float": 5e-324},
    "time": {"time": "1732104000000"},
    "earliest time": {"time": str(-(2**63))},
    "empty text": {"text": ""},
    "text": {"text": "Ünïcödé 𝄞"},
    "empty bytes": {"bytes": ""},
    "bytes": {"bytes": "00ff"},
    "reference": {"ref": E1.hex()},
    "blob": {"blob": bytes(BLOB).hex()},
}

VALUES_REFUSED = {
    "null": None,
    "integer above 63 bits": 2**63,
    "integer below 63 bits": -(2**63) - 1,
    "map": {},
    "empty list": [],
    "reference without an entity": [0],
    "reference with 23 bytes": [0, b"\0" * 23],
    "reference with three elements": [0, E1, 0],
    "reference as text": [0, "x" * 24],
    "time as a float": [1, 1.0],
    "time above 63 bits": [1, 2**63],
    "reference into another pod, reserved": [2, "did:key:x", E1],
    "kind below zero": [-1, 0],
}

OPS = {
    "assert": {"op": "assert", "attribute": "social/text", "value": {"text": "hello"}, "supersedes": []},
    "assert over two": {
        "op": "assert",
        "attribute": "x",
        "value": {"ref": E2.hex()},
        "supersedes": [[C1.hex(), 0, 1], [C2.hex(), 65535, 65535]],
    },
    "retract": {"op": "retract", "attribute": "social/text", "supersedes": [[C1.hex(), 3, 0]]},
    "retract nothing": {"op": "retract", "attribute": "social/text", "supersedes": []},
    "add": {"op": "add", "attribute": "likes", "n": "-3"},
    "add the most": {"op": "add", "attribute": "likes", "n": str(2**63 - 1)},
    "text": {"op": "text", "attribute": "note/body", "payload": "0102"},
    "list": {"op": "list", "attribute": "social/media", "position": "80", "value": {"integer": "7"}, "supersedes": []},
    "list, moved": {
        "op": "list",
        "attribute": "social/media",
        "position": "7f80",
        "value": {"blob": bytes(BLOB).hex()},
        "supersedes": [[C1.hex(), 0, 0]],
    },
    "insert": {"op": "insert", "attribute": "social/tag", "value": {"text": "déjà-vu"}},
    "erase": {"op": "erase", "leaves": [[C1.hex(), 0], [C2.hex(), 9]]},
    "erase nothing": {"op": "erase", "leaves": []},
    "create": {"op": "create", "nonce": "6f6e65"},
    "create with an empty nonce": {"op": "create", "nonce": ""},
    "withdraw": {"op": "withdraw", "leaves": [[C2.hex(), 3]]},
    "quote of one's own": {"op": "quote", "leaf": [C1.hex(), 0], "author": None, "hlc": "65536", "ops": [[0, {"op": "add", "attribute": "n", "n": "1"}]]},
    "note": {"op": "note", "payload": "00ff"},
    "quote": {
        "op": "quote",
        "leaf": [C1.hex(), 5],
        "author": "ed01" + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "hlc": "1893456000000",
        "ops": [
            [0, {"op": "create", "nonce": "6f6e65"}],
            [300, {"op": "insert", "attribute": "tag", "value": {"text": "quoted"}}],
        ],
    },
}

A = "name"
LEAVES_REFUSED = {
    "empty": b"",
    "no operations": cbor([]),
    "not a list": cbor({"op": 0}),
    "unknown kind": cbor([[8, A, 1]]),
    "kind below zero": cbor([[-1, A, 1]]),
    "empty operation": cbor([[]]),
    "assert too short": cbor([[0, A, 1]]),
    "assert too long": cbor([[0, A, 1, [], 0]]),
    "attribute empty": cbor([[5, "", 1]]),
    "attribute with a space": cbor([[5, "a b", 1]]),
    "attribute with a no-break space": cbor([[5, "a\u00a0b", 1]]),
    "attribute with a control character": cbor([[5, "a\u0085b", 1]]),
    "attribute of 256 bytes": cbor([[5, "x" * 256, 1]]),
    "attribute as bytes": cbor([[5, b"name", 1]]),
    "value null": cbor([[5, A, None]]),
    "number above 63 bits": cbor([[2, A, 2**63]]),
    "number as a float": cbor([[2, A, 1.0]]),
    "position empty": cbor([[4, A, b"", 1, []]]),
    "position of 1025 bytes": cbor([[4, A, b"\1" * 1025, 1, []]]),
    "superseded operation of 31 bytes": cbor([[1, A, [[C1[:31], 0, 0]]]]),
    "superseded operation without a place": cbor([[1, A, [[C1, 0]]]]),
    "superseded operation with a place above 32 bits": cbor([[1, A, [[C1, 2**32, 0]]]]),
    "nonce of 65 bytes": cbor([[7, b"\0" * 65]]),
    "negative zero": bytes.fromhex("818305") + cbor(A) + bytes.fromhex("fb8000000000000000"),
    "not the shortest form": bytes.fromhex("81831805") + cbor(A) + cbor(1),
    "trailing byte": cbor([[5, A, 1]]) + b"\0",
    "one good, one bad": cbor([[5, A, 1], [8]]),
}

ATTRIBUTES = {
    "accepted": ["x", "social/text", "ä/ö", "emoji/🪱", "a" * 255, "dotted.name", "x:y", "\u200bzero-width"],
    "refused": ["", "a b", "a\tb", "a\nb", "a\u00a0b", "a\u3000b", "a\u0000b", "a\u007fb", "a\u009fb", "a\u2028b", "a" * 256, "ä" * 128],
}


def commits():
    secret = bytes(range(32))
    for name, seed, seq, more, contents in (
        ("first of a chain", 1, 0, {}, [(E1, [OPS["assert"], OPS["insert"]])]),
        (
            "with everything",
            1,
            (1 << 32) + 1,
            {
                "prev": C1,
                "frontier": [[multikey(b"\2" * 32), 7, C2], [multikey(b"\3" * 32), 1 << 40, C1]],
                "cap": cid(0x71, 0x12, hashlib.sha256(b"a delegation").digest()),
            },
            [(E1, [OPS["assert over two"], OPS["list, moved"]]), (E2, [OPS["create"], OPS["add"], OPS["erase"]])],
        ),
    ):
        nonce = bytes(range(100 + seed, 116 + seed))
        leaves = []
        for i, (entity, ops) in enumerate(contents):
            plaintext = cbor([op(o) for o in ops])
            leaves.append((entity, ops, plaintext, seal(secret, POD, nonce, i, entity, plaintext)))
        header = {
            "v": 1,
            "pod": POD,
            "device": multikey(bytes([seed] * 32)),
            "seq": seq,
            "prev": None,
            "frontier": [],
            "hlc": 1732104000000 << 16 | 5,
            "cap": None,
            "nonce": nonce,
            "root": tree([s["hash"] for *_, s in leaves])[0],
            "leaves": len(leaves),
        } | more
        payload = cbor(header)
        yield {
            "name": name,
            "seed": bytes([seed] * 32).hex(),
            "epoch_secret": secret.hex(),
            "seq": str(seq),
            "prev": header["prev"] and header["prev"].hex(),
            "frontier": [[k.hex(), str(n), c.hex()] for k, n, c in header["frontier"]],
            "hlc": str(header["hlc"]),
            "cap": header["cap"] and text(header["cap"]),
            "nonce": nonce.hex(),
            "pod": POD,
            "leaves": [
                {"entity": entity.hex(), "ops": ops, "plaintext": plaintext.hex()} | hexed(sealed)
                for entity, ops, plaintext, sealed in leaves
            ],
            "root": header["root"].hex(),
            "payload": payload.hex(),
            "id": blake3(payload).hex(),
            "cid": text(cid(0x71, 0x1E, blake3(payload))),
            "envelope": envelope("rhizome/commit@1", payload, bytes([seed] * 32)).hex(),
        }


def tuple_vectors():
    long_plaintext = cbor([op({"op": "insert", "attribute": "long", "value": {"text": "x" * 3000}})])
    merkle = []
    for n in (1, 2, 3, 4, 5, 7, 8, 9, 20):
        leaves = [leaf_hash(bytes([i])) for i in range(n)]
        root, paths = tree(leaves)
        merkle.append({"leaves": n, "root": root.hex(), "paths": [[h.hex() for h in p] for p in paths]})
    return {
        "about": "Known answers for docs/spec/commit.md; made by generate_tuple.py. Bytes are in hexadecimal.",
        "entity_ids": [
            {"creator": c, "nonce": n.hex(), "id": entity_id(c, n).hex(), "text": entity_text(entity_id(c, n))}
            for c, n in ((POD, b""), (POD, b"one"), ("did:key:z6Mk", b"one"), ("", b"\0"), (POD, bytes(range(64))))
        ],
        "attributes": ATTRIBUTES,
        "values": [{"name": n, "value": v, "cbor": cbor(value(v)).hex()} for n, v in VALUES.items()],
        "values_refused": [{"name": n, "cbor": cbor(v).hex()} for n, v in VALUES_REFUSED.items()],
        "operations": [{"name": n, "json": o, "cbor": cbor(op(o)).hex()} for n, o in OPS.items()],
        "leaves_refused": [{"name": n, "plaintext": b.hex()} for n, b in LEAVES_REFUSED.items()],
        "epochs": [
            {
                "secret": s.hex(),
                "id": derive_key("rhizome epoch id v1", s)[:8].hex(),
                "entity": E1.hex(),
                "entity_key": keyed(derive_key("rhizome epoch entity keys v1", s), E1).hex(),
            }
            for s in (b"\0" * 32, bytes(range(32)), b"\xff" * 32)
        ],
        "leaves": [
            {"secret": s.hex(), "pod": p, "commit_nonce": n.hex(), "index": i, "entity": e.hex(), "plaintext": t.hex()}
            | hexed(seal(s, p, n, i, e, t))
            for s, p, n, i, e, t in (
                (b"\0" * 32, POD, b"\0" * 16, 0, E1, cbor([op(OPS["assert"])])),
                (bytes(range(32)), POD, bytes(range(16)), 65535, E2, cbor([op(o) for o in OPS.values()])),
                (bytes(range(32)), "did:key:z6Mk", b"\xff" * 16, 1, E1, long_plaintext),
                (bytes(range(32)), POD, b"\1" * 16, 1, E1, b""),
            )
        ],
        "merkle": merkle,
        "commits": list(commits()),
    }


if __name__ == "__main__":
    (HERE / "tuple.json").write_text(json.dumps(tuple_vectors(), indent=1, ensure_ascii=False) + "\n")
