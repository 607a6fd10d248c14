"""The whole path in one process: encode, packets, channel, jitter buffer, decode, on a clock that may be simulated.

Rule: the same `Transmitter` and `Receiver` as on the air, driven in 10 ms ticks; only the clock and the sound differ.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.clock import Clock, ManualClock, SystemClock
from gateway.codec import Codec
from gateway.codec.level import TalkerLevel
from gateway.codec.spec import FRAME_SAMPLES, SAMPLE_RATE, SYNTHESIS_DELAY
from gateway.heard_over import Played
from gateway.links.base import Received
from gateway.metrics import Metrics
from gateway.protocol.protection import Protection
from gateway.protocol.security import Suite
from gateway.receive import Receiver
from gateway.station.secured import throwaway_security
from gateway.transmit import Transmitter

TICK_S = 0.01
TICK_SAMPLES = int(SAMPLE_RATE * TICK_S)
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
GIVE_UP_S = 30.0
"""Simulated time after the end of speech by which every over must have been played or have timed out."""


@dataclass(frozen=True, slots=True)
class LoopbackOptions:
    """How the two ends are set up; times in seconds."""

    frames_per_packet: int = 6
    cushion_s: float = 0.06
    cap_s: float = 1.5
    seed: int = 1
    lookahead: int | None = None
    search: bool = False
    realtime: bool = False
    crc: bool | None = None
    """None: a CRC where the channel makes bit errors and nothing else checks."""
    security: Suite | None = None
    protection: Protection = field(default_factory=Protection)
    level_db: float | None = None
    """Active level of the talker, dBFS, where the station has heard him before; None: its very first over."""


@dataclass(frozen=True, slots=True)
class LoopbackReport:
    """Figures of one run: rates in bit/s of speech, delays in ms, `real_time_factor` computing over speech time."""

    channel: str
    protection: str
    speech_s: float
    voice_bps: float
    on_air_bps: float
    packets_sent: int
    packets_lost: int
    packets_late: int
    packets_dropped: int
    frames_sent: int
    frames_played: int
    frames_concealed: int
    frames_recovered: int
    frames_coarse: int
    frames_late: int
    frames_skipped: int
    algorithmic_delay_ms: float
    packet_ms: float
    mouth_to_ear_ms_median: float | None
    mouth_to_ear_ms_max: float | None
    real_time_factor: float
    peak_level: float
    counters: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Stable names for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LoopbackResult:
    """`heard` (samples,) is aligned with the speech that went in; `concealed` are indices of guessed frames."""

    heard: NDArray[np.float32]
    concealed: tuple[int, ...]
    report: LoopbackReport


class Way(Protocol):
    """What carries packets from one end to the other, in the time that it is told."""

    def send(self, packet: bytes, now: float) -> None: ...

    def arrived(self, now: float) -> list[Received]:
        """Packets that have arrived since the last call."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether nothing more can arrive of what was sent."""
        ...


class _ChannelWay:
    """A channel, and what is in flight on it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._order = itertools.count()
        self._in_flight: list[tuple[float, int, Received]] = []

    def send(self, packet: bytes, now: float) -> None:
        for got in self._channel.send(packet, now):
            received = Received(got.data, got.at_s, got.snr_db, got.one_probability)
            heapq.heappush(self._in_flight, (got.at_s, next(self._order), received))

    def arrived(self, now: float) -> list[Received]:
        packets = []
        while self._in_flight and self._in_flight[0][0] <= now:
            packets.append(heapq.heappop(self._in_flight)[2])
        return packets

    @property
    def is_empty(self) -> bool:
        return not self._in_flight


def run_loopback(
    codec: Codec, pcm: NDArray[np.float32], spec: ChannelSpec, options: LoopbackOptions | None = None
) -> LoopbackResult:
    """Send `pcm` (samples,) through a channel and play it; deterministic for a seed unless in real time."""
    chosen = LoopbackOptions() if options is None else options
    clock: Clock = SystemClock() if chosen.realtime else ManualClock()
    metrics = Metrics()
    checked = chosen.security is not None or chosen.protection.is_bit
    crc = spec.damages_bits and not checked if chosen.crc is None else chosen.crc
    sealer = opener = None
    if chosen.security is not None:
        packet_s = chosen.frames_per_packet * FRAME_S
        sealer, opener = throwaway_security(
            chosen.security,
            source=1,
            packet_s=packet_s,
            hold_s=chosen.cushion_s,
            random_bytes=random.Random(chosen.seed).randbytes,  # repeatable; it protects nothing in one process
        )
    transmitter = Transmitter(
        codec,
        source=1,
        group=1,
        frames_per_packet=chosen.frames_per_packet,
        crc=crc,
        rng=random.Random(chosen.seed),
        metrics=metrics,
        lookahead=chosen.lookahead,
        search=chosen.search,
        sealer=sealer,
        protection=chosen.protection,
        talker=TalkerLevel(chosen.level_db),
    )
    receiver = Receiver(
        codec,
        frames_per_packet=chosen.frames_per_packet,
        crc=crc,
        cushion_s=chosen.cushion_s,
        cap_s=chosen.cap_s,
        metrics=metrics,
        opener=opener,
        protection=chosen.protection,
    )
    start = clock.now()
    channel = Channel(spec, np.random.default_rng(chosen.seed), start)
    computing = time.perf_counter()
    played, idle_s = drive(clock, transmitter, receiver, _ChannelWay(channel), pcm)
    computing = time.perf_counter() - computing - idle_s
    heard, concealed, delays_ms = timeline(played, len(pcm), start)
    speech_s = max(len(pcm) / SAMPLE_RATE, FRAME_S)
    counts = metrics.snapshot()
    sent = metrics.counter("tx.packets")
    dropped = sum(int(v) for k, v in counts.items() if k.startswith("rx.dropped."))
    report = LoopbackReport(
        channel=spec.name,
        protection=chosen.protection.name,
        speech_s=round(len(pcm) / SAMPLE_RATE, 3),
        voice_bps=round(24 / FRAME_S, 1),
        on_air_bps=round(metrics.counter("tx.bytes") * 8 / (max(1, metrics.counter("tx.frames")) * FRAME_S), 1),
        packets_sent=sent,
        packets_lost=channel.stats.sent - channel.stats.delivered,  # whatever lost them
        packets_late=metrics.counter("rx.ignored.late"),
        packets_dropped=dropped,
        frames_sent=metrics.counter("tx.frames"),
        frames_played=metrics.counter("rx.frames_played") - metrics.counter("rx.frames_concealed"),
        frames_concealed=metrics.counter("rx.frames_concealed"),
        frames_recovered=metrics.counter("rx.frames_recovered"),
        frames_coarse=metrics.counter("rx.frames_coarse"),
        frames_late=metrics.counter("rx.frames_late"),
        frames_skipped=metrics.counter("rx.frames_skipped"),
        algorithmic_delay_ms=codec.delay_ms(chosen.lookahead),
        packet_ms=chosen.frames_per_packet * FRAME_S * 1000,
        mouth_to_ear_ms_median=round(float(np.median(delays_ms)), 1) if delays_ms else None,
        mouth_to_ear_ms_max=round(max(delays_ms), 1) if delays_ms else None,
        real_time_factor=round(computing / speech_s, 4),
        peak_level=round(float(np.abs(heard).max(initial=0.0)), 4),
        counters=counts,
    )
    return LoopbackResult(heard, concealed, report)


def drive(
    clock: Clock, transmitter: Transmitter, receiver: Receiver, way: Way, pcm: NDArray[np.float32]
) -> tuple[list[tuple[float, Played]], float]:
    """Run ticks until the speech was sent and played; returns what was played when, and the time spent waiting."""
    start = clock.now()
    played: list[tuple[float, Played]] = []
    next_play: float | None = None
    idle_s = 0.0

    def put_on_air(packets: list[bytes], now: float) -> None:
        for packet in packets:
            way.send(packet, now)

    transmitter.start()
    ticks = -(-len(pcm) // TICK_SAMPLES)
    for tick in itertools.count(1):
        due = start + tick * TICK_S
        waited = clock.now()
        clock.sleep(due - waited)
        idle_s += max(0.0, clock.now() - waited) if isinstance(clock, SystemClock) else 0.0
        now = max(due, clock.now())
        if tick <= ticks:
            put_on_air(transmitter.push(pcm[(tick - 1) * TICK_SAMPLES : tick * TICK_SAMPLES]), now)
        if tick == ticks or (ticks == 0 and tick == 1):
            put_on_air(transmitter.finish(), now)
        for packet in way.arrived(now):
            receiver.on_packet(packet.data, now, packet.snr_db, packet.one_probability)
        # The sound card's clock: once speech plays, a frame is due every 80 ms.
        if next_play is None or now >= next_play - 1e-9:
            step, _ = receiver.play(now)
            if step is not None:
                played.append((now, step))
                next_play = (now if next_play is None else next_play) + FRAME_S
            else:
                next_play = None
        finished = tick >= ticks and way.is_empty and not receiver.busy and not transmitter.active
        if finished or tick * TICK_S > ticks * TICK_S + GIVE_UP_S:
            return played, idle_s
    raise AssertionError("unreachable")


def timeline(
    played: list[tuple[float, Played]], samples: int, start: float
) -> tuple[NDArray[np.float32], tuple[int, ...], list[float]]:
    """Place what was played by frame index; delays from a frame's first sample going in to its coming out, ms."""
    count = -(-samples // FRAME_SAMPLES)
    heard = np.zeros((count + 2) * FRAME_SAMPLES, np.float32)
    concealed, delays = [], []
    for when, step in played:
        begin = step.frame_index * FRAME_SAMPLES
        if begin + FRAME_SAMPLES > len(heard):
            continue
        heard[begin : begin + FRAME_SAMPLES] = step.pcm
        if step.concealed:
            concealed.append(step.frame_index)
        if step.frame_index < count:
            spoken_at = start + step.frame_index * FRAME_S
            delays.append(1000 * (when - spoken_at + SYNTHESIS_DELAY / SAMPLE_RATE))
    return heard[SYNTHESIS_DELAY : SYNTHESIS_DELAY + samples], tuple(concealed), delays


def human_report(r: LoopbackReport) -> str:
    """The report for people."""
    median = "nothing was played" if r.mouth_to_ear_ms_median is None else f"{r.mouth_to_ear_ms_median:.0f} ms"
    longest = "" if r.mouth_to_ear_ms_max is None else f", at most {r.mouth_to_ear_ms_max:.0f} ms"
    return "\n".join(
        [
            f"channel      {r.channel}: {r.speech_s:.2f} s of speech, protection {r.protection}",
            f"rate         voice {r.voice_bps:.0f} bit/s, on air {r.on_air_bps:.0f} bit/s",
            f"packets      {r.packets_sent} sent, {r.packets_lost} lost, {r.packets_late} late, "
            f"{r.packets_dropped} damaged",
            f"frames       {r.frames_played} of {r.frames_sent} heard, {r.frames_concealed} concealed, "
            f"{r.frames_recovered} recovered",
            f"delay        codec {r.algorithmic_delay_ms:.0f} ms, packet {r.packet_ms:.0f} ms, "
            f"mouth to ear {median}{longest}",
            f"computing    {r.real_time_factor:.3f} of real time",
        ]
    )
