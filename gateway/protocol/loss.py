"""Loss of one over as it came off the air: how many packets, in what bursts (SPEC.md, 15.3).

The rule: fed with what `OverReceiver` says, in any order of packets; memory does not grow with the over. The figures
are those of a Gilbert-Elliott channel: share of packets lost and mean length of a run of losses.
"""

from __future__ import annotations

from gateway.protocol.over_events import FramesArrived, OverEnded, OverEvent, OverStarted
from gateway.protocol.report import Reception

_WINDOW = 32  # packets: none this far behind is used any more (6.3)


class LossStatistics:
    """One over of one talker; made at its first packet."""

    def __init__(self, started: OverStarted) -> None:
        self._over, self._over_id = started.over, started.over_id
        self._frames_per_packet = started.frames_per_packet
        self._highest = started.first_frame_index // started.frames_per_packet
        self._next = self._first = self._highest  # all below `_next` is settled
        self._open: set[int] = set()  # heard, not settled
        self._heard = self._lost = self._bursts = self._longest = self._run = self._late = 0
        self._measurable = True
        self._snr_sum_db, self._snr_count = 0.0, 0

    def feed(self, event: OverEvent) -> None:
        """Take an event of the over receiver; those of other overs change nothing."""
        if isinstance(event, FramesArrived) and event.over == self._over and self._measurable:
            self._hear(event.first_frame_index // self._frames_per_packet)
        elif isinstance(event, OverEnded) and event.over == self._over and event.sequence is not None:
            self._hear(event.sequence)  # it may have held no frames
            # Where only the end was heard the frames per packet are a guess, and numbers of stragglers as well.
            self._measurable = self._heard > 1

    def late(self, packets: int = 1) -> None:
        """Packets that came after their turn to be played."""
        self._late += packets

    def snr(self, snr_db: float) -> None:
        """Signal-to-noise ratio of a packet, where the link tells."""
        self._snr_sum_db += snr_db
        self._snr_count += 1

    def reception(self, source: int | None = None) -> Reception:
        """The figures so far; `source` is the talker, once known."""
        lost, bursts, longest, run = self._lost, self._bursts, self._longest, self._run
        for sequence in range(self._next, self._highest + 1):
            lost, bursts, longest, run = _step(sequence in self._open, lost, bursts, longest, run)
        expected = self._highest - self._first + 1
        late = min(self._late, expected - lost)
        snr_db = self._snr_sum_db / self._snr_count if self._snr_count else None
        return Reception(self._over_id, expected, lost, bursts, longest, late, source, snr_db)

    def _hear(self, sequence: int) -> None:
        if sequence < self._first and self._next == self._first:
            self._first = self._next = sequence  # overtaken by the packet after it
        if sequence < self._next or sequence in self._open:
            return
        self._heard += 1
        self._open.add(sequence)
        self._highest = max(self._highest, sequence)
        while self._next <= self._highest - _WINDOW:
            heard = self._next in self._open
            self._lost, self._bursts, self._longest, self._run = _step(
                heard, self._lost, self._bursts, self._longest, self._run
            )
            self._open.discard(self._next)
            self._next += 1


def _step(heard: bool, lost: int, bursts: int, longest: int, run: int) -> tuple[int, int, int, int]:
    """Counts after one more packet in order: (lost, bursts, longest burst, losses in a row up to here)."""
    if heard:
        return lost, bursts, longest, 0
    return lost + 1, bursts + (run == 0), max(longest, run + 1), run + 1
