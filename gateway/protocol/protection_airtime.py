"""What protection costs on the air (SPEC.md, clause 12.4), by arithmetic and by counting.

Rule: every byte that the protocol puts on the link counts, and only speech that is sent for the first time divides it.
"""

from __future__ import annotations

from gateway.errors import LocalProtocolError
from gateway.protocol.bit_protection import coded_voice_bytes, protect
from gateway.protocol.checksum import CRC_BYTES
from gateway.protocol.frames import packed_bytes
from gateway.protocol.packetizer import SESSION_EVERY, Packetizer
from gateway.protocol.packets import FRAME_BYTES, FRAME_S, HEADER_BYTES, MAX_FRAMES, SESSION_BYTES, Packet, SessionBlock
from gateway.protocol.protection import Protection, ProtectionKind, protector

PARITY_HEAD_BYTES = HEADER_BYTES + 3
DESCRIPTOR_BYTES = 1


def protected_rate_bps(protection: Protection, frames_per_packet: int, *, crc: bool, framing_bytes: int = 0) -> float:
    """Bit rate of a long over, session repeats included; `framing_bytes` is what the link adds to every packet."""
    if not 1 <= frames_per_packet <= MAX_FRAMES:
        raise LocalProtocolError(f"{frames_per_packet} frames per packet: needs 1 to {MAX_FRAMES}")
    voice = FRAME_BYTES * frames_per_packet
    around = (CRC_BYTES if crc and not protection.is_bit else 0) + framing_bytes
    plain, session = HEADER_BYTES + voice, SESSION_BYTES
    per_packet = 1.0
    extra = 0.0
    match protection.kind:
        case ProtectionKind.STAGE_ONE_REPEAT:
            extra = DESCRIPTOR_BYTES + packed_bytes(frames_per_packet, 12)
        case ProtectionKind.TWO_BYTE_REPEAT:
            extra = DESCRIPTOR_BYTES + packed_bytes(frames_per_packet, 16)
        case ProtectionKind.PAYLOAD_REPEAT:
            extra = DESCRIPTOR_BYTES + voice
        case ProtectionKind.REED_SOLOMON:
            parities = (protection.n - protection.k) / protection.k
            per_packet, extra = 1.0 + parities, parities * (PARITY_HEAD_BYTES + voice)
        case ProtectionKind.BIT:
            plain = coded_voice_bytes(frames_per_packet, protection.strong_bits, session=False)
            session = coded_voice_bytes(frames_per_packet, protection.strong_bits, session=True) - plain
    total = plain + extra + per_packet * around + session / SESSION_EVERY
    return total * 8 / (frames_per_packet * FRAME_S)


def protected_over_bytes(
    protection: Protection, frames: int, frames_per_packet: int, *, crc: bool, framing_bytes: int = 0
) -> int:
    """Bytes of an over of `frames` frames, the short last packet and what guards it included; by making the over."""
    packetizer = Packetizer(frames_per_packet, SessionBlock(1, 1, 1, 1), over_id=0)
    guard = protector(protection)
    voice = [packet for _ in range(frames) if (packet := packetizer.push(bytes(FRAME_BYTES))) is not None]
    sent = [packet for given in (*voice, packetizer.finish()) for packet in guard.push(given)]
    return sum(len(seal(packet, protection, crc=crc)) + framing_bytes for packet in sent)


def seal(packet: Packet, protection: Protection, *, crc: bool) -> bytes:
    """A packet's bytes for the link: wrapped against bit errors, else with or without checksum (2.5, 12.3)."""
    if protection.is_bit:
        return protect(packet.to_bytes(crc=False), protection.strong_bits)
    return packet.to_bytes(crc)
