"""What arrives at a station: from the link to the receiver, from there to the ear and to whoever has to know.

Rule: what it hears of becomes an event for the session, a line for the operator, or a count; it sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.clock import Clock, calendar_s
from gateway.codec.spec import FRAME_SAMPLES
from gateway.config import StationConfig
from gateway.heard_over import Played
from gateway.metrics import Metrics
from gateway.notices import (
    AckHeard,
    AckWanted,
    CodecUnknown,
    CushionChanged,
    MessageHeard,
    Notice,
    PacketsRefused,
    RemoteOverEnded,
    RemoteOverStarted,
    RemoteTalker,
    ReportReceived,
    TalkersCollide,
    TextReceived,
)
from gateway.receive import Receiver
from gateway.recording import Recorder
from gateway.session.events import Event, OverEnded, OverStarted
from gateway.station.adaptation import LinkCare
from gateway.station.board import StationBoard
from gateway.station.delay import ComputingMeter
from gateway.station.link_keeper import LinkKeeper
from gateway.station.mailbox import Mailbox
from gateway.station.sounds import LocalSounds
from gateway.telling import Level, Say

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
LOW_WATER_SAMPLES = SAMPLE_RATE_HZ * 40 // 1000
"""The speaker's queue is topped up when less than this is left: two loop turns of 20 ms."""


class Incoming:
    """One station's; for its media thread."""

    def __init__(
        self,
        config: StationConfig,
        receiver: Receiver,
        link: LinkKeeper,
        sounds: LocalSounds,
        clock: Clock,
        metrics: Metrics,
        say: Say,
        board: StationBoard,
        computing: ComputingMeter,
        on_event: Callable[[Event], None],
        care: LinkCare,
        mailbox: Mailbox | None,
        recorder: Recorder | None,
    ) -> None:
        """`on_event` is told when the overs of others begin and end."""
        self._config, self._receiver, self._link, self._sounds = config, receiver, link, sounds
        self._clock, self._metrics, self._say = clock, metrics, say
        self._board, self._computing, self._on_event = board, computing, on_event
        self._care, self._mailbox, self._recorder = care, mailbox, recorder
        self._muted_play_s: float | None = None

    def receive(self, wait_s: float) -> None:
        """Take what has come off the link, waiting at most `wait_s` for the first packet."""
        for received in self._link.receive(wait_s):
            self._tell(
                self._receiver.on_packet(received.data, self._clock.now(), received.snr_db, received.one_probability)
            )

    def play(self, *, is_listening: bool) -> None:
        """Give the speaker what it will need until the next turn: an over, else what is played here; in half duplex
        nothing while the operator talks."""
        now, speaker = self._clock.now(), self._sounds.speaker
        if not is_listening:
            # What arrives is taken off the buffer in time but not heard.
            if self._muted_play_s is None:
                self._muted_play_s = now
            while self._muted_play_s <= now:
                self._tell(self._receiver.play(now)[1])
                self._muted_play_s += FRAME_S
            return
        self._muted_play_s = None
        while speaker.queued_samples < LOW_WATER_SAMPLES:
            began_s = self._clock.now()
            played, notices = self._receiver.play(now)
            if played is not None:
                self._computing.decoded(self._clock.now() - began_s)
                self._keep(played)
            self._tell(notices)
            pcm = played.pcm if played is not None else self._sounds.next_pcm()
            if pcm is None:
                return
            speaker.write(pcm)

    def _keep(self, played: Played) -> None:
        self._board.played(concealed=played.concealed)
        self._sounds.ring.hear(played.pcm)
        if self._recorder is not None:
            queued_s = self._sounds.speaker.queued_samples / SAMPLE_RATE_HZ
            self._recorder.heard(
                played.over_id, played.frame_index, played.pcm, concealed=played.concealed, queued_s=queued_s
            )

    def _tell(self, notices: list[Notice]) -> None:
        for notice in notices:
            match notice:
                case RemoteOverStarted():
                    self._board.over_begins()
                    self._sounds.ring.begins(self._board.talker or "somebody", calendar_s())
                    self._on_event(OverStarted())
                case RemoteTalker(session):
                    name = self._board.talker_known(session.source, session.group)
                    self._sounds.ring.talker(name)
                    if self._recorder is not None:
                        self._recorder.talker(session.source)
                    self._on_event(OverStarted(session.source))
                    self._say(f"{name} to group {session.group}")
                case CodecUnknown(session):
                    codec = f"codec {session.codec_id} version {session.codec_version}"
                    self._say(f"{self._board.talker} sends {codec}: not heard", Level.WARNING)
                case RemoteOverEnded(reception):
                    self._board.over_ends(reception)
                    self._sounds.ring.ends()
                    self._on_event(OverEnded())
                    if self._recorder is not None:
                        self._recorder.heard_ends(reception)
                    self._care.over_heard(reception, self._clock.now())
                case TalkersCollide():
                    self._say("another station talks into this over", Level.WARNING)
                case CushionChanged(cushion_s):
                    self._say(f"overs now wait {1000 * cushion_s:.0f} ms before they play")
                case ReportReceived(report):
                    self._board.reported(report)
                    counted = self._care.report_heard(report)
                    if counted and report.lost:
                        name = self._config.net.name_of(report.source)
                        self._say(f"{name} lost {report.lost} of {report.expected} packets", Level.WARNING)
                case PacketsRefused(counts):
                    listed = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items())
                    self._say(f"packets refused: {listed}", Level.WARNING)
                case TextReceived(message):
                    name = self._config.net.name_of(message.source)
                    self._board.text("in", name, message.text, "received")
                    self._say(f"message from {name}: {message.text}")
                case MessageHeard(heard) if self._mailbox is not None:
                    self._mailbox.on_message(heard, self._clock.now())
                case MessageHeard():
                    self._metrics.count("rx.messages_ignored")
                case AckWanted(packet) if self._mailbox is not None:
                    self._mailbox.on_ack_wanted(packet)
                case AckHeard(ack) if self._mailbox is not None:
                    self._mailbox.on_ack(ack)
