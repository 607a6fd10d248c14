from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ptt.cat import CatLanguage, language_of
from gateway.ptt_config import CatKey

RADIOS = ("icom", "kenwood", "elecraft", "yaesu", "yaesu-5-byte", "custom")
KENWOOD_IF = b"IF00014250000" + b" " * 5 + b"+0000" + b"00" + b"0" + b"00"
"""Frequency, step, RIT, RIT and XIT on, memory bank and channel; then: 1 transmits."""


def language(radio: str, **more: object) -> CatLanguage:
    custom = (
        {"key_hex": "01 02", "unkey_hex": "01 03", "ok_hex": "06", "refused_hex": "15"} if radio == "custom" else {}
    )
    return language_of(CatKey.model_validate({"kind": "cat", "port": "/dev/x", "radio": radio, **custom, **more}))


@pytest.mark.parametrize(
    ("radio", "key", "unkey"),
    [
        ("icom", b"\xfe\xfe\x94\xe0\x1c\x00\x01\xfd", b"\xfe\xfe\x94\xe0\x1c\x00\x00\xfd"),
        ("kenwood", b"TX;IF;", b"RX;IF;"),
        ("elecraft", b"TX;TQ;", b"RX;TQ;"),
        ("yaesu", b"TX1;TX;", b"TX0;TX;"),
        ("yaesu-5-byte", b"\0\0\0\0\x08", b"\0\0\0\0\x88"),
        ("custom", b"\x01\x02", b"\x01\x03"),
    ],
)
def test_commands_as_the_makers_have_them(radio: str, key: bytes, unkey: bytes) -> None:
    assert (language(radio).command(True), language(radio).command(False)) == (key, unkey)


def test_the_civ_address_is_the_radios() -> None:
    assert language("icom", civ_address=0xA2).command(True)[:4] == b"\xfe\xfe\xa2\xe0"


@pytest.mark.parametrize(
    ("radio", "is_on", "received", "judged"),
    [
        ("icom", True, b"\xfe\xfe\x94\xe0\x1c\x00\x01\xfd", None),  # the bus's echo is no answer
        ("icom", True, b"\xfe\xfe\x94\xe0\x1c\x00\x01\xfd\xfe\xfe\xe0\x94\xfb\xfd", True),
        ("icom", True, b"\xfe\xfe\xe0\x94\xfa\xfd", False),
        ("icom", True, b"\xfe\xfe\xe0\x95\xfb\xfd", None),  # another radio on the bus
        ("elecraft", True, b"TQ1;", True),
        ("elecraft", True, b"TQ0;", None),
        ("elecraft", False, b"IF123;TQ0;", True),
        ("elecraft", True, b"?;", False),
        ("yaesu", True, b"TX1;", True),
        ("yaesu", True, b"TX2;", None),  # keyed by its own microphone
        ("yaesu", False, b"TX2;", True),
        ("yaesu", True, b"FA014250000;?;", False),
        ("kenwood", True, KENWOOD_IF + b"01000000 ;", None),
        ("kenwood", True, KENWOOD_IF + b"1", None),  # cut off
        ("kenwood", True, KENWOOD_IF + b"11000000 ;", True),
        ("kenwood", False, KENWOOD_IF + b"11000000 ;", None),
        ("kenwood", False, KENWOOD_IF + b"01000000 ;", True),
        ("kenwood", True, b"E;", False),
        ("yaesu-5-byte", True, b"\xf0", None),
        ("custom", True, b"\x06", True),
        ("custom", False, b"\x15", False),
    ],
)
def test_answers(radio: str, is_on: bool, received: bytes, judged: bool | None) -> None:
    assert language(radio).judge(is_on, received) is judged


@given(st.sampled_from(RADIOS), st.booleans(), st.binary(max_size=80), st.sampled_from([b"", b"TX1;TQ1;", b"?;"]))
def test_noise_is_judged_without_an_exception(radio: str, is_on: bool, noise: bytes, tail: bytes) -> None:
    spoken = language(radio)
    judged = spoken.judge(is_on, noise + tail)
    if judged is True:
        assert spoken.answers(is_on)
