"""Parts of the main view: what a snapshot says, a section each. Pure.

Rule: a section's first line stands alone (it is all that small screens show); what is wrong is worded, then coloured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.console.format import ago, clock_time, decibels, duration, level_bar, percent
from gateway.console.spans import EMPTY, Glyphs, Line, Role, Section, Span, beside, line, width_of, wrapped
from gateway.control.snapshot import (
    DelayView,
    DeviceView,
    MessageView,
    NewsView,
    Quality,
    ReceptionView,
    Snapshot,
)
from gateway.telling import Level

LABEL = 8
QUALITY_ROLES = {
    Quality.UNKNOWN: Role.DIM,
    Quality.GOOD: Role.GOOD,
    Quality.FAIR: Role.WARN,
    Quality.POOR: Role.BAD,
    Quality.BAD: Role.BAD,
}
BROKEN_STATES = {"missing", "ended", "closed"}
OWN_DIRECTIONS = {"out", "sent", "outgoing"}
STATE_ROLES = {"failed": Role.BAD, "damaged": Role.BAD, "received": Role.GOOD, "inbox": Role.GOOD}


def labelled(label: str, *parts: str | tuple[str, Role]) -> Line:
    """`label` in its column, then the parts."""
    return line((f"{label:<{LABEL}}", Role.DIM), *parts)


def continued(text: str, width: int, role: Role = Role.TEXT) -> list[Line]:
    """`text` below a label, as many lines as it takes."""
    return [line(" " * LABEL, (row, role)) for row in wrapped(text, width - LABEL)]


def header(shot: Snapshot, width: int, glyphs: Glyphs) -> Line:
    """Who we are, and what must not be forgotten; the time at the right."""
    station, ptt = shot.station, shot.ptt
    parts: list[str | tuple[str, Role]] = [
        (f" {glyphs.shown(station.name)}", Role.BAR),
        (f"  id {station.id}  group {station.group}  {_net_in_a_word(shot)}  ", Role.BAR),
    ]
    flags = [
        (shot.audio.is_muted, "MUTED"),
        (ptt.is_parrot, "PARROT"),
        (ptt.is_recording, "RECORDING MESSAGE"),
    ]
    for is_set, word in flags:
        if is_set:
            parts += [(f" {word} ", Role.BAR_ALARM), (" ", Role.BAR)]
    return beside(line(*parts), line((f" {clock_time(shot.wall_s, with_seconds=True)} ", Role.BAR)), width, Role.BAR)


def _net_in_a_word(shot: Snapshot) -> str:
    mode = shot.security.mode
    return "open net" if mode == "none" else "encrypted" if "encrypt" in mode else "signed"


def alerts(shot: Snapshot, width: int, glyphs: Glyphs) -> list[Section]:
    """What is wrong and would be missed: devices, keying, recording."""
    found = []
    for name, device in (("MICROPHONE", shot.audio.input), ("SPEAKER", shot.audio.output)):
        if device.state in BROKEN_STATES:
            found.append(f"{name} {device.state.upper()}: {device.text or device.name or '-'}")
    if shot.keying is not None and shot.keying.problem:
        found.append(f"KEYING: {shot.keying.problem}")
    for what, record in (("RECORDING", shot.record), ("RECORDING THE LINK", shot.trace)):
        if record is not None and record.problem:
            found.append(f"NOT {what}: {record.problem}")
    return [
        Section(0, tuple(line((f"! {row}" if n == 0 else f"  {row}", Role.BAD)) for n, row in enumerate(rows)))
        for rows in (wrapped(glyphs.shown(text), width - 2) for text in found)
    ]


def microphone(shot: Snapshot, peak_db: float, width: int, glyphs: Glyphs) -> Section:
    """Level, peak and clipping: 29 cells of words, the rest a bar."""
    audio = shot.audio
    bar = level_bar(audio.level_db, peak_db, max(4, width - LABEL - 15), glyphs)
    role = Role.BAD if audio.is_clipping else Role.WARN if peak_db > -3 else Role.GOOD
    end = (" CLIP ", Role.ALARM) if audio.is_clipping else ""
    return Section(1, (labelled("mic", (bar, role), f" {decibels(audio.level_db):<7} ", end),))


def speaker(shot: Snapshot, width: int, glyphs: Glyphs) -> Section:
    """Level of what is heard, volume, mute."""
    audio = shot.audio
    bar = level_bar(audio.output_level_db, -100.0, max(4, width - LABEL - 15), glyphs)
    end = ("MUTED", Role.ALARM) if audio.is_muted else (f"vol {audio.volume_db:+.0f} dB", Role.TEXT)
    return Section(3, (labelled("speaker", (bar, Role.TEXT), " ", end),))


def link(shot: Snapshot, width: int, glyphs: Glyphs) -> Section:
    """Up or not and why, kind, rate; then how the next over is sent."""
    view = shot.link
    state = ("DOWN", Role.BAD) if not view.is_up or view.outage else ("up", Role.GOOD)
    rate = "" if view.rate_bps is None else f" {view.rate_bps:.0f} bit/s"
    duplex = ", half duplex" if view.is_half_duplex else ""
    first, *rest = wrapped(f"{glyphs.shown(view.kind or view.name)}{rate}{duplex}", width - LABEL - 1 - len(state[0]))
    rows = [labelled("link", state, f" {first}"), *(line(" " * LABEL, row) for row in rest)]
    if view.outage:
        rows += continued(glyphs.shown(view.outage), width, Role.BAD)
    if view.sending:
        rows += _wrapped_after("sending", glyphs.shown(view.sending), width)
    if view.reason and view.fit != "live":
        rows += continued(glyphs.shown(view.reason), width, Role.WARN)
    return Section(2, tuple(rows))


def _wrapped_after(label: str, text: str, width: int, role: Role = Role.TEXT) -> list[Line]:
    first, *rest = wrapped(text, width - LABEL)
    return [labelled(label, (first, role)), *(line(" " * LABEL, (row, role)) for row in rest)]


def reception(label: str, view: ReceptionView, order: int, width: int, glyphs: Glyphs, *, in_full: bool) -> Section:
    """In words and figures."""
    role = QUALITY_ROLES[view.quality]
    if not view.expected and not view.words:
        return Section(order, (labelled(label, ("nothing yet", Role.DIM)),))
    rows = _wrapped_after(label, glyphs.shown(view.words or view.quality.value), width, role)
    figures = []
    if in_full:
        figures.append(f"{percent(view.concealed)} made up")
    if view.snr_db is not None:
        figures.append(f"SNR {view.snr_db:.0f} dB")
    if figures:
        rows += continued(", ".join(figures), width)
    return Section(order, tuple(rows))


def delay_parts(view: DelayView) -> list[tuple[str, float]]:
    """What the delay is made of, in the order in which speech meets it."""
    parts = [
        ("sound", view.sound_ms),
        ("noise filter", view.suppression_ms),
        ("codec", view.codec_ms),
        ("packet", view.packet_ms),
        ("computing", view.computing_ms),
        ("protection", view.protection_ms),
        ("keying", view.keying_ms),
        ("air", view.air_ms),
        ("link", view.link_ms),
        ("waiting", view.cushion_ms),
    ]
    return [(name, value) for name, value in parts if abs(value) >= 0.5]


def delay(shot: Snapshot, width: int) -> Section:
    """Mouth to ear, and by part."""
    view = shot.delay
    if not view.total_ms:
        return Section(4, (labelled("delay", ("not known yet", Role.DIM)),))
    rows = [labelled("delay", (f"{view.total_ms / 1000:.2f} s", Role.STRONG), " from mouth to ear")]
    rows += continued(", ".join(f"{name} {value:.0f}" for name, value in delay_parts(view)) + " ms", width, Role.DIM)
    return Section(4, tuple(rows))


def security(shot: Snapshot, width: int, glyphs: Glyphs) -> Section:
    """Mode and key, and what was refused."""
    view = shot.security
    if view.mode == "none":
        rows = [labelled("key", ("NONE: anybody can hear and talk", Role.WARN))]
    else:
        number = "" if view.key_id is None else f", key {view.key_id}"
        words = "hidden and signed" if "encrypt" in view.mode else "signed, not hidden"
        rows = _wrapped_after("key", f"{words}{number}", width, Role.GOOD)
    refused = [(glyphs.shown(reason), count) for reason, count in view.refused if count]
    if refused:
        rows += continued("refused: " + ", ".join(f"{reason} {count}" for reason, count in refused), width, Role.WARN)
    return Section(5, tuple(rows), least=2 if refused else 1)


def airtime(shot: Snapshot, width: int) -> Section:
    """Own time on the air."""
    view = shot.airtime
    rows = [labelled("airtime", f"{duration(view.own_hour_s)} last hour, {percent(view.share_hour)}")]
    rows += continued(f"{duration(view.own_s)} in all, others {duration(view.heard_s)}", width, Role.DIM)
    if view.on_air_bps is not None:
        rows += continued(f"last over {view.on_air_bps:.0f} bit/s, {view.sent_bytes} bytes in all", width, Role.DIM)
    return Section(6, tuple(rows))


def keyed_and_kept(shot: Snapshot, width: int, glyphs: Glyphs) -> list[Section]:
    """The transmitter's key, and recording to disk, where there are such."""
    sections = []
    if shot.keying is not None:
        state = ("PROBLEM", Role.BAD) if shot.keying.problem else ("on", Role.WARN) if shot.keying.is_keyed else "off"
        sections.append(Section(5, (labelled("tx key", state, f" ({glyphs.shown(shot.keying.kind)})"),)))
    if shot.record is not None:
        state = ("STOPPED", Role.BAD) if shot.record.problem else ("on", Role.GOOD)
        sections.append(Section(7, (labelled("record", state, f" {glyphs.shown(shot.record.folder)}"),)))
    return sections


def last_heard(shot: Snapshot, width: int, glyphs: Glyphs, rows: int) -> Section:
    """Stations by when they were heard; a title and up to `rows`."""
    lines = [line(("LAST HEARD", Role.TITLE))]
    if not shot.last_heard:
        lines.append(line(("nobody yet", Role.DIM)))
    name_width = max(8, width - 24)
    for heard in shot.last_heard[:rows]:
        lost = "" if heard.lost is None else f"lost {percent(heard.lost)}"
        snr = "" if heard.snr_db is None else f" {heard.snr_db:.0f} dB"
        name = glyphs.shown(heard.name)[:name_width]
        when = ago(shot.wall_s - heard.wall_s)
        role = Role.STRONG if shot.wall_s - heard.wall_s < 60 else Role.TEXT
        lines.append(line((f"{name:<{name_width}} ", role), f"{when:>6}  ", (f"{lost}{snr}", Role.DIM)))
    return Section(1, tuple(lines), least=2)


def overs(shot: Snapshot, width: int, glyphs: Glyphs, rows: int) -> Section:
    """What was said and heard, newest first."""
    lines = [line(("OVERS  r hears the last again", Role.TITLE))]
    if not shot.overs:
        lines.append(line(("none yet", Role.DIM)))
    for over in shot.overs[:rows]:
        own = over.side not in ("heard", "received")
        lost = "" if over.lost is None else f" lost {percent(over.lost)}"
        name = "you" if own else glyphs.shown(over.name)
        lines.append(
            line(
                (f"{clock_time(over.wall_s)} ", Role.DIM),
                f"{name} {duration(over.duration_s)}",
                (f"{lost}{'' if over.index else ' (gone)'}", Role.DIM),
            )
        )
    return Section(3, tuple(lines))


def _message_parts(message: MessageView, glyphs: Glyphs) -> tuple[Line, str, Span]:
    """When and who; what; how far it is, unless it is simply there."""
    is_own = message.direction in OWN_DIRECTIONS
    state, role = message_state(message, glyphs)
    is_there = message.kind == "text" and not is_own and message.share >= 1
    said = glyphs.shown(message.text)
    if message.duration_s is not None or not said:
        length = "" if message.duration_s is None else f" {duration(message.duration_s)}"
        said = f"{glyphs.shown(message.kind)}{length} {said}".rstrip()
    who = f"to {glyphs.shown(message.peer)}: " if is_own else f"{glyphs.shown(message.peer)}: "
    head = line((f"{clock_time(message.wall_s)} ", Role.DIM), (who, Role.STRONG))
    return head, said, Span("" if is_there or not state else f"[{state}]", role)


def message_line(message: MessageView, glyphs: Glyphs) -> Line:
    """One message in one line."""
    head, said, state = _message_parts(message, glyphs)
    return line(*head, state, " " if state.text else "", said)


def message_rows(message: MessageView, width: int, glyphs: Glyphs) -> list[Line]:
    """One message in as many lines as it takes, two at most."""
    head, said, state = _message_parts(message, glyphs)
    first, *rest = wrapped(said, max(8, width - width_of(head)))
    second = line(" " * 6, state, " " if state.text and rest else "", " ".join(rest))
    if not rest and width_of(head) + len(first) + 1 + len(state.text) <= width:
        return [line(*head, first, " " if state.text else "", state)]
    return [line(*head, first), second]


def message_state(message: MessageView, glyphs: Glyphs) -> tuple[str, Role]:
    """State in words, with progress while it is under way."""
    state = glyphs.shown(message.state)
    role = STATE_ROLES.get(message.state, Role.WARN if message.share < 1 else Role.DIM)
    return (f"{state} {100 * message.share:.0f} %".strip() if message.share < 1 else state), role


def messages(listed: Sequence[MessageView], width: int, glyphs: Glyphs, rows: int) -> Section:
    """The first of `listed`; a title and up to `rows`."""
    lines = [line(("MESSAGES  2 lists all", Role.TITLE))]
    if not listed:
        lines.append(line(("none yet", Role.DIM)))
    lines += [row for message in listed[:rows] for row in message_rows(message, width, glyphs)]
    return Section(2, tuple(lines), least=3)


def news(lines_told: Iterable[NewsView], width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """The newest lines at the bottom, long ones wrapped, exactly `height` of them."""
    rows: list[Line] = []
    for told in lines_told:
        role = Role.WARN if told.level is not Level.INFO else Role.TEXT
        mark = "! " if told.level is not Level.INFO else ""
        first, *rest = wrapped(mark + glyphs.shown(told.text), width - 6)
        rows.append(line((clock_time(told.wall_s) + " ", Role.DIM), (first, role)))
        rows += [line(" " * 6, (row, role)) for row in rest]
    rows = rows[-height:] if height > 0 else []
    return [*rows, *([EMPTY] * (height - len(rows)))]


def device(label: str, view: DeviceView, width: int, glyphs: Glyphs) -> list[Line]:
    """A sound device in full."""
    role = Role.BAD if view.state in BROKEN_STATES else Role.GOOD
    rows = [labelled(label, (glyphs.shown(view.state) or "-", role), f" {glyphs.shown(view.name)}")]
    if view.text:
        rows += continued(glyphs.shown(view.text), width, role if role is Role.BAD else Role.TEXT)
    return [*rows, *continued(f"{view.xruns} xruns, {view.dropped_samples} samples dropped", width, Role.DIM)]
