"""From the parts of a station to the snapshot that consoles draw.

Rule: looks, never touches; every part is asked, nothing is kept but the counters of the last second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from firmware_bridge.ptt.keying import Keying
from gateway.audio.base import AudioInput, AudioOutput
from gateway.clock import Clock, calendar_s
from gateway.config import StationConfig
from gateway.control.keys import KeyBoard
from gateway.control.snapshot import (
    AudioView,
    DelayView,
    DeviceView,
    KeyingView,
    LinkView,
    PttView,
    RecordView,
    SecurityView,
    Snapshot,
)
from gateway.metrics import Metrics
from gateway.protocol.live import Fit
from gateway.protocol.opening import Refusal
from gateway.session.machine import Mode, SessionMachine, SessionState
from gateway.station.adaptation import LinkCare
from gateway.station.board import StationBoard
from gateway.station.link_keeper import LinkKeeper
from gateway.station.mailbox import Mailbox

COUNTED_EVERY_S = 1.0
DROPPED = "rx.dropped."
REFUSALS = frozenset(refusal.value for refusal in Refusal)


@dataclass(slots=True)
class ViewMaker:
    """One station's."""

    config: StationConfig
    clock: Clock
    metrics: Metrics
    board: StationBoard
    link: LinkKeeper
    machine: SessionMachine
    keys: KeyBoard
    audio: tuple[AudioInput, AudioOutput]
    care: LinkCare | None = None
    mailbox: Mailbox | None = None
    keying: Keying | None = None
    security: SecurityView | None = None
    _number: int = 0
    _counted_s: float = float("-inf")
    _counters: tuple[tuple[str, float], ...] = ()

    def snapshot(self, state: SessionState, *, refusal: str | None, talks_buffered: bool) -> Snapshot:
        """Everything as it is now."""
        now, board, config = self.clock.now(), self.board, self.config
        if now - self._counted_s >= COUNTED_EVERY_S:
            self._counted_s = now
            self._counters = tuple(self.metrics.snapshot().items())
        self._number += 1
        return Snapshot(
            board.station_view(),
            number=self._number,
            wall_s=calendar_s(),
            ptt=PttView(
                mode=state.mode.value,
                mode_s=now - state.since_s,
                held_by=self.keys.holders,
                time_left_s=state.over_since_s + self.machine.time_out_s - now if state.is_keyed else None,
                waits_for_floor=state.mode is Mode.WAITING,
                refusal=refusal,
                is_full_duplex=state.is_full_duplex,
                is_recording=self.mailbox is not None and self.mailbox.is_recording,
                talks_buffered=talks_buffered,
            ),
            talker=board.talker_view(),
            audio=self._audio(now),
            link=self._link(talks_buffered),
            delay=DelayView(),
            reception=board.reception_view(),
            sent_reception=board.sent_reception_view(),
            airtime=board.airtime_view(),
            security=self._security(),
            keying=self._keying(),
            record=None if config.record is None else RecordView(str(config.record.folder)),
            last_heard=board.last_heard,
            overs=board.overs,
            messages=board.texts,
            names=tuple(config.net.names.items()),
            counters=self._counters,
        )

    def _audio(self, now: float) -> AudioView:
        meter, section = self.board.microphone, self.config.audio
        return AudioView(
            DeviceView(self.audio[0].name, self.audio[0].state.value, "", *self._troubles("input")),
            DeviceView(self.audio[1].name, self.audio[1].state.value, "", *self._troubles("output")),
            meter.level_db,
            meter.peak_db,
            meter.is_clipping(now),
            noise_suppression=section.noise_suppression != "off",
        )

    def _troubles(self, direction: str) -> tuple[int, int]:
        count = self.metrics.counter
        return count(f"audio.{direction}.xruns"), count(f"audio.{direction}.dropped_samples")

    def _link(self, talks_buffered: bool) -> LinkView:
        info, care = self.link.info, self.care
        verdict = None if care is None else care.verdict
        sending = "" if care is None else care.sending
        return LinkView(
            info.name,
            self.config.link.kind,
            self.link.is_up,
            self.link.outage,
            info.rate_bps,
            info.mtu_bytes,
            info.half_duplex,
            "recorded messages" if talks_buffered else sending,
            "live" if verdict is None or verdict.fit is Fit.LIVE else verdict.fit.value,
            "" if verdict is None else verdict.reason,
        )

    def _security(self) -> SecurityView:
        refused = tuple(
            (name.removeprefix(DROPPED), int(count))
            for name, count in self._counters
            if name.startswith(DROPPED) and name.removeprefix(DROPPED) in REFUSALS
        )
        return replace(self.security or SecurityView(self.config.security.mode), refused=refused)

    def _keying(self) -> KeyingView | None:
        keying, section = self.keying, self.config.keying
        if keying is None or section is None:
            return None
        return KeyingView(section.device.kind, keying.is_on, keying.problem)
