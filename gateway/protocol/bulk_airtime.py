"""How long a buffered message takes, by arithmetic alone (SPEC.md, 14.8).

The rule: every packet counts, of both directions, with turn-arounds; losses count as their mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.protocol.bulk_code import layout_of
from gateway.protocol.bulk_packets import (
    BLOCK_OVERHEAD_BYTES,
    CHECK_BYTES,
    MAX_BLOCK_BYTES,
    MIN_ROOM_BYTES,
    STATUS_BYTES,
    Addressee,
    MessageHead,
)

_ENTRY_BYTES = 6  # of a status: a list of up to 24 blocks


@dataclass(frozen=True, slots=True)
class MessageAirtime:
    """Blocks of a message and parity blocks sent with them, all bytes on the air, and how long it all takes."""

    blocks: int
    parity_blocks: int
    block_bytes: int
    bytes_on_air: float
    seconds: float


def block_size(room_bytes: int) -> int:
    """Data bytes of a block in packets of `room_bytes` (without checksum and tag): whole codec frames where it can.

    Raises LocalProtocolError below the 16 bytes that an offer needs.
    """
    if room_bytes < MIN_ROOM_BYTES:
        raise LocalProtocolError(f"packets of {room_bytes} bytes: a message needs {MIN_ROOM_BYTES} (SPEC 14.2)")
    size = min(MAX_BLOCK_BYTES, room_bytes - BLOCK_OVERHEAD_BYTES)
    return size - size % 3


def message_airtime(
    content_bytes: int,
    *,
    rate_bps: float,
    mtu_bytes: int,
    extra_bytes: int = 0,
    overhead_bytes: float = 0,
    turnaround_s: float = 0.0,
    parity_share: float = 0.25,
    loss: float = 0.0,
) -> MessageAirtime:
    """A message of `content_bytes` (voice: 3 per 80 ms) to one station over a link of `rate_bps`.

    `mtu_bytes` is the packet length used; `extra_bytes` of it are checksum and tag; `overhead_bytes` the link adds to
    each packet. `loss` (0 to below 1): share of packets lost in either direction; the estimate then is of the mean.
    """
    if not 0 <= loss < 1:
        raise LocalProtocolError(f"a loss of {loss}: needs 0 to below 1")
    room = mtu_bytes - extra_bytes
    size = block_size(room)
    head = MessageHead(0, 0, Addressee.STATION, 0, 1, content_bytes + CHECK_BYTES, size)
    counts = layout_of(head).data_blocks
    parity = sum(math.ceil(parity_share * count) for count in counts)
    added = extra_bytes + overhead_bytes
    block, offer = size + BLOCK_OVERHEAD_BYTES + added, MIN_ROOM_BYTES + added
    answer = STATUS_BYTES + min(_ENTRY_BYTES, room - STATUS_BYTES) + added
    blocks = sum(counts)
    # Blocks that must leave so that enough arrive, and rounds of question and answer: one before, one after, one for
    # each pass of repairs; each question is asked until it and its answer have both come through.
    sent = max(float(blocks + parity), blocks / (1 - loss))
    repairs = 0.0 if loss == 0 else max(0.0, math.log(max(1.0, blocks * loss)) / -math.log(loss))
    asks = (2 + repairs) / (1 - loss) ** 2
    total = sent * block + asks * (offer + answer)
    return MessageAirtime(blocks, parity, size, total, total * 8 / rate_bps + 2 * asks * turnaround_s)
