"""Text messages: long text into parts, parts into whole messages (SPEC.md, clause 5).

The rule: a message is shown once, whole, however often its parts are repeated; memory is bounded by count and time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import MAX_TEXT_BYTES, MAX_TEXT_PARTS, TextPacket


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A whole message as it is shown."""

    source: int
    group: int
    message_id: int
    text: str


def split_text(
    text: str, *, source: int, group: int, message_id: int, ack_wanted: bool, max_bytes: int = MAX_TEXT_BYTES
) -> tuple[TextPacket, ...]:
    """Parts of at most `max_bytes` UTF-8 bytes each, cut between characters (5.4).

    Raises LocalProtocolError for empty or over-long text, control characters, or `max_bytes` outside 4..200.
    """
    if not 4 <= max_bytes <= MAX_TEXT_BYTES:
        raise LocalProtocolError(f"text parts of {max_bytes} bytes: needs 4 to {MAX_TEXT_BYTES}")
    pieces: list[str] = []
    room = 0
    for character in text:
        size = len(character.encode("utf-8", "surrogatepass"))
        if size > room:
            pieces.append("")
            room = max_bytes
        pieces[-1] += character
        room -= size
    if not 1 <= len(pieces) <= MAX_TEXT_PARTS:
        raise LocalProtocolError(f"text needs {len(pieces)} parts of {max_bytes} bytes: 1 to {MAX_TEXT_PARTS} allowed")
    last = len(pieces) - 1
    return tuple(
        TextPacket(source, group, message_id, part, part == last, ack_wanted, piece)
        for part, piece in enumerate(pieces)
    )


@dataclass(slots=True)
class _Open:
    touched_s: float
    parts: dict[int, str] = field(default_factory=dict)
    last: int | None = None
    done: bool = False


class TextAssembler:
    """Receiver side. Keeps at most `max_open` messages, each for `time_out_s` after its last part (5.7)."""

    def __init__(self, *, time_out_s: float = 60.0, max_open: int = 32) -> None:
        self._time_out_s = time_out_s
        self._max_open = max_open
        self._open: dict[tuple[int, int, int], _Open] = {}

    def receive(self, packet: TextPacket, now_s: float) -> TextMessage | None:
        """The whole message when `packet` completes it; None for a part of it, and for every repeat."""
        self._open = {key: entry for key, entry in self._open.items() if now_s - entry.touched_s < self._time_out_s}
        key = (packet.source, packet.group, packet.message_id)
        if key not in self._open and len(self._open) >= self._max_open:
            del self._open[min(self._open, key=lambda known: self._open[known].touched_s)]
        entry = self._open.setdefault(key, _Open(now_s))
        entry.touched_s = now_s
        if entry.done:
            return None
        entry.parts[packet.part] = packet.text
        if packet.last_part:
            entry.last = packet.part
        if entry.last is None or any(part not in entry.parts for part in range(entry.last + 1)):
            return None
        text = "".join(entry.parts[part] for part in range(entry.last + 1))
        entry.done = True
        entry.parts.clear()
        return TextMessage(*key, text)
