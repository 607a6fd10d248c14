"""The last minutes of what was heard, in memory, so that an over can be played once more whether or not [record] is on.

Rule: bounded by samples; the oldest sound goes first. Overs that went are still counted, so that numbers stay right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, Int16Array, to_float, to_int16
from gateway.control.snapshot import OverView

KEPT_SAMPLES = 300 * SAMPLE_RATE_HZ
MAX_OVERS = 50
HEARD = "heard"


@dataclass(slots=True)
class RingOver:
    """An over as it was heard."""

    name: str
    wall_s: float
    blocks: deque[Int16Array] = field(default_factory=deque)
    samples: int = 0

    @property
    def duration_s(self) -> float:
        """Of what is kept."""
        return self.samples / SAMPLE_RATE_HZ

    def sound(self) -> Iterator[FloatArray]:
        """What is kept now, block by block."""
        return (to_float(block) for block in tuple(self.blocks))


class OverRing:
    """One station's."""

    def __init__(self, kept_samples: int = KEPT_SAMPLES) -> None:
        self._kept = kept_samples
        self._overs: deque[RingOver] = deque(maxlen=MAX_OVERS)  # newest first
        self._current: RingOver | None = None

    def begins(self, name: str, wall_s: float) -> None:
        """An over is heard from now on."""
        self._current = RingOver(name, wall_s)

    def talker(self, name: str) -> None:
        """Who it is."""
        if self._current is not None:
            self._current.name = name

    def hear(self, pcm: FloatArray) -> None:
        """Sound (samples,) of it, on the way to the speaker."""
        if self._current is None:
            return
        self._current.blocks.append(to_int16(pcm))
        self._current.samples += len(pcm)
        self._make_room()

    def ends(self) -> None:
        """It is over."""
        if self._current is not None:
            self._overs.appendleft(self._current)
            self._current = None

    def over(self, index: int) -> RingOver | None:
        """Of the overs that are kept as sound: 1 is the newest."""
        kept = [over for over in self._overs if over.samples]
        return kept[index - 1] if 1 <= index <= len(kept) else None

    def numbered(self, views: Sequence[OverView]) -> tuple[OverView, ...]:
        """`views`, newest first, each heard one with the number to play it by, 0 where its sound is not kept."""
        left, number, found = iter(self._overs), 0, list[OverView]()
        for view in views:
            over = next(left, None) if view.side == HEARD else None
            number += over is not None and over.samples > 0
            found.append(replace(view, index=number if over is not None and over.samples else 0))
        return tuple(found)

    @property
    def samples(self) -> int:
        """All that is kept."""
        now = 0 if self._current is None else self._current.samples
        return now + sum(over.samples for over in self._overs)

    def _make_room(self) -> None:
        too_many = self.samples - self._kept
        for over in (*reversed(self._overs), self._current):
            while over is not None and over.blocks and too_many > 0:
                gone = len(over.blocks.popleft())
                over.samples -= gone
                too_many -= gone
