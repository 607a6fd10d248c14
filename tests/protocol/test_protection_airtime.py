"""What protection costs: the formulas against overs that are really made."""

from __future__ import annotations

import pytest

from gateway.errors import LocalProtocolError
from gateway.protocol.airtime import over_airtime, steady_rate_bps
from gateway.protocol.packets import AckPacket, VoicePacket
from gateway.protocol.parse import parse
from gateway.protocol.protection import Protection, ProtectionKind
from gateway.protocol.protection_airtime import protected_over_bytes, protected_rate_bps, seal
from gateway.protocol.protection_file import load_protection, preset_names

TOOLS = ["none", "stage-one-repeat", "two-byte-repeat", "payload-repeat", "reed-solomon:n=6,k=4,depth=2", "bit"]


@pytest.mark.parametrize("frames_per_packet", [2, 3, 6])
@pytest.mark.parametrize("crc", [False, True])
@pytest.mark.parametrize("tool", TOOLS)
def test_the_rate_is_that_of_a_very_long_over(tool: str, crc: bool, frames_per_packet: int) -> None:
    protection = load_protection(tool)
    frames = 12 * 8 * 20 * frames_per_packet
    sent = protected_over_bytes(protection, frames, frames_per_packet, crc=crc, framing_bytes=3)
    rate = protected_rate_bps(protection, frames_per_packet, crc=crc, framing_bytes=3)
    assert sent * 8 / (frames * 0.08) == pytest.approx(rate, rel=0.003)


@pytest.mark.parametrize("frames", [0, 5, 6, 50])
def test_without_protection_it_is_the_plain_airtime(frames: int) -> None:
    assert protected_over_bytes(Protection(), frames, 6, crc=True) == over_airtime(frames, 6, crc=True).total_bytes
    assert protected_rate_bps(Protection(), 6, crc=True) == pytest.approx(steady_rate_bps(6, crc=True))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_stays_within_600_bits_a_second_at_480_ms(name: str) -> None:
    protection = load_protection(name)
    assert protected_rate_bps(protection, 6, crc=False) <= 600
    for seconds in (6, 10, 30, 180):
        frames = round(seconds / 0.08)
        assert protected_over_bytes(protection, frames, 6, crc=False) * 8 / (frames * 0.08) <= 600


def test_a_bit_code_replaces_the_checksum() -> None:
    bit = Protection(ProtectionKind.BIT)
    packet = VoicePacket(1, 2, False, (b"abc",))
    assert seal(packet, bit, crc=True) == seal(packet, bit, crc=False)
    ack = AckPacket(1, 2, 3, 0)
    assert parse(seal(ack, Protection(), crc=True), crc=True) == ack
    assert len(seal(ack, bit, crc=True)) > len(seal(ack, Protection(), crc=True))


def test_frames_per_packet_out_of_range_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="0 frames per packet"):
        protected_rate_bps(Protection(), 0, crc=False)
