"""Live voice on a link by arithmetic: equal to the bytes of real packets, and to what an emulated channel lets pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.spec_file import load_channel, preset_names
from gateway.codec.spec import algorithmic_delay_ms
from gateway.errors import LocalProtocolError
from gateway.protocol.airtime import steady_rate_bps
from gateway.protocol.live import (
    CHECKSUM,
    CODEC_DELAY_S,
    GUARDS,
    MAX_DUTY,
    NO_PROTECTION,
    PROTECTIONS,
    SECURITY_TAG,
    Fit,
    LinkProfile,
    Protection,
    cost_of,
    live_row,
    live_rows,
    live_verdict,
    packet_bytes,
    ranges,
)
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import SessionBlock
from gateway.protocol.protection import Protection as Guard
from gateway.protocol.protection import ProtectionKind
from gateway.protocol.protection_airtime import protected_rate_bps

STAGE_ONE = cost_of(Guard(ProtectionKind.STAGE_ONE_REPEAT))
BLOCKS = cost_of(Guard(ProtectionKind.REED_SOLOMON, n=6, k=4))

ACOUSTIC = LinkProfile("acoustic", 727, 14, mtu_bytes=64, half_duplex=True, turnaround_s=0.1, delay_s=0.667)
JANUS = LinkProfile("janus", 80, 8, half_duplex=True)

profiles = st.builds(
    LinkProfile,
    st.just("x"),
    st.none() | st.floats(50, 20_000),
    st.integers(0, 40),
    fixed_s=st.floats(0, 0.5),
    mtu_bytes=st.none() | st.integers(8, 300),
    half_duplex=st.booleans(),
    turnaround_s=st.floats(0, 1),
    delay_s=st.floats(0, 2),
)


def test_the_codecs_delay_is_the_codecs() -> None:
    assert algorithmic_delay_ms(2) == CODEC_DELAY_S * 1000


@pytest.mark.parametrize("crc", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 3, 6, 12, 24])
def test_unprotected_rows_are_the_packets_sent(frames: int, crc: bool) -> None:
    added = CHECKSUM if crc else NO_PROTECTION
    packetizer = Packetizer(frames, SessionBlock(1, 2, 1, 1), 3)
    sent = [packet.to_bytes(crc) for _ in range(frames * 4) if (packet := packetizer.push(b"abc"))]
    assert [len(data) for data in sent] == [packet_bytes(frames, added, session=n in (0, 2)) for n in range(4)]
    assert live_row(ACOUSTIC, frames, added).on_air_bps == pytest.approx(steady_rate_bps(frames, crc=crc))


def test_figures_of_the_measured_acoustic_modem() -> None:
    row = live_row(ACOUSTIC, 6, NO_PROTECTION, cushion_s=0.06)
    assert (row.packet_bytes, row.longest_bytes) == (20, 24)
    assert row.airtime_s == pytest.approx(34 * 8 / 727)
    assert row.duty == pytest.approx((34 + 4 / 12) * 8 / 727 / 0.48)
    assert row.keyed == pytest.approx(min(1.0, row.duty + 0.1 / 0.48))
    assert row.delay_s == pytest.approx(0.255 + 0.4 + 38 * 8 / 727 + 0.667 + 0.1 + 0.06)
    fits = [row.frames_per_packet for row in live_rows(ACOUSTIC, NO_PROTECTION) if row.fit is Fit.LIVE]
    assert fits == list(range(5, 20))  # shorter ones drown in overhead, longer ones with session exceed 64 bytes
    assert {row.fit for row in live_rows(ACOUSTIC, NO_PROTECTION)[19:]} == {Fit.TOO_LONG}


@pytest.mark.parametrize("frames", [4, 5, 6, 8, 12])
@pytest.mark.parametrize("rate_bps", [400, 500, 600, 727, 900])
def test_live_is_what_an_emulated_channel_sustains(frames: int, rate_bps: float) -> None:
    """Ten minutes of packets: with a live verdict the last ones wait no longer than the first; else they pile up."""
    spec = ChannelSpec("c", rate_bps=rate_bps, overhead_bytes=14, half_duplex=True, turnaround_ms=100)
    profile = LinkProfile("c", rate_bps, 14, half_duplex=True, turnaround_s=0.1)
    channel, packet_s = Channel(spec, np.random.default_rng(1)), frames * 0.08
    waits = []
    for n in range(round(600 / packet_s)):
        size = packet_bytes(frames, NO_PROTECTION, session=n == 0 or n % 12 == 2)
        (delivery,) = channel.send(bytes(size), n * packet_s)
        waits.append(delivery.at_s - n * packet_s)
    row = live_row(profile, frames, NO_PROTECTION)
    if row.fit is Fit.LIVE:
        assert max(waits) <= row.airtime_s + 0.1 + 6 * 4 * 8 / rate_bps
    elif row.duty > 1.01:
        assert waits[-1] > 5.0
    else:
        assert MAX_DUTY < row.duty <= 1.01  # no room to spare, which is what the verdict says


def test_every_protection_costs_what_it_says() -> None:
    assert packet_bytes(6, STAGE_ONE, session=False) == 20 + 1 + 9
    assert packet_bytes(3, STAGE_ONE, session=False) == 11 + 1 + 5  # half a byte is sent as a whole one
    assert packet_bytes(6, SECURITY_TAG, session=True) == 24 + 4 + 16
    plain, coded = (live_row(ACOUSTIC, 12, p) for p in (NO_PROTECTION, BLOCKS))
    assert coded.duty == pytest.approx(1.5 * plain.duty, rel=0.02)
    assert coded.delay_s == pytest.approx(plain.delay_s + 4 * 0.96)
    assert live_row(ACOUSTIC, 16, NO_PROTECTION).longest_bytes == 54
    assert live_row(ACOUSTIC, 16, BLOCKS).longest_bytes == 54
    assert live_row(ACOUSTIC, 16, BLOCKS.with_(SECURITY_TAG)).longest_bytes == 74


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
@pytest.mark.parametrize("crc", [False, True])
def test_the_rate_on_the_air_is_that_of_the_protections_own_arithmetic(guard: Guard, crc: bool) -> None:
    for frames in (1, 3, 6, 12, 24):
        if crc and guard.is_bit:
            continue
        row = live_row(ACOUSTIC, frames, cost_of(guard).with_(CHECKSUM if crc else NO_PROTECTION))
        assert row.on_air_bps == pytest.approx(protected_rate_bps(guard, frames, crc=crc))


def test_names_of_joined_protections() -> None:
    assert NO_PROTECTION.with_(NO_PROTECTION).name == "none"
    assert CHECKSUM.with_(NO_PROTECTION).name == "crc"
    assert CHECKSUM.with_(STAGE_ONE).name == "crc + stage-one-repeat d=4"


@given(profiles, st.sampled_from(PROTECTIONS), st.integers(1, 24))
def test_protection_never_helps_the_air_time(profile: LinkProfile, protection: Protection, frames: int) -> None:
    plain, protected = (live_row(profile, frames, p) for p in (NO_PROTECTION, protection))
    assert protected.duty >= plain.duty
    assert protected.delay_s >= plain.delay_s - 1e-9
    assert plain.duty <= plain.keyed or plain.duty >= 1
    if plain.fit is not Fit.LIVE:
        assert protected.fit is not Fit.LIVE


@given(profiles, st.sampled_from(PROTECTIONS), st.integers(1, 24))
def test_a_verdict_names_sizes_that_get_a_live_verdict(
    profile: LinkProfile, protection: Protection, frames: int
) -> None:
    verdict = live_verdict(profile, frames, protection)
    assert (verdict.fit is Fit.LIVE) == (frames in verdict.fitting)
    assert verdict.buffered_only == (not verdict.fitting)
    assert all(live_verdict(profile, size, protection).fit is Fit.LIVE for size in verdict.fitting)
    assert verdict.fit is Fit.LIVE or "frames_per_packet" in verdict.reason or verdict.buffered_only


def test_the_sentences() -> None:
    assert live_verdict(ACOUSTIC, 6).reason == "packets of 6 frames (480 ms) take 79 % of link acoustic"
    slow = live_verdict(ACOUSTIC, 2)
    assert slow.reason.startswith("link acoustic is too slow for live voice in packets of 2 frames (160 ms): they need")
    assert slow.reason.endswith("frames_per_packet 5 to 19 would fit")
    long = live_verdict(ACOUSTIC, 24)
    assert "have 78 bytes, link acoustic takes at most 64; frames_per_packet 5 to 19 would fit" in long.reason
    none = live_verdict(JANUS, 6, CHECKSUM)
    assert none.buffered_only
    assert "with crc" in none.reason
    assert none.reason.endswith("voice can only be sent as a recorded message")


def test_janus_is_for_recorded_messages_whatever_the_protection() -> None:
    for protection in PROTECTIONS:
        assert live_verdict(JANUS, 6, protection).buffered_only


@pytest.mark.parametrize("name", preset_names())
def test_of_the_packaged_channels_only_janus_is_too_slow(name: str) -> None:
    spec = load_channel(name)
    profile = LinkProfile(name, spec.rate_bps, spec.overhead_bytes, mtu_bytes=spec.mtu_bytes)
    verdict = live_verdict(profile, 6)
    slowest_bps = steady_rate_bps(24, crc=False)
    assert verdict.buffered_only == (spec.rate_bps is not None and spec.rate_bps < slowest_bps)


def test_ranges_in_words() -> None:
    assert ranges([]) == "none"
    assert ranges([3]) == "3"
    assert ranges([1, 4, 5, 6, 9]) == "1, 4 to 6, 9"


def test_nonsense_is_refused() -> None:
    for frames in (0, 64):
        with pytest.raises(LocalProtocolError):
            live_row(ACOUSTIC, frames, NO_PROTECTION)
    for change in ({"frame_bytes": -1}, {"parity_bytes": -1}, {"packets": 0.5}):
        with pytest.raises(LocalProtocolError):
            replace(NO_PROTECTION, **change)
