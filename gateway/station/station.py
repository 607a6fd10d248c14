"""A live station as one loop body: microphone, requests and link in; link, speaker, snapshots and lines out.

Rule: `step` belongs to the media thread and is the only code that touches transmitter, receiver, session and link;
other threads speak to it through its `ControlHub`, and look there.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from firmware_bridge.ptt.contact import Move
from firmware_bridge.ptt.keying import Keying
from firmware_bridge.ptt.vox import Vox
from gateway.audio.base import SAMPLE_RATE_HZ, AudioInput, AudioOutput
from gateway.clock import Clock
from gateway.config import StationConfig
from gateway.control.hub import ControlHub
from gateway.control.keys import KeyBoard, KeyRequest
from gateway.control.requests import (
    DeleteMessage,
    HoldKey,
    PlayMessage,
    PressKey,
    ReleaseKey,
    Request,
    RetryMessage,
    SendText,
    ToggleKey,
    ToggleRecording,
)
from gateway.control.snapshot import SecurityView, Snapshot
from gateway.heard_over import Pcm
from gateway.links.base import Link
from gateway.metrics import Metrics
from gateway.protocol.live import Fit
from gateway.ptt_config import VoxInput
from gateway.receive import Receiver
from gateway.recording import Recorder
from gateway.session.events import (
    Action,
    DuplexKnown,
    EndOver,
    Event,
    KeyDown,
    KeyIsUp,
    KeyLost,
    KeyUp,
    Notice,
    Notify,
    PlayTone,
    PttPressed,
    PttReleased,
    PttToggled,
    Refused,
    Shutdown,
    StartOver,
    Tick,
    Tone,
)
from gateway.session.machine import Mode, SessionState
from gateway.station.adaptation import LinkCare
from gateway.station.board import StationBoard, decibels
from gateway.station.delay import ComputingMeter
from gateway.station.incoming import Incoming
from gateway.station.link_keeper import REST_WAIT_S, WAIT_S, LinkKeeper
from gateway.station.mailbox import Mailbox
from gateway.station.outgoing import Outgoing
from gateway.station.parrot import Parrot
from gateway.station.ptt import is_full_duplex, machine_of
from gateway.station.sounds import LocalSounds
from gateway.station.speaker import Speaker
from gateway.station.tones import tone_pcm
from gateway.station.view import ViewMaker
from gateway.telling import Level, Say
from gateway.transmit import Transmitter

VOX = "vox"
SHOWN_EVERY_S = 0.1
HISTORY_EVERY_S = 10.0
WARNINGS = frozenset(
    {
        Notice.TIME_OUT_NEAR,
        Notice.TIMED_OUT,
        Notice.COLLISION,
        Notice.LINK_LOST,
        Notice.KEY_LOST,
        Notice.NOT_KEYED,
        Notice.YIELDED,
    }
)
"""What speech is lost by, or soon will be."""


class Station:
    """Built by `app` from a configuration; driven by `step` until `close`."""

    def __init__(
        self,
        config: StationConfig,
        transmitter: Transmitter,
        receiver: Receiver,
        link: Link,
        audio: tuple[AudioInput, AudioOutput],
        clock: Clock,
        metrics: Metrics,
        say: Say,
        care: LinkCare,
        mailbox: Mailbox | None,
        rng: random.Random,
        keying: Keying | None,
        recorder: Recorder | None,
        hub: ControlHub,
        board: StationBoard,
        security: SecurityView,
    ) -> None:
        """`link` is opened here; `say` gets lines for the operator, from the media thread; `care` adapts overs to the
        link and reports on those of others; `mailbox` keeps buffered messages (None: there are none), `rng` draws the
        first id of short texts, which must not be those sent before a restart;
        `keying` keys a transmitter (None: the link needs none), and is closed by whoever made it; `recorder` keeps what
        is said and heard (None: nothing is); `hub` is where consoles are, `board` what is remembered for them."""
        self._config = config
        self._receiver = receiver
        self._input = audio[0]
        self._output = audio[1] if isinstance(audio[1], Speaker) else Speaker(audio[1])
        self._clock, self._metrics, self._say = clock, metrics, say
        self._care, self._mailbox, self._keying = care, mailbox, keying
        self._machine = machine_of(config, link.info)
        self._state = SessionState(
            since_s=clock.now(),
            is_full_duplex=is_full_duplex(config, link.info),
            seed=rng.getrandbits(32),
        )
        self._hub = hub
        self._board = board
        self._keys = KeyBoard()
        self._refusal: str | None = None
        vox = config.ptt.input
        self._vox = Vox(vox, SAMPLE_RATE_HZ) if isinstance(vox, VoxInput) else None
        release_s, time_out_s = config.ptt.release_ms / 1000, config.ptt.time_out_s
        parrot = Parrot(transmitter, receiver, clock, release_s=release_s, time_out_s=time_out_s)
        self._sounds = LocalSounds(self._output, parrot, clock, say, self._fresh_microphone)
        self._shown_s = self._history_s = float("-inf")
        self._shown_mode = self._state.mode
        self._link = LinkKeeper(link, clock, metrics, say, self._session)
        self._link_info = link.info
        if config.ptt.duplex == "full" and not self._state.is_full_duplex:
            say("the link carries one way at a time: half duplex, whatever [ptt] duplex says")
        computing = ComputingMeter()
        self._outgoing = Outgoing(
            config,
            transmitter,
            self._link,
            clock,
            metrics,
            say,
            self._board,
            computing,
            care,
            mailbox,
            recorder,
            rng,
        )
        self._incoming = Incoming(
            config,
            receiver,
            self._link,
            self._sounds,
            clock,
            metrics,
            say,
            self._board,
            computing,
            self._session,
            care,
            mailbox,
            recorder,
        )
        self._views = ViewMaker(
            config,
            clock,
            metrics,
            self._board,
            self._link,
            self._keys,
            (self._input, self._output),
            care,
            mailbox,
            keying,
            security,
            self._sounds,
            recorder,
            transmitter,
            receiver,
            computing,
        )

    @property
    def is_in_use(self) -> bool:
        """Whether somebody talks, is heard, or records here now: no time to fiddle with the sound; from any thread."""
        records = self._mailbox is not None and self._mailbox.is_recording
        return self._state.mode is not Mode.IDLE or records or self._receiver.busy

    def post(self, request: Request) -> None:
        """Ask something of the station, from any thread; the same as `post` of its hub."""
        self._hub.post(request)

    def step(self) -> None:
        """One turn: take requests, speech and packets, give packets and speech. Waits a little for a packet, while
        nothing goes on twice as long."""
        self._link.watch()
        self._tend_key()
        self._tend_link()
        for request in self._hub.take():
            self._request(request)
        for event in self._keys.tick(self._clock.now()):
            self._key_event(event)
        self._hear_microphone()
        self._incoming.receive(WAIT_S if self.is_in_use or self._sounds.is_occupied else REST_WAIT_S)
        self._sounds.tick(self._busy)
        self._send_messages()
        self._session(Tick())
        if not self._is_key_obeyed:
            self._keys.clear()  # whoever still holds a key that is not obeyed has to press it again
        self._incoming.play(is_listening=self._state.is_listening)
        self._show()

    def close(self) -> None:
        """Unkey, end the over on the air, keep a message being recorded, close the link."""
        self._session(Shutdown())
        if self._mailbox is not None:
            self._mailbox.close()
        self._link.close()
        self._show()

    def _request(self, request: Request) -> None:
        mailbox = self._mailbox
        match request:
            case PressKey() | HoldKey() | ReleaseKey() | ToggleKey():
                self._key_request(request)
            case SendText(text, to):
                self._outgoing.text(text, to)
            case _ if self._sounds.request(request):
                pass
            case _ if mailbox is None:
                self._say("no messages here: the station file has no [messages] section", Level.REFUSED)
            case ToggleRecording():
                self._record(not mailbox.is_recording)
            case PlayMessage(message_id):
                if (found := mailbox.sound_of(message_id)) is not None:
                    self._sounds.play(*found)
            case RetryMessage(message_id):
                mailbox.retry(message_id)
            case DeleteMessage(message_id):
                mailbox.delete(message_id)

    def _key_request(self, request: KeyRequest) -> None:
        is_on = self._is_key_obeyed
        if (
            isinstance(request, ToggleKey)
            and request.break_in
            and self._state.mode in (Mode.WAITING, Mode.BUSY_LOCKOUT)
        ):
            is_on = False  # he who waits, and then breaks in, does not let go
        for event in self._keys.handle(request, self._clock.now(), is_on=is_on):
            match event, request:
                case PttPressed(break_in=break_in), ToggleKey():
                    self._key_event(PttToggled(break_in))
                case PttPressed(), PressKey(holder=holder) if holder == VOX:
                    self._key_event(replace(event, by_voice=True))
                case _:
                    self._key_event(event)

    def _key_event(self, event: PttPressed | PttReleased | PttToggled) -> None:
        if not (isinstance(event, PttReleased) or _is_by_voice(event)):
            self._refusal = None
        if self._sounds.key(event):
            return
        if self._talks_buffered:
            self._record(not isinstance(event, PttReleased))
        elif self._can_key(event) and self._fits_live(event):
            self._session(event)

    @property
    def _is_key_obeyed(self) -> bool:
        """Whether something goes on that a key began and that ends when it is let go."""
        return self._state.is_key_down or self._records_by_key or self._sounds.parrot.is_key_down

    @property
    def _busy(self) -> str | None:
        """Why nothing but the air may be heard now, in words."""
        if self._state.is_keyed:
            return "on the air"
        if self._state.is_key_down:
            return "the key is down"
        if self._state.is_hearing:
            return f"{self._board.talker or 'somebody'} talks"
        return "a message is recorded" if self._mailbox is not None and self._mailbox.is_listening else None

    @property
    def _records_by_key(self) -> bool:
        """Whether a message is being recorded that the key began."""
        return self._mailbox is not None and self._mailbox.is_recording and self._talks_buffered

    def _record(self, begin: bool) -> None:
        """Nothing goes on the air while a message is recorded, so that the session has no part in it."""
        assert self._mailbox is not None
        if not begin:
            self._mailbox.release(self._clock.now())
        elif self._state.is_keyed:
            self._say("not recorded: on the air", Level.REFUSED)
        else:
            self._fresh_microphone()
            self._mailbox.record(self._clock.now())

    def _fresh_microphone(self) -> None:
        """Something begins that is said into it."""
        self._output.clear()
        self._input.rewind()
        self._act(PlayTone(Tone.PERMIT))

    def _session(self, event: Event) -> None:
        self._state, actions = self._machine.handle(self._state, event, self._clock.now())
        for action in actions:
            self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case KeyUp():
                self._metrics.count("ptt.key_up")
                if self._keying is not None:
                    self._keying.hold_over(self._clock.now())
            case KeyDown():
                self._metrics.count("ptt.key_down")
                if self._keying is not None:
                    self._keying.end_over(self._clock.now())
            case StartOver():
                if self._mailbox is not None:
                    self._mailbox.stop()
                self._output.clear()
                self._input.rewind()  # a sound file in the microphone's place starts with the over
                self._outgoing.begin_over(self._receiver.over_ids_in_use(self._clock.now()))
            case EndOver():
                self._outgoing.end_over()
            case PlayTone(tone):
                if self._config.ptt.plays(tone.value):
                    self._output.write(tone_pcm(tone))
            case Notify(notice):
                level = Level.WARNING if notice in WARNINGS else Level.INFO
                self._say(notice.value.replace("_", " "), level)
            case Refused(reason):
                self._refuse(reason.value, reason.value.replace("_", " "))

    @property
    def _talks_buffered(self) -> bool:
        """Whether the key records a message: so configured, or the link is too slow for live voice (9.6)."""
        if self._mailbox is None or self._state.is_keyed:
            return False
        verdict = self._care.verdict
        return self._mailbox.is_buffered or (verdict is not None and verdict.fit is not Fit.LIVE)

    def _refuse(self, counter: str, why: str) -> None:
        """A press of the key is not obeyed, and the operator is told why."""
        self._metrics.count(f"ptt.refused.{counter}")
        self._refusal = why
        self._say(f"refused: {why}", Level.REFUSED)

    def _refuse_key(self, event: Event, counter: str, why: str) -> None:
        """A press does not come to the session; a voice is not told so at every syllable."""
        if _is_by_voice(event):
            self._metrics.count(f"ptt.refused.{counter}")
            return
        self._refuse(counter, why)
        self._act(PlayTone(Tone.REFUSED))

    def _begins(self, event: Event) -> bool:
        return isinstance(event, PttPressed | PttToggled) and not self._state.is_keyed

    def _can_key(self, event: Event) -> bool:
        """Whether a key event may go on to the session: an over begins only where the transmitter can be keyed."""
        problem = None if self._keying is None else self._keying.problem
        if problem is None or not self._begins(event):
            return True
        self._refuse_key(event, "no_key", f"the transmitter cannot be keyed: {problem}")
        return False

    def _tend_key(self) -> None:
        """Say that this station lives, begin an over whose transmitter is up, end one whose went off by itself."""
        if self._keying is None:
            return
        now = self._clock.now()
        self._keying.alive(now)
        if self._keying.take_failure() is not None:
            self._session(KeyLost())
        elif self._state.mode is Mode.KEYING and self._keying.is_up(now):
            self._session(KeyIsUp())

    def _fits_live(self, event: Event) -> bool:
        """Whether a key event may go on to the session: an over begins only where the link can carry it (9.6)."""
        begins = self._begins(event)
        verdict = self._care.verdict
        if not begins or verdict is None or verdict.fit is Fit.LIVE:
            return True
        self._refuse_key(event, "too_slow", verdict.reason)
        return False

    def _learn_link(self) -> None:
        """Some of the link's figures come from its other side: who talks when depends on them, too."""
        info = self._link.info
        if info == self._link_info:
            return
        self._link_info = info
        self._machine = machine_of(self._config, info)
        if is_full_duplex(self._config, info) is not self._state.is_full_duplex:
            self._session(DuplexKnown(not self._state.is_full_duplex))

    def _tend_link(self) -> None:
        """Learn the link's figures, and report on overs in the gaps."""
        self._learn_link()
        if not self._link.is_open:
            return
        verdict = self._care.use_link(self._link.info)
        if verdict is not None and self._mailbox is not None:
            self._mailbox.use_link(self._link.info)
        if verdict is not None and verdict.fit is not Fit.LIVE:
            records = "; what is said is recorded and sent as a message" if self._talks_buffered else ""
            self._say(verdict.reason + records, Level.WARNING)
        self._outgoing.report(air_is_busy=self._state.is_keyed or self._receiver.receiving)

    def _hear_microphone(self) -> None:
        pcm = self._input.read()
        if len(pcm):
            self._board.microphone.hear(pcm, self._clock.now())
            if self._vox is not None:
                pcm = self._hear_voice(self._vox, pcm)
        if self._state.is_transmitting and self._outgoing.is_in_over and len(pcm):
            self._outgoing.speak(pcm)
        elif not self._sounds.hear(pcm) and self._mailbox is not None:
            self._mailbox.hear(pcm, self._clock.now())

    def _hear_voice(self, vox: Vox, pcm: Pcm) -> Pcm:
        """Let the operator's voice be his key; returns what is to be sent if it is."""
        level_db = decibels(float(np.mean(np.square(pcm, dtype=np.float64))))
        is_played_to = (self._state.is_hearing and self._state.is_listening) or self._sounds.is_occupied
        match vox.hear(pcm, level_db, self._clock.now(), is_played_to=is_played_to):
            case Move.PRESSED:
                self._request(PressKey(VOX))
                return np.concatenate([vox.before, pcm])
            case Move.RELEASED:
                self._request(ReleaseKey(VOX))
        return pcm

    def _send_messages(self) -> None:
        """One packet of a message, if the air is free for it; live voice goes first."""
        # A key that waits for the floor counts: its turn would come in the middle of a message.
        is_wanted = self._state.is_keyed or self._state.mode is Mode.WAITING
        self._outgoing.message(voice_is_live=is_wanted or self._state.is_hearing or self._receiver.busy)

    def _show(self) -> None:
        """Publish what consoles draw: ten times a second, and at once when the push-to-talk changes."""
        now = self._clock.now()
        if now - self._shown_s < SHOWN_EVERY_S and self._state.mode is self._shown_mode:
            return
        self._shown_s, self._shown_mode = now, self._state.mode
        snapshot = self.snapshot()
        self._hub.publish(snapshot)
        if now - self._history_s >= HISTORY_EVERY_S:
            self._history_s = now
            self._hub.remember(self._board.history_point(snapshot.delay.total_ms))

    def snapshot(self) -> Snapshot:
        """The state now. For the media thread; others read the hub."""
        return self._views.snapshot(
            self._state,
            refusal=self._refusal,
            talks_buffered=self._talks_buffered,
        )


def _is_by_voice(event: Event) -> bool:
    return isinstance(event, PttPressed) and event.by_voice
