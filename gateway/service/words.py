"""A snapshot in words: one line for systemd and `ctl watch`, a page for `ctl status`. Pure.

Rule: works on the mapping that travels (`Snapshot.as_dict`), and a key that is missing is left out, so that a newer
`ctl` reads an older station and the other way round.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any

Snap = Mapping[str, Any]

ON_AIR = frozenset({"talking", "tail"})
LOCKED_OUT = frozenset({"busy_lockout", "locked_out"})
"""A key may still be down, but is not obeyed."""
MODES = {
    "idle": "idle",
    "keying": "keying up",
    "talking": "TALKING",
    "tail": "TALKING, ends",
    "receiving": "receiving",
    "waiting": "waits for a free channel",
    "busy_lockout": "busy: let go of the key, and press it again when the channel is free",
    "locked_out": "locked out: let go of the key",
}
BAR_CHARACTERS = 20
QUIETEST_DB = -60.0


def state_line(snap: Snap) -> str:
    """Who talks, else what keeps the station from talking, else that it listens; then the link."""
    ptt, link = snap.get("ptt", {}), snap.get("link", {})
    talker, parts = snap.get("talker"), []
    mode = str(ptt.get("mode", "?"))
    if talker:
        parts.append(f"{talker.get('name') or 'somebody'} talks, {talker.get('talking_s', 0):.0f} s")
    elif mode in ON_AIR:
        by = ", ".join(ptt.get("held_by", ()))
        left = ptt.get("time_left_s")
        parts.append(
            f"{'parrot' if ptt.get('is_parrot') else 'talking'}, {ptt.get('mode_s', 0):.0f} s"
            + (f" by {by}" if by else "")
            + ("" if left is None else f", {left:.0f} s left")
        )
    else:
        parts.append(MODES.get(mode, mode.replace("_", " ")))
    if ptt.get("waits_for_floor") and mode != "waiting":
        parts.append("waits for a free channel")
    if ptt.get("is_recording"):
        parts.append("records a message")
    parts.append("link up" if link.get("is_up") else f"link down: {link.get('outage') or 'no reason known'}")
    parts += problems(snap)
    return "; ".join(parts)


def problems(snap: Snap) -> list[str]:
    """What is amiss beside the link, in words."""
    found = []
    audio = snap.get("audio", {})
    for way, name in (("input", "microphone"), ("output", "speaker")):
        device = audio.get(way, {})
        if device.get("state") not in ("running", "opening", "ended", None):
            found.append(f"{name} {device['state']}")
    for key, name in (("keying", "keying"), ("record", "recording"), ("trace", "trace")):
        problem = (snap.get(key) or {}).get("problem")
        if problem:
            found.append(f"{name}: {problem}")
    return found


def page(snap: Snap, now_wall_s: float) -> list[str]:
    """Everything that an operator asks for, a line each."""
    station, ptt, link, audio = (snap.get(key, {}) for key in ("station", "ptt", "link", "audio"))
    rows = [
        ("station", f"{station.get('name')} ({station.get('id')}), group {station.get('group')}, "
                    f"up {duration(station.get('up_s', 0))}, clarilink {station.get('version') or '?'}"),
        ("now", state_line(snap)),
        ("last press", ptt.get("refusal")),
        ("link", _link(link)),
        ("sends", link.get("sending")),
        ("live voice", None if link.get("fit", "live") == "live" else f"{link.get('fit')}: {link.get('reason')}"),
        ("delay", _delay(snap.get("delay", {}))),
        ("heard", _reception(snap.get("reception", {}))),
        ("as others hear us", _reception(snap.get("sent_reception", {}))),
        ("microphone", _device(audio.get("input", {}), audio.get("level_db"), is_clipping=audio.get("is_clipping"))),
        ("speaker", _device(audio.get("output", {}), audio.get("output_level_db")) + _volume(audio)),
        ("air time", _airtime(snap.get("airtime", {}))),
        ("security", _security(snap.get("security", {}))),
        ("transmitter", _keying(snap.get("keying"))),
        ("recording", _record(snap.get("record"))),
        ("trace", _record(snap.get("trace"))),
        ("last heard", "; ".join(heard(row, now_wall_s) for row in snap.get("last_heard", ())[:5]) or "nobody yet"),
        ("messages", _messages(snap.get("messages", ()))),
    ]  # fmt: skip
    return [f"{name:<18} {text}" for name, text in rows if text]


def meter(level_db: float) -> str:
    """A level as a bar."""
    share = (max(QUIETEST_DB, min(0.0, level_db)) - QUIETEST_DB) / -QUIETEST_DB
    full = round(share * BAR_CHARACTERS)
    return "#" * full + "." * (BAR_CHARACTERS - full)


def over(row: Mapping[str, Any]) -> str:
    """An over of the list."""
    lost, snr_db, index = row.get("lost"), row.get("snr_db"), row.get("index")
    return (
        f"{clock(row.get('wall_s'))}  {row.get('side', ''):<6} {row.get('name', ''):<16} "
        f"{row.get('duration_s', 0):5.1f} s"
        + ("" if lost is None else f"  {100 * lost:3.0f} % lost")
        + ("" if snr_db is None else f"  {snr_db:.0f} dB SNR")
        + (f"  replay {index}" if index else "")
    )


def message(row: Mapping[str, Any]) -> str:
    """A message of the list."""
    arrow = "to" if row.get("direction") in ("out", "sent", "outgoing") else "from"
    share, length_s = row.get("share", 1.0), row.get("duration_s")
    return (
        f"{clock(row.get('wall_s'))}  {row.get('id') or '-':<8}  {row.get('kind', ''):<5} "
        f"{arrow} {row.get('peer', '')}: {row.get('state') or row.get('direction', '')}"
        + ("" if share >= 1 else f", {100 * share:.0f} % there")
        + ("" if length_s is None else f", {length_s:.1f} s")
        + (f": {row['text']}" if row.get("text") else "")
    )


def news(row: Mapping[str, Any]) -> str:
    """A line for the operator."""
    mark = "!" if row.get("level", "info") != "info" else " "
    return f"{clock(row.get('wall_s'))} {mark} {row.get('text', '')}"


def heard(row: Mapping[str, Any], now_wall_s: float) -> str:
    """A station of the net."""
    return f"{row.get('name')} {duration(max(0.0, now_wall_s - row.get('wall_s', 0)))} ago"


def clock(wall_s: float | None) -> str:
    """A time of day, here."""
    if wall_s is None:
        return "--:--:--"
    return dt.datetime.fromtimestamp(wall_s, dt.UTC).astimezone().strftime("%H:%M:%S")


def duration(seconds: float) -> str:
    """As people say it."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return (
        f"{whole // 3600} h {whole % 3600 // 60} min"
        if whole < 86_400
        else f"{whole // 86_400} d {whole % 86_400 // 3600} h"
    )


def _link(link: Snap) -> str:
    parts = [f"{link.get('name') or link.get('kind') or '?'}"]
    parts.append("up" if link.get("is_up") else f"down: {link.get('outage') or 'no reason known'}")
    if link.get("rate_bps"):
        parts.append(f"{link['rate_bps']:.0f} bit/s")
    if link.get("is_half_duplex"):
        parts.append("half duplex")
    return ", ".join(parts)


def _delay(delay: Snap) -> str:
    total = delay.get("total_ms", 0)
    if not total:
        return ""
    parts = [
        f"{key.removesuffix('_ms')} {value:.0f}" for key, value in delay.items() if key != "total_ms" and value >= 1
    ]
    return f"{total / 1000:.1f} s from mouth to ear ({', '.join(parts)} ms)"


def _reception(reception: Snap) -> str:
    return str(reception.get("words", "")) if reception.get("expected") else ""


def _device(device: Snap, level_db: float | None, *, is_clipping: bool | None = False) -> str:
    text = f"{device.get('name') or 'default'}: {device.get('state', '?')}"
    if device.get("text"):
        text += f" ({device['text']})"
    if level_db is not None and device.get("state") == "running":
        text += f", [{meter(level_db)}] {level_db:.0f} dB"
    if is_clipping:
        text += ", TOO LOUD"
    return text + (f", {device['xruns']} xruns" if device.get("xruns") else "")


def _volume(audio: Snap) -> str:
    return ", muted" if audio.get("is_muted") else f", volume {audio.get('volume_db', 0):+.0f} dB"


def _airtime(airtime: Snap) -> str:
    text = f"own {duration(airtime.get('own_s', 0))}, {100 * airtime.get('share_hour', 0):.1f} % of the last hour"
    text += f"; others {duration(airtime.get('heard_s', 0))}"
    on_air = airtime.get("on_air_bps")
    return text if on_air is None else f"{text}; last over {on_air:.0f} bit/s"


def _security(security: Snap) -> str:
    refused = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in security.get("refused", ()))
    text = security.get("text") or security.get("mode", "")
    return f"{text}; refused: {refused}" if refused else str(text)


def _keying(keying: Snap | None) -> str:
    if not keying:
        return ""
    state = keying.get("problem") or ("keyed" if keying.get("is_keyed") else "not keyed")
    return f"{keying.get('kind')}: {state}"


def _record(record: Snap | None) -> str:
    return f"{record.get('folder')}{': ' + record['problem'] if record.get('problem') else ''}" if record else ""


def _messages(rows: Any) -> str:
    states = Counter(str(row.get("state") or row.get("direction")) for row in rows)
    return ", ".join(f"{count} {state}" for state, count in states.most_common())
