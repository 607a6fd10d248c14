"""From the parts of a station to the snapshot that consoles draw.

Rule: looks, never touches; every part is asked, nothing is kept but the counters of the last second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from firmware_bridge.ptt.keying import Keying
from gateway.audio.base import AudioInput, AudioOutput
from gateway.audio.denoise import DELAY_MS
from gateway.clock import Clock, calendar_s
from gateway.config import StationConfig
from gateway.control.keys import KeyBoard
from gateway.control.snapshot import (
    AudioView,
    DelayView,
    DeviceView,
    KeyingView,
    LinkView,
    MessageView,
    PttView,
    RecordView,
    SecurityView,
    Snapshot,
)
from gateway.metrics import Metrics
from gateway.protocol.live import Fit
from gateway.protocol.opening import Refusal
from gateway.receive import Receiver
from gateway.recording import Recorder
from gateway.session.machine import Mode, SessionState
from gateway.station.adaptation import LinkCare
from gateway.station.board import StationBoard
from gateway.station.delay import ComputingMeter, delay_view
from gateway.station.link_keeper import LinkKeeper
from gateway.station.mailbox import Mailbox
from gateway.station.sounds import LocalSounds
from gateway.transmit import Transmitter

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
    keys: KeyBoard
    audio: tuple[AudioInput, AudioOutput]
    care: LinkCare
    mailbox: Mailbox | None
    keying: Keying | None
    security: SecurityView
    sounds: LocalSounds
    recorder: Recorder | None
    transmitter: Transmitter
    receiver: Receiver
    computing: ComputingMeter
    _number: int = 0
    _counted_s: float = float("-inf")
    _counters: tuple[tuple[str, float], ...] = ()
    _spooled: tuple[MessageView, ...] = ()
    _messages: tuple[MessageView, ...] = ()
    _messages_of: tuple[MessageView | None, tuple[MessageView, ...] | None] = (None, None)

    def snapshot(self, state: SessionState, *, refusal: str | None, talks_buffered: bool) -> Snapshot:
        """Everything as it is now."""
        now, board, config = self.clock.now(), self.board, self.config
        if now - self._counted_s >= COUNTED_EVERY_S:
            self._counted_s = now
            self._counters = tuple(self.metrics.snapshot().items())
            self._spooled = () if self.mailbox is None else self.mailbox.views()
        self._number += 1
        return Snapshot(
            board.station_view(),
            number=self._number,
            wall_s=calendar_s(),
            ptt=PttView(
                mode=state.mode.value,
                mode_s=now - state.since_s,
                held_by=self.keys.holders,
                time_left_s=state.over_since_s + config.ptt.time_out_s - now if state.is_keyed else None,
                waits_for_floor=state.mode is Mode.WAITING,
                refusal=refusal,
                is_full_duplex=state.is_full_duplex,
                is_parrot=self.sounds.parrot.is_on,
                is_recording=self.mailbox is not None and self.mailbox.is_recording,
                talks_buffered=talks_buffered,
            ),
            talker=board.talker_view(),
            audio=self._audio(now),
            link=self._link(talks_buffered),
            delay=self._delay(),
            reception=board.reception_view(),
            sent_reception=board.sent_reception_view(),
            airtime=board.airtime_view(),
            security=self._security(),
            keying=self._keying(),
            record=None if self.recorder is None else RecordView(str(self.recorder.folder), self.recorder.problem),
            trace=self._trace(),
            last_heard=board.last_heard,
            overs=self.sounds.ring.numbered(board.overs),
            messages=self._all_messages(),
            names=tuple(config.net.names.items()),
            counters=self._counters,
        )

    def _all_messages(self) -> tuple[MessageView, ...]:
        """Short texts and what is in the spool, newest first; put together only when one of both has changed."""
        texts = self.board.texts
        newest = texts[0] if texts else None
        if self._messages_of[0] is not newest or self._messages_of[1] is not self._spooled:
            self._messages_of = (newest, self._spooled)
            both = (*texts, *self._spooled)
            self._messages = tuple(sorted(both, key=lambda view: view.wall_s, reverse=True))
        return self._messages

    def _audio(self, now: float) -> AudioView:
        meter = self.board.microphone
        return AudioView(
            DeviceView(self.audio[0].name, self.audio[0].state.value, self.audio[0].text, *self._troubles("input")),
            DeviceView(self.audio[1].name, self.audio[1].state.value, self.audio[1].text, *self._troubles("output")),
            meter.level_db,
            meter.peak_db,
            meter.is_clipping(now),
            output_level_db=self.sounds.speaker.level_db,
            volume_db=self.sounds.speaker.volume_db,
            is_muted=self.sounds.speaker.is_muted,
            noise_suppression=self.transmitter.suppresses_noise,
            talker_db=self.transmitter.talker_db,
        )

    def _troubles(self, direction: str) -> tuple[int, int]:
        count = self.metrics.counter
        return count(f"audio.{direction}.xruns"), count(f"audio.{direction}.dropped_samples")

    def _delay(self) -> DelayView:
        section, keying = self.config.audio, self.config.keying
        return delay_view(
            self.care.plan,
            self.link.info,
            codec_ms=self.transmitter.codec_delay_ms,
            cushion_ms=1000 * self.receiver.cushion_s,
            input_ms=1000 * self.audio[0].latency_s,
            output_ms=1000 * self.audio[1].latency_s,
            block_ms=section.block_ms,
            suppression_ms=DELAY_MS if self.transmitter.suppresses_noise else 0.0,
            computing_ms=self.computing.computing_ms,
            keyed_ms=0.0 if keying is None or keying.hold == "packet" else keying.delay_ms,
        )

    def _link(self, talks_buffered: bool) -> LinkView:
        info, verdict = self.link.info, self.care.verdict
        return LinkView(
            info.name,
            self.config.link.kind,
            self.link.is_up,
            self.link.outage,
            info.rate_bps,
            info.mtu_bytes,
            info.half_duplex,
            "recorded messages" if talks_buffered else self.care.sending,
            "live" if verdict is None or verdict.fit is Fit.LIVE else verdict.fit.value,
            "" if verdict is None else verdict.reason,
        )

    def _security(self) -> SecurityView:
        refused = tuple(
            (name.removeprefix(DROPPED), int(count))
            for name, count in self._counters
            if name.startswith(DROPPED) and name.removeprefix(DROPPED) in REFUSALS
        )
        return replace(self.security, refused=refused)

    def _trace(self) -> RecordView | None:
        recording = self.link.recording
        return None if recording is None else RecordView(str(recording.path.parent), recording.problem)

    def _keying(self) -> KeyingView | None:
        keying, section = self.keying, self.config.keying
        if keying is None or section is None:
            return None
        return KeyingView(section.device.kind, keying.is_on, keying.problem)
