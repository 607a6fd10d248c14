"""JSON of others: IRTT results, UnetStack event traces.

Rule: only what stands there counts; an entry without the fields needed is skipped and told by its place.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.traces.importing.csv_text import finish
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.importing.two_way import TwoWay, two_way
from gateway.traces.record import Direction, Outcome, TraceHeader, TraceRecord, is_number
from gateway.traces.table import table_of

_TRIPS = re.compile(r'"round_trips"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")


def import_json(text: str, options: ImportOptions) -> Imported:
    """Raises ValueError for JSON that is neither."""
    begin = _TRIPS.search(text)
    if begin is not None:
        report = ImportReport("IRTT result")
        return import_irtt(_entries(text, begin.end(), report), report, options)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({error})") from error
    if isinstance(found, dict) and isinstance(found.get("events"), list):
        return import_unet(found, options)
    raise ValueError("JSON, but neither an IRTT result (round_trips) nor a UnetStack trace (events)")


def _entries(text: str, at: int, report: ImportReport) -> Iterator[Any]:
    """Those of the list that begins at `at`, one at a time: a day of them would fill the memory. A file that breaks
    off has those before."""
    decoder = json.JSONDecoder()
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if text.startswith("]", at):
            return
        try:
            entry, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            report.notes.append("the file breaks off or is damaged within its round trips: what came before was read")
            return
        yield entry


def import_irtt(trips: Iterable[Any], report: ImportReport, options: ImportOptions) -> Imported:
    """The `round_trips` of an IRTT client's output: times in ns, `lost` true, true_up, true_down or false."""
    rows = list[tuple[float, ...]]()
    for place, trip in enumerate(trips, 1):
        at = _get(trip, "timestamps", "client", "send", "wall")
        if not is_number(at):
            report.skip(place, "no timestamps.client.send.wall")
            continue
        lost = str(_get(trip, "lost")).lower()
        delays = [_number(_get(trip, "delay", name)) * 1e-9 for name in ("send", "receive", "rtt")]
        marks = (lost == "true_up", lost == "true_down", lost == "true")
        if any(marks):
            delays = [math.nan] * 3
        rows.append((_number(at) * 1e-9, _number(_get(trip, "seqno")), *delays, *map(float, marks)))
    if not rows:
        return finish(TraceHeader(), table_of([]), report)
    columns = np.array(rows).T
    return two_way(TwoWay(*columns[:5], *(column > 0 for column in columns[5:])), report, options)


def _get(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> float:
    return float(value) if is_number(value) else math.nan


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame sent or heard by a node, as an event tells it."""

    at_s: float
    node: str
    thread: str
    message: dict[str, Any]


def import_unet(found: dict[str, Any], options: ImportOptions) -> Imported:
    """A `trace.json` of UnetStack 3.3 or later: frames by their TxFrameNtf and RxFrameNtf (or BadFrameNtf).

    Events of one cause share a threadID across nodes: a frame heard belongs to the latest one that another node sent
    in its thread. Nodes that hear anything at all, but not a frame meant for them or for all, have lost it.
    """
    report = ImportReport("UnetStack trace")
    sent, heard, bad = list[_Frame](), list[_Frame](), list[_Frame]()
    for place, event in enumerate(_events(found), 1):
        time, component = _get(event, "time"), _get(event, "component")
        if not is_number(time) or not isinstance(component, str):
            report.skip(place, "an event without time or component")
            continue
        node = component.rpartition("/")[2]
        for side in ("response", "stimulus"):
            message = _get(event, side)
            name = str(_get(message, "clazz")).rpartition(".")[2]
            # A notification leaves the modem (response) once; agents that get it (stimulus) would count it again.
            kinds = {"TxFrameNtf": sent, "RxFrameNtf": heard, "BadFrameNtf": bad} if side == "response" else {}
            if name in kinds:
                kinds[name].append(_Frame(float(time) / 1000, node, str(_get(event, "threadID")), message))
    sent.sort(key=lambda frame: frame.at_s)
    begin_s = min((frame.at_s for frame in [*sent, *heard]), default=0.0)
    listeners = sorted({frame.node for frame in heard} | {frame.node for frame in bad})
    records = list[TraceRecord]()
    threads: dict[str, list[_Frame]] = {}
    for frame in sent:
        threads.setdefault(frame.thread, []).append(frame)
    fate: dict[tuple[int, str], tuple[_Frame, str]] = {}
    strange = 0
    for frames, word in ((bad, ""), (heard, "heard")):
        for frame in frames:
            cause = _cause(threads.get(frame.thread, ()), frame)
            fate[id(cause), frame.node] = frame, word
            strange += cause is None and word == "heard"
    for number, frame in enumerate(sent):
        to = _get(frame.message, "to")
        for node in listeners:
            if node == frame.node:
                continue
            arrival, word = fate.get((id(frame), node), (None, ""))
            is_heard = arrival is not None and word == "heard"
            records.append(
                TraceRecord(
                    frame.at_s - begin_s,
                    Direction.TX,
                    Outcome.DELIVERED if is_heard else Outcome.LOST,
                    frame.at_s,
                    frame.node,
                    node,
                    number,
                    kind=str(_get(frame.message, "type") or ""),
                    delay_s=max(0.0, arrival.at_s - frame.at_s) if arrival is not None and is_heard else None,
                    rssi_dbm=None if arrival is None else _known(arrival.message, "rssi"),
                    status="" if is_heard else "bad frame" if arrival is not None else "" if to is None else f"to {to}",
                )
            )
    if strange:
        report.notes.append(f"{strange} frames were heard whose sending is not in the trace")
    report.notes.append("times are those of each node: a delay is only as good as their clocks")
    return finish(TraceHeader(options.station, 0.0, begin_s or None, {"times": True}), table_of(records), report)


def _events(group: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    for entry in group.get("events", ()):
        if isinstance(entry, dict) and isinstance(entry.get("events"), list) and depth < 20:
            yield from _events(entry, depth + 1)
        elif isinstance(entry, dict):
            yield entry


def _cause(sent: Sequence[_Frame], heard: _Frame) -> _Frame | None:
    """The latest frame that another node sent before; `sent` are those of its thread, in order of time."""
    for place in range(bisect_right(sent, heard.at_s, key=lambda frame: frame.at_s) - 1, -1, -1):
        if sent[place].node != heard.node:
            return sent[place]
    return None


def _known(message: dict[str, Any], name: str) -> float | None:
    value = _number(message.get(name))
    return None if math.isnan(value) else value
