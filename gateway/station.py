"""A live station as one loop body: microphone, keys and link in; link, speaker and notices out.

Rule: `step` belongs to the media thread and is the only code that touches transmitter, receiver, session and link;
other threads speak to it through `post` and look at `snapshot`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.audio.base import SAMPLE_RATE_HZ, AudioInput, AudioOutput
from gateway.clock import Clock
from gateway.codec.spec import FRAME_SAMPLES
from gateway.config import StationConfig
from gateway.console.keyboard import SendText
from gateway.errors import LinkError, LocalProtocolError
from gateway.links.base import Link
from gateway.metrics import Metrics
from gateway.protocol.messages import split_text
from gateway.protocol.packets import MAX_TEXT_BYTES
from gateway.receive import CodecUnknown, Receiver, RemoteOverEnded, RemoteOverStarted, RemoteTalker, TextReceived
from gateway.receive import Notice as RadioNotice
from gateway.session.events import (
    Action,
    EndOver,
    Event,
    KeyDown,
    KeyUp,
    LinkLost,
    LinkRestored,
    Notify,
    OverEnded,
    OverStarted,
    PlayTone,
    Refused,
    Shutdown,
    StartOver,
    Tick,
    Tone,
)
from gateway.session.machine import Mode, SessionMachine, SessionState
from gateway.transmit import Transmitter

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
LOW_WATER_SAMPLES = SAMPLE_RATE_HZ * 40 // 1000
"""The speaker's queue is topped up when less than this is left: two loop turns of 20 ms."""
WAIT_S = 0.01
"""How long one step waits for a packet: half an audio block."""
PACKETS_A_STEP = 64
RETRY_LINK_S = 2.0
_TONES = {
    Tone.PERMIT: ((1200.0, 0.06),),
    Tone.REFUSED: ((350.0, 0.12), (350.0, 0.12)),
    Tone.WARNING: ((900.0, 0.08), (900.0, 0.08)),
    Tone.TIMED_OUT: ((500.0, 0.25),),
    Tone.ROGER: ((1000.0, 0.05), (1500.0, 0.05)),
}


Request = Event | SendText


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a console draws."""

    mode: Mode
    talker: str | None
    level_db: float
    link: str
    link_is_up: bool


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
        say: Callable[[str], None],
    ) -> None:
        """`link` is opened here; `say` gets lines for the operator, from the media thread."""
        self._config = config
        self._transmitter, self._receiver, self._link = transmitter, receiver, link
        self._input, self._output = audio
        self._clock, self._metrics, self._say = clock, metrics, say
        self._machine = SessionMachine.from_config(config.ptt)
        self._state = SessionState(since_s=clock.now())
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._talker: str | None = None
        self._level_db = -100.0
        self._muted_play_s: float | None = None
        self._message_id = 0
        self._retry_s: float | None = None
        # A loopback without another station is full duplex: the operator is to hear himself while he talks.
        self._full_duplex = config.link.kind == "memory" and config.link.mode == "loopback"
        self._link.open()

    def post(self, request: Request) -> None:
        """Hand over a key event or a text from any thread."""
        self._requests.put(request)

    def snapshot(self) -> Snapshot:
        """The state now; safe from any thread."""
        state = self._state
        return Snapshot(state.mode, self._talker, self._level_db, self._link.info.name, state.link_is_up)

    def step(self) -> None:
        """One turn: take keys, speech and packets, give packets and speech. Waits at most 10 ms for a packet."""
        for _ in range(self._requests.qsize()):
            request = self._requests.get()
            if isinstance(request, SendText):
                self._send_text(request.text)
            else:
                self._session(request)
        self._hear_microphone()
        self._hear_link()
        self._session(Tick())
        self._play()

    def close(self) -> None:
        """Unkey, end the over on the air, close the link."""
        self._session(Shutdown())
        self._link.close()

    def _session(self, event: Event) -> None:
        self._state, actions = self._machine.handle(self._state, event, self._clock.now())
        for action in actions:
            self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case KeyUp():
                self._metrics.count("ptt.key_up")
            case KeyDown():
                self._metrics.count("ptt.key_down")
            case StartOver():
                self._output.clear()
                self._input.rewind()  # a sound file in the microphone's place starts with the over
                self._transmitter.start()
                self._say("talking")
            case EndOver():
                self._send(self._transmitter.finish())
                self._say("over sent")
            case PlayTone(tone):
                if self._config.ptt.tones:
                    self._output.write(tone_pcm(tone))
            case Notify(notice):
                self._say(notice.value.replace("_", " "))
            case Refused(reason):
                self._metrics.count(f"ptt.refused.{reason.value}")
                self._say(f"refused: {reason.value.replace('_', ' ')}")

    def _hear_microphone(self) -> None:
        pcm = self._input.read()
        if len(pcm):
            self._level_db = float(10 * np.log10(np.mean(np.square(pcm, dtype=np.float64)) + 1e-10))
        if self._state.is_transmitting and self._transmitter.active and len(pcm):
            self._send(self._transmitter.push(pcm))

    def _send(self, packets: list[bytes]) -> None:
        if self._retry_s is not None:
            self._metrics.count("tx.dropped.no_link", len(packets))
            return
        for packet in packets:
            try:
                self._link.send(packet)
            except LinkError as error:
                self._lose_link(error)
                return
            except LocalProtocolError as error:
                # A packet over the MTU: said once per over by the count, never a reason to stop talking.
                self._metrics.count("tx.dropped.mtu")
                self._say(str(error))

    def _send_text(self, text: str) -> None:
        station = self._config.station
        if self._retry_s is not None:
            self._say("message not sent: no link")
            return
        try:
            packets = split_text(
                text,
                source=station.id,
                group=station.group,
                message_id=self._message_id,
                ack_wanted=False,
                max_bytes=min(MAX_TEXT_BYTES, self._transmitter.room_bytes(self._link.info.mtu_bytes) - 16),
            )
        except LocalProtocolError as error:
            self._say(f"message not sent: {error}")
            return
        self._message_id = (self._message_id + 1) % 256
        self._send([self._transmitter.seal(packet) for packet in packets])
        self._say(f"message sent: {text}")

    def _hear_link(self) -> None:
        now = self._clock.now()
        if self._retry_s is not None:
            self._clock.sleep(WAIT_S)
            if now >= self._retry_s:
                self._open_again()
            return
        try:
            received = self._link.receive(WAIT_S)
            for _ in range(PACKETS_A_STEP):
                if received is None:
                    return
                notices = self._receiver.on_packet(received.data, self._clock.now(), received.one_probability)
                self._tell(notices)
                received = self._link.receive(0.0)
        except LinkError as error:
            self._lose_link(error)

    def _lose_link(self, error: LinkError) -> None:
        self._metrics.count("link.lost")
        self._say(f"link lost: {error}")
        self._retry_s = self._clock.now() + RETRY_LINK_S
        self._session(LinkLost(str(error)))

    def _open_again(self) -> None:
        self._link.close()
        try:
            self._link.open()
        except LinkError:
            self._retry_s = self._clock.now() + RETRY_LINK_S
            return
        self._retry_s = None
        self._session(LinkRestored())

    def _play(self) -> None:
        now = self._clock.now()
        if self._state.is_transmitting and not self._full_duplex:
            # Half duplex: what arrives is taken off the buffer in time but not heard.
            if self._muted_play_s is None:
                self._muted_play_s = now
            while self._muted_play_s <= now:
                self._tell(self._receiver.play(now)[1])
                self._muted_play_s += FRAME_S
            return
        self._muted_play_s = None
        while self._output.queued_samples < LOW_WATER_SAMPLES:
            played, notices = self._receiver.play(now)
            self._tell(notices)
            if played is None:
                return
            self._output.write(played.pcm)

    def _tell(self, notices: list[RadioNotice]) -> None:
        for notice in notices:
            match notice:
                case RemoteOverStarted():
                    self._talker = "unknown talker"
                    self._session(OverStarted())
                case RemoteTalker(session):
                    self._talker = self._config.net.name_of(session.source)
                    self._session(OverStarted(session.source))
                    self._say(f"{self._talker} to group {session.group}")
                case CodecUnknown(session):
                    self._say(
                        f"{self._talker} sends codec {session.codec_id} version {session.codec_version}: not heard"
                    )
                case RemoteOverEnded():
                    self._talker = None
                    self._session(OverEnded())
                case TextReceived(message):
                    self._say(f"message from {self._config.net.name_of(message.source)}: {message.text}")


def tone_pcm(tone: Tone) -> NDArray[np.float32]:
    """A short quiet signal for the operator: sine pieces with 5 ms ramps and 40 ms gaps, (samples,)."""
    parts: list[NDArray[np.float32]] = []
    ramp = SAMPLE_RATE_HZ * 5 // 1000
    for frequency_hz, seconds in _TONES[tone]:
        t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        shape = np.minimum(1.0, np.minimum(np.arange(len(t)), np.arange(len(t))[::-1]) / ramp)
        parts += [
            np.asarray(0.1 * shape * np.sin(2 * np.pi * frequency_hz * t), dtype=np.float32),
            np.zeros(SAMPLE_RATE_HZ * 40 // 1000, np.float32),
        ]
    return np.concatenate(parts)
