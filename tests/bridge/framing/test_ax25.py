"""AX.25 UI frames: the document's example of addresses, any payload, whatever else is on the channel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.ax25 import UI_HEADER_BYTES, CallSign, UiFrame, parse_ui

CALLS = st.builds(CallSign, st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=6), st.integers(0, 15))


def test_addresses_are_shifted_as_in_the_document() -> None:
    # AX.25 2.2, figure 3.4 and its text: NJ7P, and N7LEM as the source, both SSID 0; a command frame.
    frame = UiFrame(CallSign("NJ7P"), CallSign("N7LEM"), b"hi").to_bytes()
    assert frame == bytes.fromhex("9c946ea04040e09c6e988a9a406103f0") + b"hi"


@given(CALLS, CALLS, st.binary(max_size=60))
def test_there_and_back(destination: CallSign, source: CallSign, data: bytes) -> None:
    frame = UiFrame(destination, source, data)
    assert len(frame.to_bytes()) == UI_HEADER_BYTES + len(data)
    assert parse_ui(frame.to_bytes()) == frame


@given(st.binary(max_size=120))
def test_any_bytes_are_a_ui_frame_or_not(data: bytes) -> None:
    parse_ui(data)


def test_a_frame_through_digipeaters_is_the_same_frame() -> None:
    frame = UiFrame(CallSign("CLARI"), CallSign("N0CALL", 1), b"voice").to_bytes()
    via = CallSign("RELAY", 2).to_bytes(is_command=True, is_last=True)
    through = frame[:13] + bytes((frame[13] & ~1,)) + via + frame[14:]
    assert parse_ui(through) == parse_ui(frame) != None  # noqa: E711


@pytest.mark.parametrize("change", [(14, 0x3F), (15, 0xCF), (13, 0x60), (0, 0x01), (2, 0x20 << 1)])
def test_other_frames_are_none(change: tuple[int, int]) -> None:
    frame = bytearray(UiFrame(CallSign("CLARI"), CallSign("N0CALL", 1), b"").to_bytes())
    frame[change[0]] = change[1]  # SABM; another layer 3; no end of addresses; an end too soon; a space inside
    assert parse_ui(bytes(frame)) is None


@pytest.mark.parametrize("text", ["", "n0call", "TOOLONG", "A-16", "A-", "A B", "A-01", "Ä"])
def test_no_call_sign(text: str) -> None:
    with pytest.raises(ValueError, match="no call sign"):
        CallSign.parse(text)


def test_call_signs_in_words() -> None:
    assert str(CallSign.parse("N0CALL-7")) == "N0CALL-7"
    assert str(CallSign.parse("N0CALL")) == str(CallSign.parse("N0CALL-0")) == "N0CALL"
