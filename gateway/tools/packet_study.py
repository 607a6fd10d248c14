"""A conversation of two stations in simulated time, without sound: packets, channel, repair and jitter buffer are those
of live stations, speech is random frames.

Rule: time jumps from one event to the next, and every frame that is played is compared with the one that was sent.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.channel.impairments import ChannelSpec
from gateway.channel.network import Network
from gateway.codec import Codec, CodecSpec, DecoderStream
from gateway.codec.spec import FRAME_SAMPLES, STAGES
from gateway.metrics import Metrics
from gateway.protocol.packets import FRAME_BYTES, FRAME_S, OVER_IDS
from gateway.protocol.protection import Protection
from gateway.protocol.protection_airtime import seal
from gateway.receive import Receiver
from gateway.tools.protection_trial import over_packets

STATIONS = ("alpha", "bravo")
POLL_S = 0.01
"""How often a loudspeaker that is silent asks for something to play, as in `gateway.tools.loopback`."""
GIVE_UP_S = 60.0
"""Of silence after an over of which the end got lost, at most."""
_SILENCE = np.zeros(FRAME_SAMPLES, np.float32)


@dataclass(frozen=True, slots=True)
class ConversationOptions:
    """Overs of `over_s` (shortest, longest) in turn, a pause after each has been heard; times in seconds."""

    seconds: float = 3600.0
    frames_per_packet: int = 6
    cushion_s: float = 0.06
    cap_s: float = 1.5
    over_s: tuple[float, float] = (2.0, 10.0)
    pause_s: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class OverFigures:
    """One over: frames sent, played whole, played in part, and played but not as sent; packets and bytes on the air,
    packets that did not arrive; delays from a frame's first sample being spoken to its being played, the codec's own
    not included."""

    frames: int
    whole: int
    partial: int
    wrong: int
    packets: int
    packets_lost: int
    bytes_sent: int
    delay_ms_median: float | None
    delay_ms_p95: float | None

    @property
    def lost(self) -> int:
        """Frames of which nothing was played."""
        return self.frames - self.whole - self.partial - self.wrong


@dataclass(frozen=True, slots=True)
class Conversation:
    """All overs, and how much time was simulated."""

    overs: tuple[OverFigures, ...]
    simulated_s: float


_SPEC = CodecSpec()
_TAIL = b""
"""Stands for the end of the synthesis window after the last frame."""


class _NoDecoder(DecoderStream):
    """Plays silence and hands on the frame that it was given."""

    def __init__(self, codec: _NoCodec) -> None:
        self._codec = codec

    def decode(self, frame: bytes | None, stages: int = STAGES) -> NDArray[np.float32]:
        self._codec.frame = frame if stages == STAGES else None
        return _SILENCE

    def decode_soft(self, one_probability: NDArray[np.float64]) -> NDArray[np.float32]:
        is_whole = bool(np.all(one_probability != 0.5))  # what nothing is known of is at one half
        self._codec.frame = np.packbits(one_probability > 0.5).tobytes() if is_whole else None
        return _SILENCE

    def flush(self) -> NDArray[np.float32]:
        self._codec.frame = _TAIL
        return _SILENCE[:0]


class _NoCodec(Codec):
    """What a receiver needs of a codec, without one: `frame` is the last one given to a decoder, None if that knew it
    in part or not at all."""

    def __init__(self) -> None:
        self.frame: bytes | None = None

    @property
    def spec(self) -> CodecSpec:
        return _SPEC

    def decoder_stream(self) -> _NoDecoder:
        return _NoDecoder(self)


@dataclass(slots=True)
class _Listener:
    """A station that hears. `played` since the over began: when, frame index, and its bytes (None: in part)."""

    receiver: Receiver
    codec: _NoCodec
    poll_s: float = math.inf
    played: list[tuple[float, int, bytes | None]] = field(default_factory=list)

    def hear(self, data: bytes, now_s: float) -> None:
        self.receiver.on_packet(data, now_s)
        if self.poll_s == math.inf:
            self.poll_s = now_s

    def poll(self, now_s: float) -> None:
        step, _ = self.receiver.play(now_s)
        if step is None:
            self.poll_s = now_s + POLL_S if self.receiver.busy else math.inf
            return
        self.poll_s = now_s + FRAME_S
        if not step.concealed and self.codec.frame is not _TAIL:
            self.played.append((now_s, step.frame_index, self.codec.frame))


def converse(
    spec: ChannelSpec, protection: Protection | None = None, options: ConversationOptions | None = None
) -> Conversation:
    """Two stations talk in turn through `spec` in each direction until the time is over; the same for a seed."""
    chosen = ConversationOptions() if options is None else options
    guard = Protection() if protection is None else protection
    crc = spec.damages_bits and not guard.is_bit
    net = Network(spec, seed=chosen.seed)
    rng = random.Random(chosen.seed)
    listeners = {name: _listener(chosen, guard, crc=crc) for name in STATIONS}
    overs: list[OverFigures] = []
    now_s = 0.0
    while now_s < chosen.seconds:
        way = STATIONS if len(overs) % 2 == 0 else STATIONS[::-1]
        listener = listeners[way[1]]
        listener.played = []
        frames = [rng.randbytes(FRAME_BYTES) for _ in range(max(1, round(rng.uniform(*chosen.over_s) / FRAME_S)))]
        made = over_packets(frames, guard, chosen.frames_per_packet, over_id=len(overs) % OVER_IDS)
        packets = [(now_s + after_s, seal(packet, guard, crc=crc)) for after_s, packet in made]
        arrived = -_arrived(net, way)
        for at_s, data in packets:
            _run(net, listener, at_s)
            net.send(way[0], way[1:], data, at_s)
        end_s = packets[-1][0]
        quiet_s = max(end_s, _run(net, listener, end_s + GIVE_UP_S))
        arrived += _arrived(net, way)
        overs.append(_figures(frames, now_s, [data for _, data in packets], arrived, listener.played))
        now_s = quiet_s + chosen.pause_s
    return Conversation(tuple(overs), now_s)


def _listener(options: ConversationOptions, guard: Protection, *, crc: bool) -> _Listener:
    codec = _NoCodec()
    receiver = Receiver(
        codec,
        frames_per_packet=options.frames_per_packet,
        crc=crc,
        cushion_s=options.cushion_s,
        cap_s=options.cap_s,
        metrics=Metrics(),
        protection=guard,
    )
    return _Listener(receiver, codec)


def _run(net: Network, listener: _Listener, until_s: float) -> float:
    """All that happens until then; returns when the last of it did."""
    last_s = -math.inf
    while True:
        due_s = net.next_due_s
        if due_s is not None and due_s <= min(listener.poll_s, until_s):
            last_s = due_s
            for arrival in net.due(due_s):
                listener.hear(arrival.data, due_s)
        elif listener.poll_s < until_s:
            last_s = listener.poll_s
            listener.poll(last_s)
        else:
            return last_s


def _arrived(net: Network, way: tuple[str, ...]) -> int:
    pair = (way[0], way[1])
    return net.stats()[pair].delivered if pair in net.pairs else 0


def _figures(
    frames: list[bytes],
    begin_s: float,
    packets: list[bytes],
    arrived: int,
    played: list[tuple[float, int, bytes | None]],
) -> OverFigures:
    whole = partial = wrong = 0
    delays_ms = []
    for at_s, index, frame in played:
        if index >= len(frames):
            continue
        delays_ms.append(1000 * (at_s - begin_s - index * FRAME_S))
        whole += frame == frames[index]
        partial += frame is None
        wrong += frame is not None and frame != frames[index]
    delays_ms.sort()
    count = len(delays_ms)
    return OverFigures(
        len(frames),
        whole,
        partial,
        wrong,
        len(packets),
        len(packets) - arrived,
        sum(map(len, packets)),
        round(delays_ms[count // 2], 3) if count else None,
        round(delays_ms[count * 95 // 100], 3) if count else None,
    )
