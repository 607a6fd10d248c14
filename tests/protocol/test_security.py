"""The envelope's arithmetic against a second reading of SPEC.md clause 13 by standard library hashes."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.opening import Opener
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import (
    NetKey,
    OverSalt,
    SecurityMode,
    Suite,
    TrafficKey,
    Use,
    check_value,
    over_key,
    read_block,
    voice_nonce,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "air_security.json").read_text())
MODES = {"authenticate": 1, "authenticate-encrypt": 2}
suites = st.builds(Suite, st.sampled_from(SecurityMode), st.sampled_from([3, 4]))
over_salts = st.builds(
    OverSalt,
    source=st.integers(1, 65535),
    key_id=st.integers(1, 255),
    counter=st.integers(0, 2**32 - 1),
    salt=st.binary(min_size=8, max_size=8),
)
masters = st.binary(min_size=32, max_size=32)


def hkdf(master: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, 64 bytes."""
    prk = hmac.digest(salt, master, hashlib.sha256)
    first = hmac.digest(prk, info + b"\x01", hashlib.sha256)
    return first + hmac.digest(prk, first + info + b"\x02", hashlib.sha256)


def chacha20(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """RFC 8439, 2.4, from block 0."""

    def quarter(x: list[int], a: int, b: int, c: int, d: int) -> None:
        for add, xor, turn in ((b, d, 16), (d, b, 12), (b, d, 8), (d, b, 7)):
            target = a if xor == d else c
            x[target] = (x[target] + x[add]) & 0xFFFFFFFF
            mixed = x[xor] ^ x[target]
            x[xor] = (mixed << turn | mixed >> 32 - turn) & 0xFFFFFFFF

    out = b""
    for block in range(-(-len(data) // 64)):
        start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
        start += [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
        start += [block] + [int.from_bytes(nonce[i : i + 4], "little") for i in range(0, 12, 4)]
        x = list(start)
        for _ in range(10):
            for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
                quarter(x, a, b, c, d)
            for a, b, c, d in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                quarter(x, a, b, c, d)
        out += b"".join((s + v & 0xFFFFFFFF).to_bytes(4, "little") for s, v in zip(start, x, strict=True))
    return bytes(d ^ k for d, k in zip(data, out, strict=False))


def seal_by_the_book(case: dict[str, Any]) -> bytes:
    """What clause 13 says, for one golden packet."""
    master, salt = bytes.fromhex(case["master"]), bytes.fromhex(case["salt"])
    use = 2 if case["form"] == "alone" else 1
    who = bytes((use, MODES[case["mode"]], case["tag_bytes"], case["key_id"]))
    who += case["source"].to_bytes(2, "big") + case["counter"].to_bytes(4, "big")
    keys = hkdf(master, salt, b"clarilink air 1" + who)
    clear, plain = bytes.fromhex(case["clear"]), bytes.fromhex(case["plain"])
    body = plain if case["form"] == "aside" else plain[2:]
    nonce = bytes.fromhex(case["nonce"])
    hidden = chacha20(keys[:32], nonce, body) if case["mode"] == "authenticate-encrypt" else body
    tag = hmac.digest(keys[32:], nonce + bytes((len(clear),)) + clear + hidden, hashlib.sha256)
    return clear + hidden + tag[: case["tag_bytes"]]


class Fixed:
    """Counters and salts as a golden case has them."""

    def __init__(self, case: dict[str, Any]) -> None:
        self._counter, self._salt = case["counter"], bytes.fromhex(case["salt"])

    def take(self) -> int:
        return int(self._counter)

    def salt(self, size: int) -> bytes:
        assert size == len(self._salt)
        return self._salt

    def highest(self, use: Use, source: int, key_id: int) -> int:
        return -1

    def remember(self, use: Use, source: int, key_id: int, counter: int) -> None:
        assert counter == self._counter


@pytest.mark.parametrize("case", GOLDEN["packets"], ids=lambda case: case["name"])
def test_golden_packets_are_what_the_book_says(case: dict[str, Any]) -> None:
    assert seal_by_the_book(case).hex() == case["sealed"]


@pytest.mark.parametrize("case", GOLDEN["packets"], ids=lambda case: case["name"])
def test_golden_packets_both_ways(case: dict[str, Any]) -> None:
    fixed = Fixed(case)
    suite = Suite(SecurityMode(case["mode"]), case["tag_bytes"])
    key = NetKey(case["key_id"], bytes.fromhex(case["master"]))
    sealer = Sealer(suite, key, source=case["source"], counters=fixed, random_bytes=fixed.salt)
    opener = Opener(suite, {key.key_id: key}, fixed, packet_s=0.48)
    if case["form"] != "alone":
        sealer.begin_over()
    for before in case["before"]:
        opener.open(sealer.seal(bytes.fromhex(before)), 0.0)
    sealed = sealer.seal(bytes.fromhex(case["plain"]))
    assert sealed.hex() == case["sealed"]
    assert [packet.hex() for packet in opener.open(sealed, 0.5).packets] == [case["plain"]]


def test_golden_has_every_form_mode_and_tag() -> None:
    made = {(case["form"], case["mode"], case["tag_bytes"]) for case in GOLDEN["packets"]}
    assert {(form, mode) for form, mode, _ in made} == {
        (form, mode) for form in ("voice", "session", "redundant", "aside", "alone") for mode in MODES
    }
    assert {tag for _, _, tag in made} == {3, 4}


@given(suites, masters, over_salts, st.binary(max_size=40), st.binary(max_size=70), st.integers(0, 16383))
def test_opening_undoes_sealing(
    suite: Suite, master: bytes, salt: OverSalt, clear: bytes, body: bytes, number: int
) -> None:
    key = over_key(suite, NetKey(salt.key_id, master), salt)
    nonce = voice_nonce(salt, number)
    sealed = key.seal(nonce, clear, body)
    assert len(sealed) == len(clear) + len(body) + suite.tag_bytes
    assert sealed.startswith(clear)
    assert key.open(nonce, clear, sealed[len(clear) :]) == body
    assert key.open(voice_nonce(salt, number ^ 1), clear, sealed[len(clear) :]) is None
    if suite.encrypts and len(body) > 16:
        assert body not in sealed[len(clear) :]


@given(over_salts, st.integers(0, 16383))
def test_blocks_are_read_as_written(salt: OverSalt, number: int) -> None:
    block = salt.block(number)
    assert len(block) == 16
    assert read_block(block) == (salt, number // 64)


def test_what_goes_into_the_key_changes_it() -> None:
    """Another mode, tag length, use, key id, source, counter or salt is another key."""
    base: dict[str, Any] = {"mode": SecurityMode.AUTHENTICATE, "tag": 4, "use": Use.OVER, "id": 1, "source": 1}
    base |= {"counter": 1, "salt": bytes(8)}
    other = {"mode": SecurityMode.AUTHENTICATE_ENCRYPT, "tag": 3, "use": Use.ALONE, "id": 2, "source": 2}
    other |= {"counter": 2, "salt": bytes(7) + b"\x01"}

    def tag(given: dict[str, Any]) -> bytes:
        suite, key = Suite(given["mode"], given["tag"]), NetKey(given["id"], bytes(32))
        made = TrafficKey(suite, key, given["use"], given["source"], given["counter"], given["salt"])
        return made.seal(bytes(12), b"clear", b"")[5:8]

    tags = [tag(base)] + [tag({**base, name: value}) for name, value in other.items()]
    assert len(set(tags)) == len(tags)


def test_forbidden_values_are_refused() -> None:
    for bad in (2, 5, 16):
        with pytest.raises(LocalProtocolError, match="needs 3 or 4"):
            Suite(SecurityMode.AUTHENTICATE, bad)
    for key_id in (0, 256):
        with pytest.raises(LocalProtocolError, match="needs 1 to 255"):
            NetKey(key_id, bytes(32))
    with pytest.raises(LocalProtocolError, match="needs 32"):
        NetKey(1, bytes(31))


def test_secrets_do_not_show_and_check_values_tell_keys_apart() -> None:
    one, two = NetKey(1, bytes(32)), NetKey(2, b"\x5a" * 32)
    assert repr(two) == "NetKey(key_id=2)"
    assert check_value(one) != check_value(two)
    assert len(check_value(one)) == 8
