#!/usr/bin/env python3
"""Writes capability.json: known answers for docs/spec/capability.md.

A second implementation of the format, written from its specification and sharing no code with the first one. Needs Python 3.11 and
`cryptography` 48. The tests only read the JSON file; run this after a change of the specification:
python3 docs/spec/vectors/generate_capability.py
"""

import base64
import gzip
import json
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sys.dont_write_bytecode = True

from generate import HERE, base58, cbor, cid_sha256, text, varint

NOW = 1_800_000_000
CURVES = {
    "P-256": (ec.SECP256R1(), 0x1200, "3401ec0180241271", 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "secp256k1": (ec.SECP256K1(), 0xE7, "3401ec01e7011271", 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141),
}


class Key:
    """Ed25519 with the seed n n n …"""

    header = bytes.fromhex("3401ed01ed011371")

    def __init__(self, n):
        self.secret = Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
        self.did = "did:key:" + base58(varint(0xED) + self.secret.public_key().public_bytes_raw())

    def sign(self, message):
        return self.secret.sign(message)


class EcKey:
    """A curve with the secret n."""

    def __init__(self, curve, n, high=False):
        curve, code, header, self.order = CURVES[curve]
        self.high, self.header = high, bytes.fromhex(header)
        self.secret = ec.derive_private_key(n, curve)
        point = self.secret.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.did = "did:key:" + base58(varint(code) + point)

    def sign(self, message):
        der = self.secret.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        if (s > self.order // 2) != self.high:
            s = self.order - s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def token(kind, payload, key, version="1.0.0-rc.1", header=None):
    signed = {"h": header or key.header, f"ucan/{kind}@{version}": payload}
    return cbor([key.sign(cbor(signed)), signed])


def delegation(by, to, sub="self", cmd="/", pol=(), exp=None, nonce=b"nonce", **more):
    return {"iss": by.did, "aud": to.did, "sub": by.did if sub == "self" else sub, "cmd": cmd, "pol": list(pol), "exp": exp, "nonce": nonce, **more}


def invocation(by, sub, cmd, proofs=(), args=None, exp=NOW + 60, **more):
    return {"iss": by.did, "sub": sub.did, "cmd": cmd, "args": args or {}, "prf": [cid_sha256(p) for p in proofs], "exp": exp, "nonce": b"nonce", **more}


ALICE, BOB, CAROL, DAN = map(Key, (1, 2, 3, 4))


def tokens():
    plain = delegation(ALICE, BOB, cmd="/pod/tuple/read", pol=[["==", '.entity["is-photo"]', True], ["<=", ".size", 9]], exp=NOW, nbf=NOW - 9, meta={"a": [None]})
    cases = {
        "Ed25519": (plain, ALICE, {}),
        "version 1.0.0": (plain, ALICE, {"version": "1.0.0"}),
        "powerline without end": (delegation(ALICE, BOB, sub=None), ALICE, {}),
        "P-256": (delegation(EcKey("P-256", 7), BOB), EcKey("P-256", 7), {}),
        "secp256k1": (delegation(EcKey("secp256k1", 7), BOB), EcKey("secp256k1", 7), {}),
    }
    refused = {
        "signed by another": (plain, BOB, {}, "InvalidSignature"),
        "P-256, high s": (delegation(EcKey("P-256", 7), BOB), EcKey("P-256", 7, high=True), {}, "InvalidSignature"),
        "secp256k1, high s": (delegation(EcKey("secp256k1", 7), BOB), EcKey("secp256k1", 7, high=True), {}, "InvalidSignature"),
        "header of another algorithm": (plain, ALICE, {"header": EcKey("P-256", 7).header}, "InvalidSignature"),
        "header of varsig v0": (plain, ALICE, {"header": bytes.fromhex("34ed0171")}, "InvalidSignature"),
        "version 0.10.0": (plain, ALICE, {"version": "0.10.0"}, "Malformed"),
        "field that is not one": (plain | {"fct": {}}, ALICE, {}, "InvalidClaim"),
        "optional field that is null": (plain | {"nbf": None}, ALICE, {}, "InvalidClaim"),
        "time before 1970": (plain | {"exp": -1}, ALICE, {}, "InvalidClaim"),
        "time beyond 53 bits": (plain | {"exp": 1 << 53}, ALICE, {}, "InvalidClaim"),
        "command with a capital": (plain | {"cmd": "/Pod"}, ALICE, {}, "InvalidClaim"),
        "command that ends with a slash": (plain | {"cmd": "/pod/"}, ALICE, {}, "InvalidClaim"),
        "policy that cannot be read": (plain | {"pol": [["==", ".is-photo", True]]}, ALICE, {}, "InvalidClaim"),
        "no nonce": ({k: v for k, v in plain.items() if k != "nonce"}, ALICE, {}, "InvalidClaim"),
    }
    accepted = []
    for name, (payload, key, more) in cases.items():
        block = token("dlg", payload, key, **more)
        accepted.append({"name": name, "token": block.hex(), "cid": text(cid_sha256(block)), "payload": text(cid_sha256(cbor(payload)))})
    return accepted, [{"name": n, "token": token("dlg", p, k, **m).hex(), "error": e} for n, (p, k, m, e) in refused.items()]


def chains():
    def dlg(by, to, sub=ALICE, **more):
        return token("dlg", delegation(by, to, sub=sub and sub.did, **more), by)

    first, second, third = dlg(ALICE, BOB), dlg(BOB, CAROL), dlg(CAROL, DAN)
    narrow, wider = dlg(ALICE, BOB, cmd="/pod/tuple"), dlg(BOB, CAROL, cmd="/pod/tuplex")
    small = [dlg(ALICE, BOB, pol=[["<=", ".quota", 10]]), dlg(BOB, CAROL, pol=[["<=", ".quota", 20]])]
    line, loose = dlg(BOB, CAROL, sub=None), dlg(ALICE, BOB, sub=None)
    other = dlg(BOB, CAROL, sub=DAN)
    late, early = dlg(BOB, CAROL, exp=NOW - 1), dlg(BOB, CAROL, nbf=NOW + 1)
    edge = dlg(BOB, CAROL, exp=NOW, nbf=NOW)
    stolen = dlg(BOB, CAROL)
    forged = token("dlg", delegation(ALICE, BOB), BOB)
    # name: proofs, who invokes, command, arguments, which proofs are there (None: all), error
    cases = {
        "the subject itself": ([], ALICE, "/a", {}, None, None),
        "one proof": ([first], BOB, "/a", {}, None, None),
        "three proofs": ([first, second, third], DAN, "/a/b", {}, None, None),
        "a powerline": ([first, line], CAROL, "/a", {}, None, None),
        "the first and the last second": ([first, edge], CAROL, "/a", {}, None, None),
        "a narrower command": ([narrow], BOB, "/pod/tuple/read", {}, None, None),
        "both policies": (small, CAROL, "/a", {"quota": 10}, None, None),
        "no proof": ([], BOB, "/a", {}, None, "InvalidClaim"),
        "a proof that is not there": ([first, second], CAROL, "/a", {}, [first], "UnavailableProof"),
        "a proof twice": ([first, dlg(BOB, ALICE), first], BOB, "/a", {}, None, "InvalidClaim"),
        "leaf first": ([second, first], CAROL, "/a", {}, None, "InvalidClaim"),
        "begins with a powerline": ([loose], BOB, "/a", {}, None, "InvalidClaim"),
        "begins with another issuer": ([stolen], CAROL, "/a", {}, None, "InvalidClaim"),
        "a gap": ([first, third], DAN, "/a", {}, None, "InvalidAudience"),
        "for another invoker": ([first], CAROL, "/a", {}, None, "InvalidAudience"),
        "another subject": ([first, other], CAROL, "/a", {}, None, "InvalidSubject"),
        "expired in the middle": ([first, late, third], DAN, "/a", {}, None, "Expired"),
        "too early": ([first, early], CAROL, "/a", {}, None, "TooEarly"),
        "a wider command": ([narrow], BOB, "/pod", {}, None, "CommandEscalation"),
        "a command that begins alike": ([narrow], BOB, "/pod/tuplex", {}, None, "CommandEscalation"),
        "a proof that widens": ([narrow, wider], CAROL, "/pod/tuplex", {}, None, "CommandEscalation"),
        "a policy": (small, CAROL, "/a", {"quota": 11}, None, "MatchError"),
        "a forged proof": ([forged], BOB, "/a", {}, None, "InvalidSignature"),
    }
    rows = []
    for name, (proofs, by, cmd, args, there, error) in cases.items():
        call = token("inv", invocation(by, ALICE, cmd, proofs, args), by)
        rows.append({"name": name, "time": NOW, "invocation": call.hex(), "proofs": [p.hex() for p in (proofs if there is None else there)], "error": error})
    call = token("inv", invocation(ALICE, ALICE, "/a", exp=NOW - 1), ALICE)
    rows.append({"name": "an expired invocation", "time": NOW, "invocation": call.hex(), "proofs": [], "error": "Expired"})
    call = token("inv", invocation(ALICE, ALICE, "/a"), BOB)
    rows.append({"name": "a forged invocation", "time": NOW, "invocation": call.hex(), "proofs": [], "error": "InvalidSignature"})
    return rows


def revocation():
    payload = delegation(ALICE, BOB)
    first, second = token("dlg", payload, ALICE), token("dlg", payload, ALICE, version="1.0.0")
    args = {"ucan": cid_sha256(first), "payload": cid_sha256(cbor(payload))}
    signed = token("inv", invocation(ALICE, ALICE, "/ucan/revoke", args=args, exp=None) | {"nonce": b""}, ALICE)
    return {"revocation": signed.hex(), "revoked": [first.hex(), second.hex()], "not": [token("dlg", payload | {"nonce": b"other"}, ALICE).hex()]}


# What a policy says of arguments: true, false, or null if it cannot be read.
POLICIES = [
    ({}, [], True),
    ({"a": 1}, [["==", ".a", 1.0]], True),
    ({"a": [1, {"b": 2.0}]}, [["==", ".a", [1.0, {"b": 2}]]], True),
    ({"a": 9007199254740993}, [["==", ".a", 9007199254740992.5]], False),
    ({}, [["==", ".a", None]], True),
    ({}, [["!=", ".a", 1]], True),
    ({}, [["==", ".a.b", None]], False),
    ({}, [["!=", ".a.b", 1]], False),
    ({}, [["not", ["==", ".a.b", 1]]], True),
    ({}, [["==", ".a.b?", None]], True),
    ({}, [["==", ".a.b.c?", None]], False),
    ({"a": 1}, [["<", ".a", 1]], False),
    ({"a": 1}, [["<=", ".a", 1], [">=", ".a", 0.5], [">", ".a", -1]], True),
    ({"a": "1"}, [["<", ".a", 2]], False),
    ({"a": "x"}, [["not", ["<", ".a", 2]]], True),
    ({"a": "ab\ncd"}, [["like", ".a", "a*d"]], True),
    ({"a": "a*"}, [["like", ".a", "a\\*"]], True),
    ({"a": "ab"}, [["like", ".a", "a\\*"]], False),
    ({"a": "\\b"}, [["like", ".a", "\\b"]], True),
    ({"a": "aba"}, [["like", ".a", "ab*ba"]], False),
    ({"a": 1}, [["like", ".a", "*"]], False),
    ({}, [["and", []], ["or", []]], True),
    ({"a": 1}, [["or", [["==", ".a", 2], ["==", ".a", 1]]]], True),
    ({"l": []}, [["all", ".l", ["==", ".", 1]]], True),
    ({"l": []}, [["any", ".l", ["==", ".", 1]]], False),
    ({"m": {"x": 1, "y": 2}}, [["any", ".m", ["==", ".", 2]]], True),
    ({"m": {"x": 1, "y": 2}}, [["==", ".m[]", [1, 2]]], True),
    ({"a": 1}, [["all", ".a", ["==", ".", 1]]], False),
    ({"l": [1, 2, 3]}, [["==", ".l[-1]", 3], ["==", ".l[1:]", [2, 3]], ["==", ".l[:-1]", [1, 2]], ["==", ".l[5:]", []]], True),
    ({"l": [1]}, [["==", ".l[1]", None]], False),
    ({"l": [1]}, [["==", ".l[1]??", None]], True),
    ({"a": "text"}, [["==", ".a[0]", "t"]], False),
    ({"is-photo": True}, [["==", '.["is-photo"]', True]], True),
    ({"e": {"is-photo": True}}, [["==", '.e["is-photo"]', True]], True),
    ({"is-photo": True}, [["==", ".is-photo", True]], None),
    ({"a": 1}, [["==", "a", 1]], None),
    ({"a": 1}, [["==", "..a", 1]], None),
    ({"a": 1}, [["==", ".a[:]", 1]], None),
    ({"a": 1}, [["~", ".a", 1]], None),
    ({"a": 1}, [["not", ["~", ".a", 1]]], None),
    ({"a": 1}, [["<", ".a", "1"]], None),
]


def containers():
    blocks = sorted(token("dlg", delegation(ALICE, to), ALICE) for to in (BOB, CAROL))
    raw = cbor({"ctn-v1": blocks})
    packed = gzip.compress(raw, mtime=0)
    url = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    framings = {
        "Raw": b"@" + raw,
        "Base64": b"B" + base64.b64encode(raw),
        "Base64Url": b"C" + url(raw),
        "Gzip": b"M" + packed,
        "GzipBase64": b"O" + base64.b64encode(packed),
        "GzipBase64Url": b"P" + url(packed),
    }
    return {"tokens": [b.hex() for b in blocks], "containers": {name: data.hex() for name, data in framings.items()}}


def capability():
    accepted, refused = tokens()
    return {
        "about": "Known answers for docs/spec/capability.md; made by generate_capability.py. Bytes are in hexadecimal.",
        "accepted": accepted,
        "refused": refused,
        "chains": chains(),
        "revocation": revocation(),
        "policies": [{"args": a, "policy": p, "matches": m} for a, p, m in POLICIES],
        "container": containers(),
    }


if __name__ == "__main__":
    (HERE / "capability.json").write_text(json.dumps(capability(), indent=1, ensure_ascii=False) + "\n")
