"""Live voice over virtual modems: one over through each profile's driver and modem, and one table of what came of it.

Rule: the station's own transmitter and receiver, the driver, the cable at its rate, the virtual modem and its air, all
in simulated time; nothing is guessed from the profile but the verdict, which stands beside what was measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import ModemStatus, PacketHeard
from firmware_bridge.profile import ModemProfile, load_profile, profile_names
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.codec.spec import SAMPLE_RATE
from gateway.errors import GatewayError
from gateway.links.base import LinkInfo, Received
from gateway.metrics import Metrics
from gateway.protocol.live import CHECKSUM, NO_PROTECTION, Fit, LiveRow, LiveVerdict, Protection, live_row, live_verdict
from gateway.receive import Receiver
from gateway.station.adaptation import profile_of
from gateway.tools.loopback import FRAME_S, drive, timeline
from gateway.transmit import Transmitter

DEFAULT_FRAMES = 6
CUSHION_S = 0.06
CAP_S = 1.5
ROOM_S = 0.5
"""The most delay that the receiver keeps; where a packet's voice leaves less room below it, that and the latter."""
READY_S = 180.0
"""A modem that has to be set up or to dial is waited for so long."""
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class ModemRow:
    """One profile. `verdict` in a few words, `why` in a sentence: by air time, or why there are no figures.

    `delay_s` from mouth to ear, median, and `delay_max_s`; `delivered` the share of frames heard as sent; `duty` the
    share of the over's time on the air; `on_air_bps` all bytes on the air by the profile (the modem's own included),
    per second of speech.
    """

    profile: str
    driver: str
    is_live: bool
    verdict: str
    why: str
    packet_ms: int | None = None
    packets: int | None = None
    delay_s: float | None = None
    delay_max_s: float | None = None
    delivered: float | None = None
    duty: float | None = None
    on_air_bps: float | None = None


class PairWay:
    """The way of packets from side a to side b of a simulated pair; remembers what b's driver made of them."""

    def __init__(self, pair: SimulatedPair) -> None:
        self.pair = pair
        self.refused = 0
        self._seen = len(pair.b.events)

    def send(self, packet: bytes, now: float) -> None:
        self.pair.run_until(now)
        if self.pair.send("a", packet) is None:
            self.refused += 1

    def arrived(self, now: float) -> list[Received]:
        self.pair.run_until(now)
        fresh = self.pair.b.events[self._seen :]
        self._seen += len(fresh)
        return [Received(event.data, now) for _, event in fresh if isinstance(event, PacketHeard)]

    @property
    def is_empty(self) -> bool:
        pair = self.pair
        on_cables = pair.a.to_modem.held or pair.b.to_host.held
        return not on_cables and pair.a.driver.waiting == 0 and pair.air.next_deadline() is None


def modem_rows(
    codec: Codec,
    pcm: NDArray[np.float32],
    names: Sequence[str] = (),
    *,
    frames_per_packet: int | None = None,
    spec: ChannelSpec | None = None,
    seed: int = 1,
    done: Callable[[ModemRow], None] = lambda _: None,
) -> list[ModemRow]:
    """A row for each profile (all packaged ones by default); `done` is told of each at once.

    `frames_per_packet` None: 6, or where that does not fit the next size that does.
    """
    rows = []
    for name in names or profile_names():
        try:
            row = _row(codec, pcm, load_profile(name), frames_per_packet, spec, seed)
        except (GatewayError, ImportError) as error:
            row = ModemRow(name, "", False, f"cannot be tried: {error}", str(error))
        rows.append(row)
        done(row)
    return rows


def table(rows: Sequence[ModemRow]) -> str:
    """The rows for people."""
    return "\n".join([HEAD, *map(line, rows), LEGEND])


def line(row: ModemRow) -> str:
    """One row of the table."""
    cells = (
        _cell(row.packet_ms, "{} ms"),
        _cell(row.delay_s, "{:.2f} s"),
        _cell(row.delay_max_s, "{:.2f} s"),
        _cell(None if row.delivered is None else 100 * row.delivered, "{:.1f} %"),
        _cell(None if row.duty is None else 100 * row.duty, "{:.0f} %"),
        _cell(row.on_air_bps, "{:.0f} bps"),
    )
    return f"{row.profile:<26}" + "".join(f"{cell:>10}" for cell in cells) + f"  {row.verdict}"


HEAD = (
    f"{'profile':<26}"
    + "".join(f"{title:>10}" for title in ("packets", "delay", "at most", "delivered", "duty", "on air"))
    + "  by air time"
)
LEGEND = (
    "Delay from mouth to ear: median and longest. Duty: time on the air in the over, key-ups and the modem's own bytes "
    "included."
)


def as_json(rows: Sequence[ModemRow]) -> list[dict[str, object]]:
    """All rows with stable names."""
    return [asdict(row) for row in rows]


def _row(
    codec: Codec,
    pcm: NDArray[np.float32],
    profile: ModemProfile,
    frames: int | None,
    spec: ChannelSpec | None,
    seed: int,
) -> ModemRow:
    pair = SimulatedPair(profile, spec, seed)
    info = _ready_info(pair)
    if info is None:
        words = "; ".join(f"{side.name}: {side.driver.status_text}" for side in (pair.a, pair.b))
        return ModemRow(profile.name, profile.driver, False, f"not ready after {READY_S:.0f} s: {words}", words)
    crc = not info.has_integrity
    added = CHECKSUM if crc else NO_PROTECTION
    size, verdict = _size(info, frames, added)
    if size is None:
        return ModemRow(profile.name, profile.driver, False, "buffered messages only", verdict.reason)
    metrics = Metrics()
    transmitter = Transmitter(
        codec, source=1, group=1, frames_per_packet=size, crc=crc, rng=random.Random(seed), metrics=metrics
    )
    cap_s = max(CAP_S, size * FRAME_S + ROOM_S)
    receiver = Receiver(codec, frames_per_packet=size, crc=crc, cushion_s=CUSHION_S, cap_s=cap_s, metrics=metrics)
    clock = ManualClock(pair.now)
    start, busy_s, way = pair.now, pair.air.busy_s["a"], PairWay(pair)
    played, _ = drive(clock, transmitter, receiver, way, pcm)
    _, _, delays_ms = timeline(played, len(pcm), start)
    speech_s = len(pcm) / SAMPLE_RATE
    packets, sent = metrics.counter("tx.packets"), metrics.counter("tx.frames")
    heard = metrics.counter("rx.frames_played") - metrics.counter("rx.frames_concealed")
    refused = f", {way.refused} packets refused (queue full)" if way.refused else ""
    return ModemRow(
        profile.name,
        profile.driver,
        not way.refused and heard > 0 and verdict.fit is Fit.LIVE,
        _short(verdict, live_row(profile_of(info), size, added)) + refused,
        verdict.reason,
        round(1000 * size * FRAME_S),
        packets,
        round(float(np.median(delays_ms)) / 1000, 3) if delays_ms else None,
        round(max(delays_ms) / 1000, 3) if delays_ms else None,
        round(heard / max(1, sent), 4),
        round((pair.air.busy_s["a"] - busy_s) / speech_s, 4),
        round((metrics.counter("tx.bytes") + packets * info.overhead_bytes) * 8 / speech_s, 1),
    )


def _ready_info(pair: SimulatedPair) -> LinkInfo | None:
    """The link as side a's driver has it once both are ready and quiet; None if they do not become so."""
    while not all(side.driver.status is ModemStatus.READY for side in (pair.a, pair.b)):
        if pair.now > READY_S:
            return None
        pair.run(0.25)
    pair.run(SETTLE_S)
    return pair.a.driver.info


def _size(info: LinkInfo, frames: int | None, added: Protection) -> tuple[int | None, LiveVerdict]:
    """Frames per packet to talk with, and the verdict on them; None where no size fits."""
    profile = profile_of(info)
    verdict = live_verdict(profile, frames or DEFAULT_FRAMES, added)
    if frames is not None:
        return frames, verdict
    if not verdict.fitting:
        return None, verdict
    larger = [size for size in verdict.fitting if size >= DEFAULT_FRAMES]
    size = min(larger, default=max(verdict.fitting))
    return size, live_verdict(profile, size, added)


def _short(verdict: LiveVerdict, row: LiveRow) -> str:
    keyed = f", {100 * row.keyed:.0f} % with key-ups" if row.keyed > row.duty + 0.005 else ""
    return f"{verdict.fit.value}: {100 * row.duty:.0f} % of its time{keyed}"


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
