"""Air time by arithmetic equals air time by counting the bytes of real packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.airtime import over_airtime, steady_rate_bps, talker_known_within_s, voice_packet_bytes
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import SessionBlock, VoicePacket


def packets_of(frames: int, per_packet: int) -> list[VoicePacket]:
    packetizer = Packetizer(per_packet, SessionBlock(1, 2, 1, 1), 3)
    sent = [packet for _ in range(frames) if (packet := packetizer.push(b"abc"))]
    return [*sent, packetizer.finish()]


@given(st.integers(0, 400), st.integers(1, 63), st.booleans(), st.integers(0, 20))
def test_equals_the_packets_sent(frames: int, per_packet: int, crc: bool, framing: int) -> None:
    packets = packets_of(frames, per_packet)
    airtime = over_airtime(frames, per_packet, crc=crc, framing_bytes=framing)
    assert airtime.packets == len(packets)
    assert airtime.total_bytes == sum(len(packet.to_bytes(crc)) + framing for packet in packets)
    assert airtime.session_bytes == 4 * sum(packet.session is not None for packet in packets)
    assert airtime.audio_s == pytest.approx(frames * 0.08)


@given(st.integers(0, 63), st.booleans(), st.booleans())
def test_packet_length(frames: int, session: bool, crc: bool) -> None:
    packet = VoicePacket(0, 0, True, (b"abc",) * frames, SessionBlock(0, 0, 0, 0) if session else None)
    assert voice_packet_bytes(frames, session=session, crc=crc) == len(packet.to_bytes(crc))


def test_480_ms_packets_stay_in_the_budget() -> None:
    assert steady_rate_bps(6, crc=False) == pytest.approx(338.9, abs=0.05)
    assert steady_rate_bps(6, crc=True) == pytest.approx(372.2, abs=0.05)
    rates = {frames: over_airtime(frames, 6, crc=False).rate_bps for frames in range(1, 4000)}
    # The first session blocks and the last packet weigh on short overs: 55 frames (4.40 s) is the last one above.
    assert max(frames for frames, rate in rates.items() if rate > 350) == 55
    assert max(rate for frames, rate in rates.items() if frames >= 50) < 353
    assert rates[13] < 420
    assert over_airtime(45_000, 6, crc=False).rate_bps == pytest.approx(steady_rate_bps(6, crc=False), abs=0.1)
    assert over_airtime(0, 6, crc=False).rate_bps == 0


def test_late_entry_is_bounded_by_the_schedule() -> None:
    assert talker_known_within_s(6) == pytest.approx(12 * 0.48)
    assert talker_known_within_s(2) == pytest.approx(12 * 0.16)


def test_nonsense_is_refused() -> None:
    for per_packet in (0, 64):
        with pytest.raises(LocalProtocolError):
            steady_rate_bps(per_packet, crc=False)
    with pytest.raises(LocalProtocolError):
        over_airtime(-1, 6, crc=False)
