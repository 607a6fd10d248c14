"""One over as packets at the sender: its id, which packets carry the session block (SPEC.md, clauses 3, 4)."""

from __future__ import annotations

import random
from collections.abc import Collection

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import FRAME_BYTES, MAX_FRAMES, OVER_IDS, SEQUENCES, SessionBlock, VoicePacket

SESSION_EVERY = 12  # packets (4.2)


def carries_session(sequence: int) -> bool:
    """Whether the packet with this extended sequence carries the session block (4.2)."""
    return sequence == 0 or sequence % SESSION_EVERY == 2


def next_over_id(previous: int | None, rng: random.Random, avoid: Collection[int] = ()) -> int:
    """Random for a station's first over, then one more each time, passing over what others use (4.4)."""
    first = rng.randrange(OVER_IDS) if previous is None else (previous + 1) % OVER_IDS
    free = (chosen for step in range(OVER_IDS) if (chosen := (first + step) % OVER_IDS) not in avoid)
    return next(free, first)


class Packetizer:
    """Sender side of one over: frames in, packets out. Made when PTT is pressed, used up by `finish`."""

    def __init__(self, frames_per_packet: int, session: SessionBlock, over_id: int) -> None:
        """Raises LocalProtocolError unless 1 <= frames_per_packet <= 63 and 0 <= over_id <= 31."""
        if not 1 <= frames_per_packet <= MAX_FRAMES:
            raise LocalProtocolError(f"{frames_per_packet} frames per packet: needs 1 to {MAX_FRAMES}")
        if not 0 <= over_id < OVER_IDS:
            raise LocalProtocolError(f"over id is {over_id}, needs 0 to {OVER_IDS - 1}")
        self._frames_per_packet = frames_per_packet
        self._session = session
        self._over_id = over_id
        self._pending: list[bytes] = []
        self._sequence = 0
        self._finished = False

    @property
    def next_frame_index(self) -> int:
        """Index, from 0, of the frame that `push` takes next: frames pushed so far."""
        return self._sequence * self._frames_per_packet + len(self._pending)

    def push(self, frame: bytes) -> VoicePacket | None:
        """Take one 3-byte frame; the packet that it fills, if it does."""
        if self._finished:
            raise LocalProtocolError("frame pushed after the end of the over")
        if len(frame) != FRAME_BYTES:
            raise LocalProtocolError(f"frame has {len(frame)} bytes, needs {FRAME_BYTES}")
        self._pending.append(frame)
        return self._packet(end_of_over=False) if len(self._pending) == self._frames_per_packet else None

    def finish(self) -> VoicePacket:
        """The last packet: frames not sent yet (perhaps none) with the end-of-over flag (7.1)."""
        if self._finished:
            raise LocalProtocolError("the over was finished before")
        tail = self.next_frame_index
        packet = self._packet(end_of_over=True)
        self._finished = True
        self._sequence, odd = divmod(tail, self._frames_per_packet)  # next_frame_index keeps telling the total
        self._pending = [b""] * odd
        return packet

    def _packet(self, *, end_of_over: bool) -> VoicePacket:
        session = self._session if carries_session(self._sequence) else None
        packet = VoicePacket(self._over_id, self._sequence % SEQUENCES, end_of_over, tuple(self._pending), session)
        self._pending.clear()
        self._sequence += 1
        return packet
