#!/usr/bin/env python3
"""Writes network.json: known answers for docs/spec/network.md, and from them the seeds of the fuzz target `link`.

A second implementation, written from the specification and sharing no code with the first one. Needs what generate.py needs; run it
after a change of the specification:  python3 docs/spec/vectors/generate_network.py
"""

import base64
import ipaddress
import json

from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from generate import HERE, derive_key, envelope, cbor, multikey, varint
from generate_tuple import blake3, keyed


def public(secret):
    key = x25519.X25519PrivateKey.from_private_bytes(secret).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def frame(message):
    return varint(len(message) + 1) + message


class Side:
    """One direction of a sealed link."""

    def __init__(self, key):
        self.key, self.count = key, 0

    def seal(self, kind, body):
        nonce = bytes(4) + self.count.to_bytes(8, "little")
        self.count += 1
        return ChaCha20Poly1305(self.key).encrypt(nonce, bytes([kind]) + body, None)


def handshake(dialler, listener, secrets, protocol):
    """Seeds of the two keys, the two X25519 secrets, the name of the protocol."""
    mine, theirs = secrets
    name = protocol.encode()
    greeting = bytes([1, len(name)]) + name + public(mine)
    shared = x25519.X25519PrivateKey.from_private_bytes(mine).exchange(
        x25519.X25519PublicKey.from_public_bytes(public(theirs))
    )
    transcript = derive_key("rhizome link greeting v1", greeting + public(theirs))
    secret = keyed(transcript, shared)
    to_listener = Side(derive_key("rhizome link dialler v1", secret))
    to_dialler = Side(derive_key("rhizome link listener v1", secret))

    def proof(seed, transcript):
        return envelope("rhizome/link@1", cbor({"key": multikey(seed), "transcript": transcript}), seed)

    sealed = to_dialler.seal(3, proof(listener, transcript))
    mine_sealed = to_listener.seal(3, proof(dialler, derive_key("rhizome link answer v1", transcript + sealed)))
    return {
        "dialler": dialler.hex(),
        "listener": listener.hex(),
        "dialler secret": mine.hex(),
        "listener secret": theirs.hex(),
        "protocol": protocol,
        "greeting": greeting.hex(),
        "answer": (public(theirs) + sealed).hex(),
        "proof": mine_sealed.hex(),
        "keying": derive_key("rhizome link keying v1", secret + multikey(listener) + multikey(dialler)).hex(),
        "dialler says hello": to_listener.seal(0, b"hello").hex(),
        "dialler has finished": to_listener.seal(1, b"").hex(),
        "listener refuses": to_dialler.seal(2, b"not a device of this pod").hex(),
    }


def spell(payload):
    checked = payload + derive_key("rhizome peer address v1", payload)[:4]
    return "rhizome:1:" + base64.b32encode(checked).decode().rstrip("=").lower()


def place(where):
    if where.startswith("http"):
        return b"\3" + bytes([len(where)]) + where.encode()
    if where.startswith("ws"):
        return b"\4" + bytes([len(where)]) + where.encode()
    host, port = where.rsplit(":", 1)
    ip = ipaddress.ip_address(host.strip("[]"))
    return bytes([1 if ip.version == 4 else 2]) + ip.packed + int(port).to_bytes(2, "big")


def address(seed, places):
    key = multikey(seed)[2:]
    return {"seed": seed.hex(), "places": places, "text": spell(key + b"".join(map(place, places)))}


def refused():
    key = multikey(bytes([1]) * 32)[2:]
    good = spell(key + place("127.0.0.1:4433"))
    cases = {
        "no prefix": good[8:],
        "another version": good.replace(":1:", ":2:"),
        "small letters and capitals": good[:30] + good[30:].upper(),
        "a character that is none": good[:20] + "1" + good[21:],
        "a character too few": good[:-1],
        "two characters swapped": good[:12] + good[13] + good[12] + good[14:],
        "white space": good + "\n",
        "padding": good + "=",
        "bits after the end": spell(key)[:-1] + chr(ord(spell(key)[-1]) + 1),
        "a short key": spell(key[:31]),
        "an unknown kind of place": spell(key + b"\5"),
        "a place that ends early": spell(key + place("127.0.0.1:4433")[:-1]),
        "a URL that ends early": spell(key + place("https://relay.example.org/")[:-1]),
        "places out of order": spell(key + place("127.0.0.2:1") + place("127.0.0.1:1")),
        "kinds out of order": spell(key + place("https://relay.example.org/") + place("127.0.0.1:1")),
        "a place twice": spell(key + place("127.0.0.1:1") * 2),
        "port 0": spell(key + place("127.0.0.1:0")),
        "an unspecified address": spell(key + place("0.0.0.0:1")),
        "a multicast address": spell(key + place("[ff02::1]:1")),
        "the broadcast address": spell(key + place("255.255.255.255:1")),
        "IPv4 within IPv6": spell(key + place("[::ffff:127.0.0.1]:1")),
        "nine sockets": spell(key + b"".join(place(f"127.0.0.{i}:1") for i in range(1, 10))),
        "five relays": spell(key + b"".join(place(f"https://{i}.example/") for i in "abcde")),
        "two WebSockets": spell(key + place("wss://a.example/") + place("wss://b.example/")),
        "a URL that is not in normal form": spell(key + place("https://Relay.example.org")),
        "a URL with a user": spell(key + place("https://me@relay.example.org/")),
        "a URL with a query": spell(key + place("wss://peer.example.org/?x")),
        "a URL that is too long": spell(key + place("https://relay.example.org/" + "x" * 180)),
        "a URL that is not text": spell(key + b"\3\2\xff\xff"),
    }
    return [{"what": what, "text": text} for what, text in cases.items()]


def main():
    one, two, three, four = (bytes([i]) * 32 for i in range(1, 5))
    messages = [b"", b"a", b"x" * 126, b"x" * 127, b"x" * 128]
    everything = [
        "192.168.1.20:4433",
        "[2001:db8::1]:4433",
        "https://relay.example.org/",
        "wss://peer.example.org/link",
    ]
    vectors = {
        "frames": [{"length": len(m), "frame": frame(m).hex()} for m in messages],
        "refused heads": [v.hex() for v in (varint((1 << 20) + 2), b"\xff\xff\xff", b"\x80\x00", b"\x81\x80\x00")],
        "handshake": handshake(three, four, (one, two), "/rhizome/sync/1"),
        "addresses": [address(one, []), address(one, ["127.0.0.1:4433"]), address(one, everything)],
        "refused addresses": refused(),
    }
    (HERE / "network.json").write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n")
    seeds = HERE.parents[2] / "fuzz" / "seeds" / "link"
    seeds.mkdir(parents=True, exist_ok=True)
    shake = vectors["handshake"]
    for name in ("greeting", "answer", "proof"):
        (seeds / name).write_bytes(bytes.fromhex(shake[name]))
    for i, item in enumerate(vectors["addresses"]):
        (seeds / f"address-{i}").write_text(item["text"])
        payload = base64.b32decode((item["text"][10:].upper() + "=" * 8)[: -(len(item["text"][10:]) % 8) or None])
        (seeds / f"payload-{i}").write_bytes(payload[:-4])


main()
