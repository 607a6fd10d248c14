"""The views of the screen, each as lines for a given size. Pure.

Rule: exactly `height` lines of exactly `width` cells, whatever the snapshot says and however small the terminal is.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.console import panels
from gateway.console.format import binned, chart, clock_time, duration, percent
from gateway.console.panels import continued, labelled
from gateway.console.spans import EMPTY, PLAIN, Glyphs, Line, Role, Section, Span, fitted, line, stacked, wrapped
from gateway.control.hub import HistoryPoint
from gateway.control.snapshot import MessageView, Snapshot

CHARTS = 5
TWO_COLUMNS_FROM, THREE_COLUMNS_FROM = 70, 112
RETRIED_STATES = {"failed", "gave up", "given up"}


class View(enum.Enum):
    """What fills the middle of the screen, by its key."""

    MAIN = "1"
    MESSAGES = "2"
    LINK = "3"
    DEVICES = "4"
    HELP = "?"


HELP = (
    ("space", "talk; space again ends (holding it down is one press)"),
    ("b", "break in: talk over others, in an emergency"),
    ("t", "text; Tab or @name picks for whom, Enter sends, Esc drops"),
    ("m", "record a voice message; m again ends and sends it"),
    ("l  r", "play the last voice message; hear the last over again; Esc stops"),
    ("+ - x", "volume; mute, and back"),
    ("p", "parrot: hear yourself through the codec, nothing is sent"),
    ("n", "night colours (red), and back"),
    ("1 2 3 4", "main; messages (Enter opens a menu); link, charts; devices, counters"),
    ("s i", "on page 4: test the speaker; the microphone"),
    ("q", "quit (Ctrl-C, Ctrl-D too); quitting ends an over"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What a view needs beside the snapshot: room, glyphs, held peak, what is chosen, how far it is scrolled."""

    width: int
    height: int
    glyphs: Glyphs = PLAIN
    peak_db: float = -100.0
    chosen: int = 0
    scrolled: int = 0


def squared(rows: Sequence[Line], width: int, height: int) -> list[Line]:
    """Exactly that many lines of exactly that many cells."""
    width, height = max(0, width), max(0, height)
    return [fitted(rows[n] if n < len(rows) else EMPTY, width) for n in range(height)]


def columns(sides: Sequence[Sequence[Line]], widths: Sequence[int], height: int) -> list[Line]:
    """Columns beside each other with two cells between."""
    squares = [squared(side, width, height) for side, width in zip(sides, widths, strict=True)]
    return [
        tuple(span for n, part in enumerate(row) for span in ((Span("  "),) * (n > 0) + part))
        for row in zip(*squares, strict=True)
    ]


def main_view(shot: Snapshot, look: Look, history: Sequence[HistoryPoint] = ()) -> list[Line]:
    """Everything important; more of it where there is more room."""
    if look.width < TWO_COLUMNS_FROM:
        sections = [*_state(shot, look.width, look), *_heard(shot, look.width, look, 3)]
        return squared(stacked(sections, look.height), look.width, look.height)
    count = 3 if look.width >= THREE_COLUMNS_FROM else 2
    side = (look.width - 2 * (count - 1)) // count - (2 if count == 2 else 0)
    widths = [look.width - (count - 1) * (side + 2), *[side] * (count - 1)]
    sides = [
        stacked(_state(shot, widths[0], look), look.height),
        stacked(_heard(shot, side, look, max(2, (look.height - 2) // 2 - 1)), look.height),
    ]
    if count == 3:
        overs = panels.overs(shot, side, look.glyphs, look.height // 3)
        rows = _chart_rows(look.height - len(overs.lines))
        sides.append(stacked([overs, *_charts(history, side, rows, look.glyphs)], look.height))
    return squared(columns(sides, widths, look.height), look.width, look.height)


def _state(shot: Snapshot, width: int, look: Look) -> list[Section]:
    glyphs = look.glyphs
    return [
        *panels.alerts(shot, width, glyphs),
        panels.microphone(shot, look.peak_db, width, glyphs),
        panels.speaker(shot, width, glyphs),
        panels.link(shot, width, glyphs),
        panels.reception("hearing", shot.reception, 1, width, glyphs, in_full=True),
        panels.reception("others", shot.sent_reception, 2, width, glyphs, in_full=False),
        panels.delay(shot, width),
        panels.security(shot, width, glyphs),
        *panels.keyed_and_kept(shot, width, glyphs),
        panels.airtime(shot, width),
    ]


def _heard(shot: Snapshot, width: int, look: Look, rows: int) -> list[Section]:
    return [
        panels.last_heard(shot, width, look.glyphs, rows),
        Section(9, (EMPTY,), least=0),
        panels.messages(newest_first(shot), width, look.glyphs, max(2, look.height - rows - 2)),
    ]


def newest_first(shot: Snapshot) -> tuple[MessageView, ...]:
    """Messages as they are listed and chosen."""
    return tuple(sorted(shot.messages, key=lambda message: -message.wall_s))


def can_retry(message: MessageView) -> bool:
    """Whether sending it again means anything."""
    return message.id is not None and message.state in RETRIED_STATES


def menu_of(message: MessageView) -> str:
    """What can be done with a message, by key."""
    ways = []
    if message.id is not None:
        ways += ["p play"] if message.kind != "text" else []
        ways += ["r send again"] if can_retry(message) else []
        ways += ["d delete"]
    return ", ".join([*ways, "Esc back"])


def messages_view(shot: Snapshot, look: Look) -> list[Line]:
    """A list with one chosen, and the chosen one in full."""
    all_messages = newest_first(shot)
    if not all_messages:
        return squared(
            [line(("MESSAGES", Role.TITLE)), line(("none yet; t writes a text, m records", Role.DIM))],
            look.width,
            look.height,
        )
    chosen = min(max(0, look.chosen), len(all_messages) - 1)
    message = all_messages[chosen]
    full = [line(Span(look.glyphs.rule * look.width, Role.DIM)), *_message_in_full(message, look)]
    room = max(1, look.height - min(len(full), max(0, look.height // 2)) - 1)
    first = min(max(0, chosen - room // 2), max(0, len(all_messages) - room))
    rows = [
        line(
            (f"MESSAGES {chosen + 1} of {len(all_messages)}", Role.TITLE), ("  up, down, Enter opens a menu", Role.DIM)
        )
    ]
    for n in range(first, min(first + room, len(all_messages))):
        row = panels.message_line(all_messages[n], look.glyphs)
        if n == chosen:
            row = fitted(
                (Span("> ", Role.CHOSEN), *(Span(span.text, Role.CHOSEN) for span in row)), look.width, Role.CHOSEN
            )
        else:
            row = line("  ", *row)
        rows.append(row)
    rows += [EMPTY] * (room + 1 - len(rows))
    return squared([*rows, *full], look.width, look.height)


def _message_in_full(message: MessageView, look: Look) -> list[Line]:
    state, role = panels.message_state(message, look.glyphs)
    when = clock_time(message.wall_s, with_seconds=True)
    what = look.glyphs.shown(f"{message.kind} {message.direction} {message.peer}")
    rows = [line((f"{what} {when}  ", Role.STRONG), (state, role))]
    if message.duration_s is not None:
        rows[0] = (*rows[0], Span(f"  {duration(message.duration_s)}"))
    return rows + [line(row) for row in wrapped(look.glyphs.shown(message.text), look.width) if row]


def link_view(shot: Snapshot, look: Look, history: Sequence[HistoryPoint] = ()) -> list[Line]:
    """The link in full at the left, charts at the right (below, on narrow screens)."""
    glyphs = look.glyphs
    is_wide = look.width >= TWO_COLUMNS_FROM
    left = (look.width - 2) // 2 if is_wide else look.width
    facts = _link_facts(shot, left, glyphs)
    if is_wide:
        right = look.width - left - 2
        rows = _chart_rows(look.height)
        return squared(
            columns([facts, stacked(_charts(history, right, rows, glyphs), look.height)], [left, right], look.height),
            look.width,
            look.height,
        )
    charts = stacked(_charts(history, left, 1, glyphs), look.height // 2)
    return squared([*facts[: look.height - len(charts)], *charts], look.width, look.height)


def _link_facts(shot: Snapshot, width: int, glyphs: Glyphs) -> list[Line]:
    view = shot.link
    mtu = "" if view.mtu_bytes is None else f", packets up to {view.mtu_bytes} bytes"
    rows: list[Line] = [
        *panels.link(shot, width, glyphs).lines,
        labelled("name", glyphs.shown(view.name or "-")),
        labelled("voice", f"{glyphs.shown(view.fit)}{mtu}"),
        *(continued(glyphs.shown(view.reason), width, Role.DIM) if view.reason and view.fit == "live" else ()),
    ]
    for label, seen in (("hearing", shot.reception), ("others", shot.sent_reception)):
        rows += panels.reception(label, seen, 0, width, glyphs, in_full=label == "hearing").lines
        if seen.expected:
            rows += continued(f"bursts of {seen.mean_burst:.1f}, {seen.expected} packets", width, Role.DIM)
    rows += panels.delay(shot, width).lines
    rows += panels.security(shot, width, glyphs).lines
    rows += panels.airtime(shot, width).lines
    return rows


def _chart_rows(height: int) -> int:
    """How high charts may be so that all find room below a title, each with a line of words."""
    return max(1, min(6, (height - 1) // CHARTS - 1))


def _charts(history: Sequence[HistoryPoint], width: int, rows: int, glyphs: Glyphs) -> list[Section]:
    span_s = history[-1].wall_s - history[0].wall_s if history else 0.0
    sections = [
        Section(
            3,
            (
                line(
                    (f"CHARTS, last {duration(span_s)}", Role.TITLE),
                ),
            ),
        )
    ]
    curves = (
        ("lost", [point.lost for point in history], 0.1, True),
        ("late", [point.late for point in history], 0.1, True),
        ("made up", [point.concealed for point in history], 0.1, True),
        ("delay s", [p.delay_ms / 1000 if p.delay_ms else None for p in history], 1.0, False),
        ("SNR dB", [point.snr_db for point in history], 10.0, False),
    )
    for n, (name, values, least_top, is_share) in enumerate(curves):
        known = [value for value in values if value is not None]
        if not known:
            sections.append(Section(4 + n, (line((f"{name}: nothing yet", Role.DIM)),)))
            continue
        told = percent if is_share else "{:.1f}".format
        top = max(least_top, max(known))
        title = line(
            (f"{name} ", Role.TEXT),
            (
                f"now {told(known[-1])}, worst {told(max(known))}"
                if is_share
                else f"now {told(known[-1])}, {told(min(known))} to {told(max(known))}",
                Role.DIM,
            ),
        )
        drawn = tuple(
            line((row, Role.GOOD if n > 2 else Role.WARN))
            for row in chart(binned(values, width), width, rows, top, glyphs)
        )
        sections.append(Section(4 + n, (title, *drawn), least=1 + rows))
    return sections


def devices_view(shot: Snapshot, look: Look) -> list[Line]:
    """Sound devices in full, then all counters; scrolls."""
    glyphs, audio = look.glyphs, shot.audio
    rows: list[Line] = [
        line(("DEVICES", Role.TITLE), ("  s tests the speaker, i the microphone", Role.DIM)),
        *panels.microphone(shot, look.peak_db, look.width, glyphs).lines,
        *panels.device("", audio.input, look.width, glyphs),
        *panels.speaker(shot, look.width, glyphs).lines,
        *panels.device("", audio.output, look.width, glyphs),
        labelled("filter", "noise suppression on" if audio.noise_suppression else "no noise suppression"),
        *(row for section in panels.keyed_and_kept(shot, look.width, glyphs) for row in section.lines),
        labelled("version", f"{glyphs.shown(shot.station.version) or '-'}, up {duration(shot.station.up_s)}"),
        line(("COUNTERS", Role.TITLE), ("  up and down scroll", Role.DIM)),
    ]
    count = max(1, look.width // 40)
    cell = look.width // count
    names = [(glyphs.shown(name), f"{value:.10g}") for name, value in shot.counters]
    per_column = -(-len(names) // count)
    for n in range(per_column):
        row: list[str | tuple[str, Role]] = []
        for name, value in names[n::per_column][:count]:
            text = f"{name[: max(1, cell - len(value) - 3)]:<{max(1, cell - len(value) - 3)}} {value}  "
            row.append((text, Role.TEXT if value != "0" else Role.DIM))
        rows.append(line(*row))
    first = min(look.scrolled, max(0, len(rows) - look.height))
    return squared(rows[first:], look.width, look.height)


def help_view(look: Look) -> list[Line]:
    """The keys; scrolls."""
    rows: list[Line] = [line(("KEYS", Role.TITLE))]
    for key, words in HELP:
        first, *rest = wrapped(words, look.width - 10)
        rows.append(line((f" {key:<8} ", Role.STRONG), first))
        rows += [line(" " * 10, row) for row in rest]
    first_row = min(look.scrolled, max(0, len(rows) - look.height))
    return squared(rows[first_row:], look.width, look.height)


def footer(view: View, width: int, hint: str = "") -> Line:
    """The most useful keys that fit, or a hint."""
    if hint:
        return fitted(line((f" {hint}", Role.BAR_ALARM)), width, Role.BAR_ALARM)
    keys = [
        "space talk",
        "b break in",
        "t text",
        "m message",
        "l play",
        "r again",
        "F1 help",
        "1 2 3 4 views",
        "q quit",
    ]
    if view is not View.MAIN:
        keys = ["1 back", "space talk", "b break in", "F1 help", "t text", "q quit"]
    shown = ""
    for key in keys:
        if len(shown) + len(key) + 3 <= width:
            shown += f" {key} "
    return fitted(line((shown, Role.BAR)), width, Role.BAR)
