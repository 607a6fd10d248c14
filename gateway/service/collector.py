"""A station's figures as Prometheus families, made anew at each scrape from its counters and its newest snapshot.

Rule: reads, never asks: a scrape costs the media thread two copies of a table. Every family is there from the first
scrape on, so that dashboards and alerts can rely on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.control.hub import ControlHub
from gateway.control.snapshot import Snapshot
from gateway.metrics import Metrics
from gateway.service import metric_names as names
from gateway.service.words import ON_AIR

THROUGH = frozenset({"sent", "delivered", "refused", "given_up", "acknowledged"})
"""States of outgoing messages that wait for nothing any more."""

Labels = Mapping[str, str]
Family = CounterMetricFamily | GaugeMetricFamily


class StationCollector(Collector):
    """For one registry; label `station` is the name, "" before the station's first turn."""

    def __init__(self, hub: ControlHub, metrics: Metrics) -> None:
        self._hub, self._metrics = hub, metrics

    def collect(self) -> Iterator[Metric]:
        snapshot = self._hub.snapshot
        sheet = _Sheet("" if snapshot is None else snapshot.station.name)
        _views(sheet, snapshot)
        sheet.counter("control_requests_dropped", "Requests of consoles dropped: too many waited.", self._hub.dropped)
        counters, gauges = self._metrics.split()
        for name in (*names.COUNTERS, *(counters.keys() - names.COUNTERS.keys())):
            made = names.counter_of(name)
            sheet.counter(made.name, made.help, counters.get(name, 0), dict(made.labels))
        for family, (label, text) in names.LABELLED.items():
            sheet.counter(names.plain(family), text, None, {label: ""})
        for direction in ("input", "output"):
            for what in names.AUDIO_HELP:
                made = names.counter_of(f"audio.{direction}.{what}")
                sheet.counter(made.name, made.help, counters.get(f"audio.{direction}.{what}", 0), dict(made.labels))
        for name in (*names.GAUGES, *(gauges.keys() - names.GAUGES.keys())):
            made = names.gauge_of(name)
            sheet.gauge(made.name, made.help, gauges.get(name))
        yield from sheet.families.values()


class _Sheet:
    """Families by name; a value of None leaves the family without that sample, a sample that is there stays."""

    def __init__(self, station: str) -> None:
        self._station = station
        self.families: dict[str, Family] = {}
        self._seen: set[tuple[str, ...]] = set()

    def gauge(self, name: str, text: str, value: float | None, labels: Labels | None = None) -> None:
        self._add(GaugeMetricFamily, name, text, value, labels)

    def counter(self, name: str, text: str, value: float | None, labels: Labels | None = None) -> None:
        self._add(CounterMetricFamily, name, text, value, labels)

    def _add(self, kind: type[Family], name: str, text: str, value: float | None, labels: Labels | None) -> None:
        labels = {} if labels is None else labels
        full = name if name.startswith(names.PREFIX) else names.PREFIX + name
        family = self.families.get(full)
        if family is None:
            family = self.families[full] = kind(full, text, labels=["station", *labels])
        row = (self._station, *labels.values())
        if value is not None and isinstance(family, kind) and (full, *row) not in self._seen:
            self._seen.add((full, *row))
            family.add_metric(row, float(value))


def _views(sheet: _Sheet, snap: Snapshot | None) -> None:
    """What the snapshot shows."""
    station, link = (None, None) if snap is None else (snap.station, snap.link)
    version, kind = ("" if station is None else station.version), ("" if link is None else link.kind)
    sheet.gauge("station_info", "Always 1.", 1, {"version": version, "link": kind})
    sheet.gauge("uptime_seconds", "Since the station was started.", None if station is None else station.up_s)
    sheet.gauge(
        "turn_timestamp_seconds", "When the station last told its state.", None if snap is None else snap.wall_s
    )
    sheet.gauge("link_up", "1 while the link carries packets.", None if link is None else link.is_up)
    sheet.gauge("link_rate_bps", "Rate of the link, where it is known.", None if link is None else link.rate_bps)
    sheet.gauge("live_voice", "1 while the link is fast enough for it.", None if link is None else link.fit == "live")
    _ptt(sheet, snap)
    _audio(sheet, snap)
    _delay(sheet, snap)
    _reception(sheet, snap)
    _stores(sheet, snap)


def _ptt(sheet: _Sheet, snap: Snapshot | None) -> None:
    ptt, talker = (None, None) if snap is None else (snap.ptt, snap.talker)
    mode = "" if ptt is None else ptt.mode
    sheet.gauge("ptt_mode", "1 for the mode that the push-to-talk is in.", None if ptt is None else 1, {"mode": mode})
    sheet.gauge("ptt_mode_seconds", "For how long it has been.", None if ptt is None else ptt.mode_s)
    sheet.gauge("transmitting", "1 while an over is sent.", None if ptt is None else mode in ON_AIR)
    sheet.gauge("receiving", "1 while somebody is heard.", None if snap is None else talker is not None)
    sheet.gauge("keys_held", "Keys that are down.", None if ptt is None else len(ptt.held_by))
    keying = None if snap is None else snap.keying
    sheet.gauge("keying_on", "1 while the transmitter is keyed.", None if keying is None else keying.is_keyed)
    problem = None if keying is None else keying.problem is not None
    sheet.gauge("keying_problem", "1 while the transmitter cannot be keyed.", problem)


def _audio(sheet: _Sheet, snap: Snapshot | None) -> None:
    audio = None if snap is None else snap.audio
    for direction in ("input", "output"):
        device = None if audio is None else audio.input if direction == "input" else audio.output
        level_db = None if audio is None else audio.level_db if direction == "input" else audio.output_level_db
        label = {"direction": direction}
        is_running = None if device is None else device.state == "running"
        sheet.gauge("audio_device_running", "1 while the sound device works.", is_running, label)
        sheet.gauge("audio_level_db", "Level of the last 100 ms, dB of full scale.", level_db, label)
    sheet.gauge("audio_clipping", "1 while the microphone is too loud.", None if audio is None else audio.is_clipping)


def _delay(sheet: _Sheet, snap: Snapshot | None) -> None:
    delay = None if snap is None else snap.delay
    parts = ("codec", "packet", "suppression", "computing", "protection", "keying", "air", "link", "cushion", "sound")
    for part in parts:
        value = None if delay is None else getattr(delay, f"{part}_ms") / 1000
        sheet.gauge("delay_seconds", "Parts of the delay from mouth to ear.", value, {"part": part})
    total = None if delay is None else delay.total_ms / 1000
    sheet.gauge("mouth_to_ear_seconds", "Delay from mouth to ear.", total)


def _reception(sheet: _Sheet, snap: Snapshot | None) -> None:
    for side in ("heard", "sent"):
        view = None if snap is None else snap.reception if side == "heard" else snap.sent_reception
        known, label = (view if view is not None and view.expected > 0 else None), {"side": side}
        for share, text in (
            ("lost", "Share of packets of the last overs that did not arrive, 0 to 1."),
            ("late", "Share of packets of the last overs that came after their turn, 0 to 1."),
            ("concealed", "Share of frames of the last overs that were made up, 0 to 1."),
        ):
            sheet.gauge(f"reception_{share}_ratio", text, None if known is None else getattr(known, share), label)
        sheet.gauge(
            "reception_burst_packets", "Packets lost in a row.", None if known is None else known.mean_burst, label
        )
        sheet.gauge(
            "reception_snr_db", "Signal to noise, where the modem tells.", None if view is None else view.snr_db, label
        )
    airtime = None if snap is None else snap.airtime
    text = "Time on the air."
    sheet.counter("airtime_seconds", text, None if airtime is None else airtime.own_s, {"side": "own"})
    sheet.counter("airtime_seconds", text, None if airtime is None else airtime.heard_s, {"side": "heard"})
    sheet.gauge("airtime_hour_ratio", "Own share of the last hour.", None if airtime is None else airtime.share_hour)
    sheet.gauge("on_air_bps", "Bits per second of the last own over.", None if airtime is None else airtime.on_air_bps)


def _stores(sheet: _Sheet, snap: Snapshot | None) -> None:
    waiting = None
    if snap is not None:
        waiting = sum(row.direction == "out" and row.state not in THROUGH for row in snap.messages)
    sheet.gauge("messages_waiting", "Messages that are not through.", waiting)
    sheet.gauge("stations_heard", "Stations heard so far.", None if snap is None else len(snap.last_heard))
    text = "Packets that are not of this net or not new."
    sheet.counter("security_refused", text, None, {"reason": ""})
    for reason, count in () if snap is None else snap.security.refused:
        sheet.counter("security_refused", text, count, {"reason": reason})
    record = None if snap is None else snap.record
    problem = None if record is None else record.problem is not None
    sheet.gauge("record_problem", "1 while overs are not recorded although they should be.", problem)
    trace = None if snap is None else snap.trace
    text = "1 while what the link does is not recorded although it should be."
    sheet.gauge("trace_problem", text, None if trace is None else trace.problem is not None)
    free = None if record is None else _free_bytes(Path(record.folder))
    sheet.gauge("record_free_bytes", "Free on the disk that overs are recorded to.", free)


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
