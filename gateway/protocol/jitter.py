"""The jitter buffer: frames in as they arrive, one answer per 80 ms playout tick (SPEC.md, clause 8).

The rule: nothing is played that waited here longer than the hard cap, so delay cannot creep up during a long over.
Running dry waits instead of running on: a frame that comes late is then played late, by the delay the link has now,
and a lost one is paid for by the ticks already concealed. The delay so gained is given back a frame at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.protocol.frames import ReceivedFrame, is_better
from gateway.protocol.packets import FRAME_S

_ROUNDING_S = 1e-6  # sums of frame times are not exact


@dataclass(frozen=True, slots=True)
class JitterConfig:
    """All in seconds. `cushion_s` is the lateness a packet may have without a gap in the sound."""

    packet_s: float
    cushion_s: float
    hard_cap_s: float
    frame_s: float = FRAME_S
    conceal_limit_s: float = 1.0  # concealed at a stretch before silence
    time_out_s: float = 5.0  # without arrivals until the over has ended
    trim_every_s: float = 2.0  # how long spare delay is watched before one frame is given back

    def __post_init__(self) -> None:
        if min(self.packet_s, self.frame_s, self.conceal_limit_s, self.time_out_s, self.trim_every_s) <= 0:
            raise LocalProtocolError(f"jitter buffer times must be positive: {self}")
        if self.cushion_s < 0 or self.hard_cap_s + _ROUNDING_S < self.packet_s + self.cushion_s:
            raise LocalProtocolError(
                f"hard cap {self.hard_cap_s} s: needs at least packet {self.packet_s} s + cushion {self.cushion_s} s"
            )


@dataclass(frozen=True, slots=True)
class Play:
    """Decode this frame."""

    index: int
    frame: ReceivedFrame


@dataclass(frozen=True, slots=True)
class Conceal:
    """The frame of this index is not here: let the decoder bridge it."""

    index: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing to say: before the start, after the end, or in a gap too long to bridge."""


Playout = Play | Conceal | Silence


@dataclass(frozen=True, slots=True)
class JitterCounters:
    """Frames, and the audio now waiting in seconds. played + late + duplicate + skipped + waiting = put."""

    played: int
    concealed: int
    late: int
    duplicate: int
    skipped: int  # arrived, and thrown away to keep or lower the delay
    waiting: int
    delay_s: float


class JitterBuffer:
    """One over of one talker. `put` per frame received, `pop` once per tick; `now_s` never goes back."""

    def __init__(self, config: JitterConfig) -> None:
        self._config = config
        self._cap_frames = math.floor((config.hard_cap_s + _ROUNDING_S) / config.frame_s)
        self._conceal_limit = max(1, round(config.conceal_limit_s / config.frame_s))
        self._frames: dict[int, tuple[ReceivedFrame, float]] = {}  # index: frame, arrival
        self._floor = 0  # no index below this is played any more
        self._next = 0  # index of the next tick
        self._start_at_s: float | None = None  # filling until then; None: no frame yet
        self._playing = False
        self._waited = 0  # ticks answered while dry, without moving on
        self._gap_ticks = 0  # ticks since the last frame played
        self._end: int | None = None
        self._timed_out = False
        self._last_put_s = 0.0
        self._last_pop_s = 0.0
        self._spare_s = math.inf  # least time in hand of any arrival since _watch_from_s
        self._watch_from_s = 0.0
        self._played = self._concealed = self._late = self._duplicate = self._skipped = 0

    @property
    def finished(self) -> bool:
        """The over was ended and drained, or nothing came for `time_out_s` (a later frame revives only the latter)."""
        return self._timed_out or (self._end is not None and self._next >= self._end)

    def counters(self) -> JitterCounters:
        """A snapshot."""
        delay_s = max(0, max(self._frames, default=self._next - 1) + 1 - self._next) * self._config.frame_s
        waiting = len(self._frames)
        return JitterCounters(
            self._played, self._concealed, self._late, self._duplicate, self._skipped, waiting, delay_s
        )

    def put(self, frame_index: int, frame: ReceivedFrame, now_s: float) -> None:
        """Take a frame that arrived now; late and duplicate ones are counted and dropped (8.4).

        Of two copies the one that says more is kept (12.1): the other counts as the duplicate.
        """
        if frame_index < self._floor or (self._end is not None and frame_index >= self._end):
            self._late += 1
            return
        if frame_index in self._frames:
            self._duplicate += 1
            held, since_s = self._frames[frame_index]
            if is_better(frame, held):
                self._frames[frame_index] = frame, since_s
            return
        self._last_put_s = now_s
        self._timed_out = False
        if self._playing and not self._frames and self._gap_ticks >= self._conceal_limit:
            self._start_at_s, self._playing = None, False  # after a long gap: a new start, with a new cushion (8.6)
        if self._start_at_s is None:
            self._start_at_s = now_s + self._config.cushion_s
            self._next = frame_index
            self._waited = 0
        elif not self._playing:
            ahead_s = (self._next - frame_index) * self._config.frame_s
            if ahead_s + _ROUNDING_S >= self._config.packet_s:
                # A whole packet from before those here, recovered or reordered: it does not put them off (8.2).
                self._start_at_s = max(now_s, self._start_at_s - ahead_s)
            self._next = min(self._next, frame_index)
        else:
            self._settle(frame_index)
            due_s = self._last_pop_s + (1 + frame_index - self._next) * self._config.frame_s
            self._spare_s = min(self._spare_s, due_s - now_s)
        self._frames[frame_index] = frame, now_s
        self._keep_cap(now_s)

    def end(self, end_frame_index: int | None = None) -> None:
        """The over ends before this index (None: after what has arrived); what is here is still played (8.7)."""
        if self._end is not None:
            return
        after = max(self._frames, default=self._next - 1) + 1
        self._end = after if end_frame_index is None else max(end_frame_index, self._next)
        if self._playing and not self._frames:
            self._settle(self._end)
        for index in [index for index in self._frames if index >= self._end]:
            del self._frames[index]
            self._late += 1
        if self._start_at_s is not None and len(self._frames) == self._end - self._next:
            self._start_at_s = -math.inf  # nothing is missing: the cushion has nothing to wait for

    def pop(self, now_s: float) -> Playout:
        """The answer for the playout tick at `now_s`."""
        self._last_pop_s = now_s
        if not self._playing:
            if self._start_at_s is None or now_s + _ROUNDING_S < self._start_at_s:
                return Silence()
            self._playing = True
            self._floor = self._next
            self._spare_s, self._watch_from_s = math.inf, now_s
        self._drop_stale(now_s)
        self._trim(now_s)
        if self._next in self._frames:
            frame, _ = self._frames.pop(self._next)
            self._played += 1
            self._gap_ticks = 0
            self._advance(self._next + 1)
            return Play(self._next - 1, frame)
        return self._bridge(now_s)

    def _bridge(self, now_s: float) -> Playout:
        """No frame for this tick: move on if later ones show that it is lost, else wait for it (8.5)."""
        if self.finished:
            return Silence()
        index = self._next + self._waited
        if self._frames or self._end is not None:
            self._advance(self._next + 1)
        else:
            self._waited += 1
            self._timed_out = now_s - self._last_put_s >= self._config.time_out_s
        self._gap_ticks += 1
        if self._gap_ticks > self._conceal_limit or self._timed_out:
            return Silence()
        self._concealed += 1
        return Conceal(index)

    def _settle(self, index: int) -> None:
        """Ticks spent waiting count for the indices that turn out to be missing before `index`."""
        if self._waited:
            self._advance(self._next + min(self._waited, max(0, index - self._next)))
            self._waited = 0

    def _keep_cap(self, now_s: float) -> None:
        """Skip forward when more than the cap is waiting; start early when the cushion would break it."""
        span = max(self._frames) + 1 - self._next
        if not self._playing and self._start_at_s is not None:
            room_s = self._config.hard_cap_s - span * self._config.frame_s
            self._start_at_s = min(self._start_at_s, now_s + max(0.0, room_s))
        if span > self._cap_frames:
            self._skip_to(self._next + span - self._cap_frames)
            self._skip_to(min(self._frames, default=self._next))  # conceal no gap while there is too much to play

    def _drop_stale(self, now_s: float) -> None:
        """Ticks that stopped coming, as in a suspended machine, make frames old too."""
        while self._frames:
            oldest = min(self._frames)
            if now_s - self._frames[oldest][1] <= self._config.hard_cap_s + _ROUNDING_S:
                return
            self._skip_to(oldest + 1)

    def _trim(self, now_s: float) -> None:
        """Give one frame of delay back when every arrival of a while had time in hand beyond the cushion (8.8)."""
        if now_s - self._watch_from_s < self._config.trim_every_s or self._end is not None:
            return  # an over's last, short packet comes early: that says nothing, and nothing is left to gain
        spare_s = self._config.cushion_s + 1.5 * self._config.frame_s
        if spare_s < self._spare_s < math.inf and len(self._frames) > 1:
            self._skip_to(self._next + 1)
        self._spare_s, self._watch_from_s = math.inf, now_s

    def _skip_to(self, index: int) -> None:
        for old in [known for known in self._frames if known < index]:
            del self._frames[old]
            self._skipped += 1
        self._advance(max(index, self._next))

    def _advance(self, index: int) -> None:
        self._next = self._floor = index
