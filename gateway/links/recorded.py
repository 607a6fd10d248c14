"""Any link with a trace of what it does.

Rule: it changes nothing: what is sent, received, counted or raised is what the link below does. Nothing here waits for
a disk (`gateway.traces.recorder`), and the content of packets is not recorded, only its CRC-32.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from gateway.clock import Clock, calendar_s
from gateway.errors import GatewayError, LinkError
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.links.emulated import EmulatedLink
from gateway.protocol.packets import HEADER_BYTES, SEQUENCES, VERSION
from gateway.protocol.parse import Dropped, without_crc
from gateway.traces.record import Direction, Outcome, TraceRecord

ALIVE_S = 10.0
"""A sign that the recorder lives, so that a trace tells silence from the end of the recording."""
SAME_OVER_S = 30.0
FIGURES = frozenset(("rssi_dbm", "doppler_hz", "snr_db"))
"""What a modem measures that belongs to the packet heard with it."""

_VOICE_TYPES = {0: "voice", 1: "voice", 3: "voice"}
_EXTENDED = 2
_EXTENDED_KINDS = {1: "text", 2: "ack", 3: "parity", 4: "report", 5: "message", 6: "message", 7: "sealed"}
_SOURCE_AT = {1: 3, 2: 3, 7: 4}
"""Where an extended packet of a kind names its station (SPEC.md 5.3, 5.6, 13.7)."""
_REPEATS = 3
_HAS_SESSION = 0x80


class Sink(Protocol):
    """Where records go; never waits, never raises."""

    @property
    def path(self) -> Path: ...

    @property
    def problem(self) -> str | None:
        """Why nothing more is recorded."""
        ...

    def put(self, record: TraceRecord) -> None: ...

    def flush(self) -> None:
        """Return when all is written, or it took too long."""
        ...


@dataclass(frozen=True, slots=True)
class Label:
    """What the clear head of a packet tells (SPEC.md 2.2): the same for a sealed one (13.2)."""

    kind: str
    over: int | None = None
    sequence: int | None = None
    source: int | None = None


def label_of(data: bytes) -> Label:
    """What kind of packet it is, as far as its head says; `Label("")` for what is none of ours."""
    if len(data) < HEADER_BYTES or data[0] >> 6 != VERSION:
        return Label("")
    word = int.from_bytes(data[:HEADER_BYTES], "big")
    kind = word >> 12 & 3
    if kind == _EXTENDED:
        number = data[HEADER_BYTES] if len(data) > HEADER_BYTES else 0
        at = _SOURCE_AT.get(number)
        source = None if at is None else _source(data, at)
        return Label(_EXTENDED_KINDS.get(number, "extended"), source=source)
    has_source = kind == 1 or (kind == _REPEATS and len(data) > HEADER_BYTES and data[HEADER_BYTES] & _HAS_SESSION)
    source = _source(data, HEADER_BYTES + (kind == _REPEATS)) if has_source else None
    return Label(_VOICE_TYPES[kind], word >> 6 & 0x1F, word & SEQUENCES - 1, source)


def _source(data: bytes, at: int) -> int | None:
    return int.from_bytes(data[at : at + 2], "big") if len(data) >= at + 2 else None


class _Numbers:
    """Numbers of the packets of one direction: those of their over, counted on past 63; a count of their own else."""

    def __init__(self) -> None:
        self._overs: dict[int, tuple[int, float, str]] = {}
        self._count = -1

    def number(self, label: Label, now_s: float) -> int:
        if label.over is None or label.sequence is None:
            self._count += 1
            return self._count
        last, then_s, source = self._overs.get(label.over, (label.sequence, now_s, ""))
        if now_s - then_s > SAME_OVER_S:
            last, source = label.sequence, ""
        number = last + (label.sequence - last + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        self._overs[label.over] = (number, now_s, source)
        return number

    def source(self, label: Label, name: str) -> str:
        """Who talks in this over, learnt from the packets that say so."""
        if label.over is None or label.over not in self._overs:
            return name
        number, then_s, known = self._overs[label.over]
        self._overs[label.over] = (number, then_s, name or known)
        return name or known


class LinkRecording:
    """What happens on a link, as records for `sink`. Made before the link, so that a modem can report here."""

    def __init__(
        self,
        sink: Sink,
        station: str,
        clock: Clock,
        *,
        name_of: Callable[[int], str] = "station {}".format,
        calendar: Callable[[], float] = calendar_s,
    ) -> None:
        """`name_of` names a station by its number on the air."""
        self._sink, self._station, self._clock = sink, station, clock
        self._name_of, self._calendar = name_of, calendar
        self.has_crc = False
        """Whether packets carry a checksum, by which damaged ones are told."""
        self.has_heads = True
        """Whether packets begin with a clear head; not so with protection against bit errors (SPEC.md 12.3)."""
        self._numbers = {Direction.TX: _Numbers(), Direction.RX: _Numbers()}
        self._sequence = 0
        self._figures: dict[str, float] = {}
        self._said_s = clock.now()

    @property
    def path(self) -> Path:
        """Where the records are."""
        return self._sink.path

    @property
    def problem(self) -> str | None:
        """Why nothing more is recorded; None while all is well."""
        return self._sink.problem

    def sent(self, data: bytes, outcome: Outcome, status: str = "", delay_s: float | None = None) -> None:
        """A packet handed to the link now."""
        now_s = self._clock.now()
        self._packet(TraceRecord(now_s, Direction.TX, outcome, delay_s=delay_s, status=status), data)

    def heard(self, received: Received) -> None:
        """A packet from the link."""
        figures, self._figures = self._figures, {}
        record = TraceRecord(
            received.at_s,
            Direction.RX,
            Outcome.DELIVERED,
            rssi_dbm=figures.get("rssi_dbm"),
            snr_db=figures.get("snr_db") if received.snr_db is None else received.snr_db,
            doppler_hz=figures.get("doppler_hz"),
        )
        self._packet(record, received.data)

    def event(self, kind: str, status: str) -> None:
        """Something that is no packet."""
        now_s = self._clock.now()
        self._put(TraceRecord(now_s, Direction.LINK, Outcome.EVENT, kind=kind, status=status))

    def status(self, line: str) -> None:
        """What a modem says of itself."""
        self.event("status", line)

    def measured(self, name: str, value: float) -> None:
        """A figure from a modem: of the next packet heard, if packets have such; else an event."""
        if name in FIGURES:
            self._figures[name] = value
        else:
            self.event("figure", f"{name}={value:g}")

    def alive(self) -> None:
        """Called now and then."""
        if self._clock.now() - self._said_s >= ALIVE_S:
            self.event("alive", "")

    def flush(self) -> None:
        """Return when all is written, or it took too long."""
        self._sink.flush()

    def _packet(self, record: TraceRecord, data: bytes) -> None:
        label, is_rx = Label(""), record.direction is Direction.RX
        body = without_crc(data) if self.has_crc else data
        if isinstance(body, Dropped):
            record = replace(record, status="damaged", kind="damaged") if is_rx else record
        elif self.has_heads:
            label = label_of(body)
        numbers = self._numbers[record.direction]
        if record.outcome is not Outcome.COPY:
            self._sequence = numbers.number(label, record.at_s)
        named = "" if label.source is None or not is_rx else self._name_of(label.source)
        self._put(
            replace(
                record,
                source=numbers.source(label, named) if is_rx else self._station,
                destination=self._station if is_rx else "",
                sequence=self._sequence,
                over=label.over,
                size=len(data),
                kind=record.kind or label.kind,
                digest=zlib.crc32(data),
            )
        )

    def _put(self, record: TraceRecord) -> None:
        self._said_s = self._clock.now()
        self._sink.put(replace(record, wall_s=self._calendar() - (self._said_s - record.at_s)))


class RecordedLink(Link):
    """`inner` with a trace; opening and closing it opens and closes `inner`, whose Metrics are the only ones."""

    def __init__(self, inner: Link, recording: LinkRecording) -> None:
        super().__init__(inner.metrics)
        self._inner, self._recording = inner, recording
        self._outage: str | None = None

    @property
    def info(self) -> LinkInfo:
        return self._inner.info

    @property
    def recording(self) -> LinkRecording:
        """What is made of it."""
        return self._recording

    @property
    def inner(self) -> Link:
        """The link that is recorded."""
        return self._inner

    def ready(self) -> bool:
        return self._inner.ready()

    def outage(self) -> str | None:
        outage = self._inner.outage()
        if outage != self._outage:
            self._outage = outage
            self._recording.event("outage over" if outage is None else "outage", outage or "")
        self._recording.alive()
        return outage

    def send(self, data: bytes) -> Drop | None:
        try:
            drop = self._inner.send(data)
        except GatewayError as error:
            self._recording.sent(data, Outcome.REFUSED, str(error))
            raise
        if drop is not None:
            self._recording.sent(data, Outcome.REFUSED, drop.value)
        elif isinstance(self._inner, EmulatedLink):
            self._emulated(data, self._inner)
        else:
            self._recording.sent(data, Outcome.SENT)
        return drop

    def receive(self, timeout_s: float = 0.0) -> Received | None:
        try:
            received = self._inner.receive(timeout_s)
        except LinkError as error:
            self._recording.event("failed", str(error))
            raise
        if received is not None:
            self._recording.heard(received)
        return received

    def _emulated(self, data: bytes, link: EmulatedLink) -> None:
        """What an emulated channel does to a packet is known at once."""
        arrivals = sorted(delivery.at_s - link.last_sent_s for delivery in link.last_deliveries)
        if not arrivals:
            self._recording.sent(data, Outcome.LOST)
        for number, delay_s in enumerate(arrivals):
            self._recording.sent(data, Outcome.COPY if number else Outcome.DELIVERED, delay_s=delay_s)

    def _open(self) -> None:
        try:
            self._inner.open()
        except LinkError as error:
            self._recording.event("failed", str(error))
            raise
        info = self._inner.info
        self._recording.event("opened", f"{info.name}: MTU {info.mtu_bytes} bytes, {info.rate_bps or 'no'} bit/s")

    def _close(self) -> None:
        self._inner.close()
        self._recording.event("closed", "")
        self._recording.flush()

    def _send(self, data: bytes) -> bool:
        raise AssertionError("send goes to the link below")

    def _receive(self, timeout_s: float) -> Received | None:
        raise AssertionError("receive goes to the link below")
