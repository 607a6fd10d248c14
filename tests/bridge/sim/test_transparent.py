"""The virtual transparent modem alone: when it sends, how long, what a power cut leaves."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.profile import load_profile
from firmware_bridge.sim.base import AirQuality
from firmware_bridge.sim.transparent import BLOCK_BYTES, BUFFER_BYTES, VirtualTransparent


def modem(profile: str = "transparent-1200") -> VirtualTransparent:
    return VirtualTransparent(load_profile(profile), "a", Random(1))


def test_it_sends_when_the_host_pauses() -> None:
    made = modem()
    made.from_host(b"over", 1.0)
    made.tick(1.0)
    assert made.take_air() == []
    due = made.next_deadline()
    assert due is not None
    assert 1.002 <= due < 1.02
    made.tick(due)
    (frame,) = made.take_air()
    assert (frame.data, frame.damageable) == (b"over", (0, 4))
    assert frame.duration_s == pytest.approx(0.25 + 4 * 8 / 1200)
    assert made.next_deadline() is None


def test_what_comes_meanwhile_follows_without_a_key_up() -> None:
    made = modem()
    made.from_host(bytes(BLOCK_BYTES), 1.0)
    (first,) = made.take_air()
    made.from_host(b"more", 1.1)
    made.tick(2.0)
    assert made.take_air() == []
    made.frame_ended(first, 2.0)
    (second,) = made.take_air()
    assert second.duration_s == pytest.approx(4 * 8 / 1200)


def test_bytes_from_the_air_reach_the_host_as_they_are() -> None:
    made = modem()
    made.from_host(bytes(BLOCK_BYTES), 0.0)
    (frame,) = made.take_air()
    other = modem()
    other.on_air(frame, AirQuality(), 1.0)
    assert other.take_host() == bytes(BLOCK_BYTES)
    assert made.take_host() == b""


def test_the_buffer_overflows_as_a_real_one_does() -> None:
    made = modem()
    made.from_host(bytes(BUFFER_BYTES + BLOCK_BYTES), 0.0)
    made.from_host(bytes(300), 0.0)
    assert made.overflowed_bytes == BLOCK_BYTES + 300 - BLOCK_BYTES


def test_an_echo_comes_when_it_was_sent() -> None:
    made = modem("rs485")
    made.from_host(bytes(BLOCK_BYTES), 0.0)
    (frame,) = made.take_air()
    assert made.take_host() == b""
    made.frame_ended(frame, 0.1)
    assert made.take_host() == bytes(BLOCK_BYTES)


def test_a_power_cut_forgets_everything() -> None:
    made = modem()
    made.from_host(bytes(BLOCK_BYTES + 9), 0.0)
    made.power_cut(0.1)
    assert (made.take_air(), made.take_host(), made.next_deadline()) == ([], b"", None)
    made.from_host(bytes(BLOCK_BYTES), 0.2)
    assert len(made.take_air()) == 1
