#!/usr/bin/env python3
"""Writes ipld.json and identity.json: known answers for docs/spec/ipld.md and docs/spec/identity.md, and from them the seeds of
the fuzz targets (fuzz/seeds).

A second implementation of the two formats, written from their specification and sharing no code with the first one, so that an
agreement means something. Needs Python 3.11 and `cryptography` 48. The tests only read the JSON files; run this after a change of
the specification:  python3 docs/spec/vectors/generate.py
"""

import base64
import hashlib
import json
import pathlib
import struct
import unicodedata

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent

# ---------------------------------------------------------------- BLAKE3 (one chunk: up to 1,024 bytes; the paper, section 2)

IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 8, 32, 64


def rotr(x, n):
    return ((x >> n) | (x << (32 - n))) & 0xFFFFFFFF


def compress(cv, block, length, flags):
    v = cv[:8] + IV[:4] + [0, 0, length, flags]
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
    return [v[i] ^ v[i + 8] for i in range(8)]


def blake3_with(key, data, mode):
    assert len(data) <= 1024, "one chunk only"
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    cv = key
    for i, block in enumerate(blocks):
        flags = mode | (CHUNK_START if i == 0 else 0) | (CHUNK_END | ROOT if i == len(blocks) - 1 else 0)
        cv = compress(cv, block, len(block), flags)
    return struct.pack("<8I", *cv)


def blake3(data):
    return blake3_with(IV, data, 0)


def derive_key(context, material):
    key = struct.unpack("<8I", blake3_with(IV, context.encode(), DERIVE_CONTEXT))
    return blake3_with(list(key), material, DERIVE_MATERIAL)


assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"

# ---------------------------------------------------------------- DAG-CBOR, CIDs, bases


class Link(bytes):
    """A CID, encoded as tag 42."""


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    info, width = next((24 + i, 1 << i) for i in range(4) if n < 1 << (8 << i))
    return bytes([major << 5 | info]) + n.to_bytes(width, "big")


def cbor(value):
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, Link):
        return b"\xd8\x2a" + head(2, len(value) + 1) + b"\0" + bytes(value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(map(cbor, value))
    keys = sorted(value, key=lambda k: (len(k.encode()), k.encode()))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(value[k]) for k in keys)


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def cid(codec, code, digest):
    return Link(varint(1) + varint(codec) + varint(code) + varint(len(digest)) + digest)


def cid_sha256(block):
    return cid(0x71, 0x12, hashlib.sha256(block).digest())


def cid_blake3(block):
    return cid(0x71, 0x1E, blake3(block))


def text(c):
    return "b" + base64.b32encode(c).decode().lower().rstrip("=")


def base58(data):
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    n, out = int.from_bytes(data, "big"), ""
    while n:
        n, digit = divmod(n, 58)
        out = alphabet[digit] + out
    return "z" + "1" * (len(data) - len(data.lstrip(b"\0"))) + out


# ---------------------------------------------------------------- keys and signatures

ED25519 = bytes.fromhex("3401ed01ed011371")


def multikey(seed):
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return varint(0xED) + public


def sign(domain, payload, seed):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(domain.encode() + b"\0" + payload)


def envelope(domain, payload, seed):
    return cbor([payload, ED25519, sign(domain, payload, seed)])


def signature_block(domain, payload, seeds):
    rows = sorted([multikey(s), ED25519, sign(domain, payload, s)] for s in seeds)
    return cbor({"p": cid_sha256(payload), "s": rows})


def car(roots, blocks):
    header = cbor({"roots": roots, "version": 1})
    parts = [varint(len(header)) + header]
    parts += [varint(len(c) + len(b)) + bytes(c) + b for c, b in blocks]
    return b"".join(parts)


# ---------------------------------------------------------------- ipld.json


def ipld():
    link = cid_sha256(cbor("linked"))
    accepted = {
        "zero": 0,
        "largest inline": 23,
        "one byte": 24,
        "two bytes": 256,
        "four bytes": 65536,
        "eight bytes": 1 << 32,
        "largest": (1 << 64) - 1,
        "minus one": -1,
        "smallest": -(1 << 64),
        "float": 1.5,
        "float that is whole": 1.0,
        "false": False,
        "true": True,
        "null": None,
        "empty text": "",
        "text": "ü€𝄞",
        "bytes": bytes(range(24)),
        "link": link,
        "lists": [[], [1, [2]]],
        "map, shorter keys first": {"b": 1, "aa": 2, "": 3, "a": 4},
        "deepest": eval("[" * 64 + "]" * 64),
    }
    refused = {
        "empty input": ("", "Truncated"),
        "integer in two bytes": ("1817", "NotMinimal"),
        "integer in three bytes": ("1900ff", "NotMinimal"),
        "integer in five bytes": ("1a0000ffff", "NotMinimal"),
        "integer in nine bytes": ("1b00000000ffffffff", "NotMinimal"),
        "negative in two bytes": ("3817", "NotMinimal"),
        "length of bytes": ("580161", "NotMinimal"),
        "length of text": ("780161", "NotMinimal"),
        "length of list": ("980101", "NotMinimal"),
        "length of map": ("b801616101", "NotMinimal"),
        "tag in three bytes": ("d9002a" + cbor(link).hex()[4:], "NotMinimal"),
        "integer cut short": ("1901", "Truncated"),
        "text cut short": ("6261", "Truncated"),
        "list cut short": ("8201", "Truncated"),
        "map cut short": ("a16161", "Truncated"),
        "list of 2^64 - 1": ("9bffffffffffffffff", "Truncated"),
        "map of 2^63": ("bb8000000000000000", "Truncated"),
        "bytes of 2^64 - 1": ("5bffffffffffffffff", "Truncated"),
        "two values": ("0000", "Trailing"),
        "keys out of order": ("a2616201616101", "KeyOrder"),
        "longer key first": ("a262616101616201", "KeyOrder"),
        "key twice": ("a2616101616101", "KeyOrder"),
        "key twice, deep inside": ("81a1616181a2616101616101", "KeyOrder"),
        "integer key": ("a10101", "KeyType"),
        "bytes key": ("a1416101", "KeyType"),
        "bytes without end": ("5f4161ff", "Forbidden"),
        "text without end": ("7f6161ff", "Forbidden"),
        "list without end": ("9f01ff", "Forbidden"),
        "map without end": ("bf616101ff", "Forbidden"),
        "reserved head": ("1c", "Forbidden"),
        "break alone": ("ff", "Forbidden"),
        "undefined": ("f7", "Forbidden"),
        "simple value": ("e0", "Forbidden"),
        "simple value in two bytes": ("f820", "Forbidden"),
        "half float": ("f93e00", "Forbidden"),
        "single float": ("fa3fc00000", "Forbidden"),
        "not a number": ("fb7ff8000000000000", "Float"),
        "infinity": ("fb7ff0000000000000", "Float"),
        "minus infinity": ("fbfff0000000000000", "Float"),
        "negative zero": ("fb8000000000000000", "Float"),
        "text that is not UTF-8": ("61ff", "Utf8"),
        "surrogate": ("63eda080", "Utf8"),
        "tag 0": ("c060", "Tag"),
        "tag 2, a big integer": ("c24101", "Tag"),
        "tag 43": ("d82b4100", "Tag"),
        "link to text": ("d82a6100", "Link"),
        "link without zero byte": ("d82a5824" + bytes(link).hex(), "Link"),
        "empty link": ("d82a40", "Link"),
        "link that is cut short": ("d82a5824" + "00" + bytes(link).hex()[:-2], "Link"),
        "link with a byte too many": ("d82a5826" + "00" + bytes(link).hex() + "00", "Link"),
        "link with a long varint": ("d82a5826" + "00" + "8100" + bytes(link).hex()[2:], "Link"),
        "nested 65 deep": ("81" * 64 + "80", "TooDeep"),
    }
    seeds = [bytes([i]) * 32 for i in (1, 2, 3)]
    keys = [{"seed": s.hex(), "multikey": multikey(s).hex(), "text": base58(multikey(s)), "did": "did:key:" + base58(multikey(s))} for s in seeds]
    for curve, code in ((ec.SECP256R1(), 0x1200), (ec.SECP256K1(), 0xE7)):
        point = ec.derive_private_key(7, curve).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        key = varint(code) + point
        keys.append({"multikey": key.hex(), "text": base58(key), "did": "did:key:" + base58(key)})

    envelopes = []
    for domain, content in (("vector/note@1", "hello"), ("vector/note@1", ""), ("vector/order@1", "hello")):
        payload = cbor({"author": multikey(seeds[0]), "text": content})
        envelopes.append({
            "domain": domain,
            "seed": seeds[0].hex(),
            "text": content,
            "payload": payload.hex(),
            "signature": sign(domain, payload, seeds[0]).hex(),
            "envelope": envelope(domain, payload, seeds[0]).hex(),
            "id_sha256": text(cid_sha256(payload)),
            "id_blake3": text(cid_blake3(payload)),
        })
    payload = cbor({"parties": [multikey(s) for s in seeds], "text": "we agree"})
    multi = {
        "domain": "vector/agreement@1",
        "seeds": [s.hex() for s in seeds],
        "payload": payload.hex(),
        "signatures": signature_block("vector/agreement@1", payload, seeds).hex(),
        "id": text(cid_sha256(payload)),
    }
    one, two, raw = cbor({"a": 1}), cbor([1, 2, 3]), b"a file"
    blocks = [(cid_sha256(one), one), (cid_blake3(two), two), (cid(0x55, 0x1E, blake3(raw)), raw)]
    archive = {
        "roots": [text(blocks[0][0])],
        "blocks": [{"cid": text(c), "block": b.hex()} for c, b in blocks],
        "car": car([blocks[0][0]], blocks).hex(),
    }
    return {
        "about": "Known answers for docs/spec/ipld.md; made by generate.py. Bytes are in hexadecimal.",
        "accepted": [
            {"name": n, "cbor": cbor(v).hex(), "cid_sha256": text(cid_sha256(cbor(v))), "cid_blake3": text(cid_blake3(cbor(v)))}
            for n, v in accepted.items()
        ],
        "refused": [{"name": n, "cbor": b, "error": e} for n, (b, e) in refused.items()],
        "raw": [{"bytes": raw.hex(), "cid": text(cid(0x55, 0x1E, blake3(raw)))}],
        "keys": keys,
        "envelopes": envelopes,
        "multi": multi,
        "car": archive,
    }


# ---------------------------------------------------------------- identity.json


def x_wing(seed):
    expanded = hashlib.shake_256(seed).digest(96)
    pq = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
    ecc = x25519.X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()
    return varint(0x300001) + pq + ecc


def recovery(entropy):
    key = multikey(derive_key("rhizome recovery key v1", entropy))
    salt = derive_key("rhizome recovery salt v1", entropy)
    return key, salt, {"k": 1, "keys": [hashlib.sha256(salt + key).digest()]}


def quarter(v, a, b, c, d):
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        v[x] = (v[x] + v[y]) & 0xFFFFFFFF
        v[z] = rotr(v[z] ^ v[x], 32 - n)


def xchacha20poly1305(key, nonce, plain, associated):
    """draft-irtf-cfrg-xchacha: HChaCha20 of the first 16 nonce bytes, then ChaCha20-Poly1305 (RFC 8439)."""
    v = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", nonce[:16]))
    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(v, *columns)
        for diagonals in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(v, *diagonals)
    subkey = struct.pack("<8I", *v[:4], *v[12:])
    return ChaCha20Poly1305(subkey).encrypt(bytes(4) + nonce[16:], plain, associated)


def key_store(version, passphrase, memory, passes, salt, nonce, plain):
    normal = unicodedata.normalize("NFC", passphrase).encode()
    root = Argon2id(salt=salt, length=32, iterations=passes, lanes=1, memory_cost=memory).derive(normal)
    key = derive_key("rhizome key store encryption v1", root)
    check = derive_key("rhizome key store check v1", root)[:16]
    header = b"RZKEYS" + bytes([version, 1 if passphrase else 0])
    header += struct.pack(">3I", memory, passes, 1) + salt + nonce + check + struct.pack(">I", len(plain) + 16)
    return header + xchacha20poly1305(key, nonce, plain, header)


def device_log():
    """One operation of every kind, each signed by whom it has to be signed by. What the identity is after some of them is written
    down by hand from the rule, not computed."""
    seed = {n: bytes([n]) * 32 for n in range(1, 30)}
    kem = lambda n: varint(0xEC) + seed[n]  # X25519: 32 bytes, any will do
    device = lambda n, role="admin": {"key": multikey(seed[n]), "kem": kem(n), "role": role}
    hidden = lambda n: hashlib.sha256(seed[n] + multikey(seed[n])).digest()  # the salt is the seed: never do this in earnest
    reveals = lambda ns: sorted(({"salt": seed[n], "key": multikey(seed[n])} for n in ns), key=lambda r: r["key"])
    friends = {"k": 2, "keys": sorted(hidden(n) for n in (11, 12, 13))}
    words, new_words = ({"k": 1, "keys": [hidden(n)]} for n in (14, 15))
    operations, cids, cars = [], {}, []

    def operation(name, kind, fields, signers, prev=None):
        if prev is not None:
            fields["prev"] = sorted(cids[p] for p in prev)
        payload = cbor({"rhizome/did@1": {kind: fields}})
        signatures = signature_block("rhizome/did@1", payload, [seed[n] for n in signers])
        cids[name] = cid_sha256(payload)
        cars.extend([(cids[name], payload), (cid_sha256(signatures), signatures)])
        operations.append({"name": name, "kind": kind, "id": text(cids[name]), "payload": payload.hex(), "signatures": signatures.hex()})

    by = lambda n, add: {"key": multikey(seed[n]), "add": cids[add]}
    head = lambda process, seq: [multikey(seed[process]), seq, bytes([seq]) * 32]
    operation("create", "create", {
        "devices": [device(1)],
        "policies": [friends, words],
        "services": [{"id": "pod", "type": "RhizomePod", "endpoint": "https://pod.example.com/"}],
        "nonce": bytes(16),
    }, [1])
    operation("add 2", "device.add", {"by": by(1, "create"), "device": device(2)}, [1, 2], ["create"])
    operation("add 3", "device.add", {"by": by(2, "add 2"), "device": device(3, "member")}, [2, 3], ["add 2"])
    operation("update 3", "device.update", {"by": by(3, "add 3"), "kem": kem(23)}, [3], ["add 3"])
    operation("blog", "service.set", {
        "by": by(1, "create"), "id": "blog", "service": {"type": "Blog", "endpoint": "https://blog.example.com/"},
    }, [1], ["add 3"])
    operation("no pod", "service.set", {"by": by(1, "create"), "id": "pod", "service": None}, [1], ["blog"])
    operation("names", "aka.set", {"by": by(2, "add 2"), "aka": ["https://alice.example.com/"]}, [2], ["add 3"])
    # Concurrent with all that 2 did but join.
    operation("remove 2", "device.remove", {
        "by": by(1, "create"), "target": by(2, "add 2"), "seal": [head(21, 5)],
    }, [1], ["add 2"])
    operation("endorse 3", "endorse", {"by": by(1, "create"), "target": cids["add 3"]}, [1], ["update 3", "no pod", "names", "remove 2"])
    operation("policies", "policy.set", {
        "index": 1, "policies": [friends, new_words], "reveals": reveals([14]),
    }, [14], ["endorse 3"])
    operation("recover", "recover", {
        "index": 0, "reveals": reveals([11, 13]), "devices": [device(3), device(4)], "policies": [friends, new_words],
        "seal": [head(20, 7)],
    }, [3, 4, 11, 13], ["policies"])
    operation("end", "deactivate", {"reveals": reveals([12, 13])}, [12, 13], ["recover"])

    name = lambda n, add: {"key": base58(multikey(seed[n])), "add": text(cids[add])}
    active = lambda n, add, role="admin", k=None: name(n, add) | {"role": role, "kem": base58(kem(k or n))}
    blog = {"id": "blog", "type": "Blog", "endpoint": "https://blog.example.com/"}
    pod = {"id": "pod", "type": "RhizomePod", "endpoint": "https://pod.example.com/"}
    seal = lambda *heads: [[[base58(p), s, c.hex()] for p, s, c in one] for one in heads]
    states = [
        {"after": "names", "devices": [active(1, "create"), active(2, "add 2"), active(3, "add 3", "member", 23)], "services": [blog],
         "aka": ["https://alice.example.com/"], "policies": [friends, words], "epoch": 0,
         "version": text(cid_sha256(cbor(sorted([cids["update 3"], cids["no pod"], cids["names"]])))), "within": [], "never": []},
        {"after": "remove 2", "devices": [active(1, "create")], "services": [blog], "aka": [], "policies": [friends, words], "epoch": 0,
         "within": [name(2, "add 2") | {"seals": seal([head(21, 5)])}], "never": [name(3, "add 3")]},
        {"after": "endorse 3", "devices": [active(1, "create"), active(3, "add 3", "member", 23)], "services": [blog], "aka": [],
         "policies": [friends, words], "epoch": 0, "version": text(cids["endorse 3"]),
         "within": [name(2, "add 2") | {"seals": seal([head(21, 5)])}], "never": []},
        {"after": "policies", "devices": [active(1, "create"), active(3, "add 3", "member", 23)], "services": [blog], "aka": [],
         "policies": [friends, new_words], "epoch": 0,
         "within": [name(2, "add 2") | {"seals": seal([head(21, 5)])}], "never": []},
        {"after": "recover", "devices": [active(3, "recover"), active(4, "recover")], "services": [], "aka": [],
         "policies": [friends, new_words], "epoch": 1,
         "within": [name(1, "create") | {"seals": seal([head(20, 7)])},
                    name(2, "add 2") | {"seals": seal([head(21, 5)], [head(20, 7)])}], "never": []},
        {"after": "end", "devices": [], "services": [], "aka": [], "policies": [friends, new_words], "epoch": 1, "deactivated": True,
         "within": [name(1, "create") | {"seals": seal([head(20, 7)])},
                    name(2, "add 2") | {"seals": seal([head(21, 5)], [head(20, 7)])}], "never": []},
    ]
    for state in states:
        state["policies"] = [{"k": p["k"], "keys": [k.hex() for k in p["keys"]]} for p in state["policies"]]
    height, heights = {}, []
    for op, (prevs) in zip(operations, [[], ["create"], ["add 2"], ["add 3"], ["add 3"], ["blog"], ["add 3"], ["add 2"],
                                        ["update 3", "no pod", "names", "remove 2"], ["endorse 3"], ["policies"], ["recover"]]):
        height[op["name"]] = max((height[p] + 1 for p in prevs), default=0)
        heights.append((height[op["name"]], cids[op["name"]]))
    order = sorted(range(len(operations)), key=lambda i: heights[i])
    blocks = [block for i in order for block in cars[2 * i : 2 * i + 2]]
    did = "did:rhizome:" + text(cids["create"])
    enrol = cbor({
        "pod": did, "device": multikey(seed[3]), "add": cids["add 3"], "process": multikey(seed[22]), "nonce": bytes(16),
    })
    certificate = envelope("rhizome/enrol@1", enrol, seed[3])
    genesis = car([cids["create"]], cars[:2])
    plain = cbor([seed[3], seed[3], genesis, [], [["cli", seed[22], certificate]], None, cids["add 3"]])
    return {
        "did": did,
        "operations": operations,
        "states": states,
        "car": car([cids["end"]], blocks).hex(),
        "enrolment": certificate.hex(),
        "key_store": key_store(2, "", 8, 1, bytes(range(16)), bytes(range(24)), plain).hex(),
        "device_seed": seed[3].hex(),
    }


def identity():
    words = [
        {
            "entropy": entropy.hex(),
            "words": phrase,
            "key": base58(recovery(entropy)[0]),
            "salt": recovery(entropy)[1].hex(),
            "hidden": recovery(entropy)[2]["keys"][0].hex(),
            "kem_sha256": hashlib.sha256(x_wing(derive_key("rhizome recovery kem v1", entropy))).hexdigest(),
        }
        for entropy, phrase in (
            (bytes(32), "abandon " * 23 + "art"),
            (bytes([0xFF]) * 32, "zoo " * 23 + "vote"),
        )
    ]
    kems = [{"seed": (bytes([i]) * 32).hex(), "sha256": hashlib.sha256(x_wing(bytes([i]) * 32)).hexdigest()} for i in (1, 2)]

    def genesis(seeds, roles):
        payload = cbor({"rhizome/did@1": {"create": {
            "devices": [{"key": multikey(s), "kem": x_wing(s), "role": r} for s, r in zip(seeds, roles)],
            "policies": [recovery(bytes(32))[2]],
            "services": [{"id": "pod", "type": "RhizomePod", "endpoint": "https://pod.example.com/"}],
            "nonce": bytes(range(16)),
        }}})
        signatures = signature_block("rhizome/did@1", payload, seeds)
        c, s = cid_sha256(payload), cid_sha256(signatures)
        return {
            "seeds": [x.hex() for x in seeds],
            "roles": roles,
            "entropy": bytes(32).hex(),
            "nonce": bytes(range(16)).hex(),
            "did": "did:rhizome:" + text(c),
            "payload_sha256": hashlib.sha256(payload).hexdigest(),
            "signatures": signatures.hex(),
            "car": car([c], [(c, payload), (s, signatures)]).hex(),
        }

    seeds = [bytes([i]) * 32 for i in (1, 2)]
    geneses = [genesis(seeds[:1], ["admin"]), genesis(seeds, ["admin", "member"])]
    process = bytes([3]) * 32

    def enrolment(name):
        fields = {
            "pod": geneses[0]["did"],
            "device": multikey(seeds[0]),
            "process": multikey(process),
            "nonce": bytes(16),
        }
        enrol = cbor(fields | name)
        return {
            "pod": geneses[0]["did"],
            "device_seed": seeds[0].hex(),
            "process_seed": process.hex(),
            "nonce": bytes(16).hex(),
            "envelope": envelope("rhizome/enrol@1", enrol, seeds[0]).hex(),
            "id": text(cid_blake3(enrol)),
        } | name

    named = enrolment({"name": "cli"})
    plain = cbor([
        seeds[0],
        seeds[0],
        bytes.fromhex(geneses[0]["car"]),
        [[bytes([8]) * 8, bytes([9]) * 32]],
        [["cli", process, bytes.fromhex(named["envelope"])]],
        bytes(32),
    ])
    stores = [
        {"passphrase": p, "file": key_store(1, p, m, t, bytes(range(16)), bytes(range(24)), plain).hex()}
        for p, m, t in (("", 8, 1), ("corr\u00e9ct horse", 64 << 10, 3))
    ]
    return {
        "about": "Known answers for docs/spec/identity.md; made by generate.py. Bytes are in hexadecimal.",
        "words": words,
        "x_wing": kems,
        "genesis": geneses,
        "enrolment": enrolment({}),
        "enrolment_with_name": named,
        "log": device_log(),
        "key_store": {
            "device_seed": seeds[0].hex(),
            "epoch": {"name": "08" * 8, "secret": "09" * 32},
            "process": "cli",
            "entropy": bytes(32).hex(),
            "files": stores,
        },
    }


def seeds(ipld, identity):
    multi = ipld["multi"]
    payload = bytes.fromhex(multi["payload"])
    yield "car/blocks", ipld["car"]["car"]
    yield "envelope/signed", ipld["envelopes"][0]["envelope"]
    yield "envelope/agreement", (bytes([len(payload)]) + payload).hex() + multi["signatures"]
    yield "genesis/one", identity["genesis"][0]["car"]
    yield "genesis/two", identity["genesis"][1]["car"]
    log = identity["log"]
    yield "device_log/car", log["car"]
    yield "device_log/enrolment", log["enrolment"]
    yield "device_log/did", (log["did"] + " application/did+json").encode().hex()
    for operation in log["operations"]:
        payload, signatures = bytes.fromhex(operation["payload"]), bytes.fromhex(operation["signatures"])
        name = "device_log/" + operation["name"].replace(" ", "_")
        yield name, (len(payload).to_bytes(2, "big") + payload + signatures).hex()
        yield name + "_proposal", cbor([payload, signatures]).hex()
    yield "enrolment/cli", identity["enrolment"]["envelope"]
    yield "enrolment/named", identity["enrolment_with_name"]["envelope"]
    yield "enrolment/words", identity["words"][0]["words"].encode().hex()
    yield "enrolment/did", identity["genesis"][0]["did"].encode().hex()
    yield "key_store/without_passphrase", identity["key_store"]["files"][0]["file"]
    yield "public_key/key", ipld["keys"][0]["multikey"]
    yield "public_key/did", ipld["keys"][0]["did"].encode().hex()
    for case in ipld["accepted"]:
        yield "codec/" + case["name"].replace(", ", "_").replace(" ", "_"), case["cbor"]


def main():
    vectors = {"ipld": ipld(), "identity": identity()}
    for name, content in vectors.items():
        (HERE / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for name, content in seeds(**vectors):
        path = HERE.parents[2] / "fuzz" / "seeds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes.fromhex(content))


if __name__ == "__main__":
    main()
