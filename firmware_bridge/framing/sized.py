"""A length in front of each packet, for modems that pad frames, cut a write in two, or glue two together.

Rule: two bytes, big-endian, then the packet; what follows is padding, or the next packet, as the modem is. Since a
packet is shorter than 4096 bytes the first byte is never `+`, so that no packet can be taken for a modem's `+++`.
"""

from __future__ import annotations

PREFIX_BYTES = 2
MAX_PACKET_BYTES = 4095


def wrap(packet: bytes) -> bytes:
    """The packet with its length in front. Raises ValueError above 4095 bytes."""
    if len(packet) > MAX_PACKET_BYTES:
        raise ValueError(f"a packet of {len(packet)} bytes: at most {MAX_PACKET_BYTES}")
    return len(packet).to_bytes(PREFIX_BYTES, "big") + packet


def missing_bytes(block: bytes) -> int | None:
    """How many bytes the block needs yet; 0: whole. None: its beginning cannot be that of a packet."""
    if len(block) < PREFIX_BYTES:
        return PREFIX_BYTES - len(block)
    size = int.from_bytes(block[:PREFIX_BYTES], "big")
    return None if size > MAX_PACKET_BYTES else max(0, PREFIX_BYTES + size - len(block))


def unwrap(block: bytes) -> bytes | None:
    """The packet in the block, padding left out; None if it is not whole."""
    if missing_bytes(block) != 0:
        return None
    return block[PREFIX_BYTES : PREFIX_BYTES + int.from_bytes(block[:PREFIX_BYTES], "big")]


def unwrap_all(block: bytes) -> list[bytes] | None:
    """The packets that stand one behind the other in the block; None if the last is not whole, or there is none."""
    packets: list[bytes] = []
    while block:
        packet = unwrap(block)
        if packet is None:
            return None
        packets.append(packet)
        block = block[PREFIX_BYTES + len(packet) :]
    return packets or None
