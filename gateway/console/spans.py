"""Lines of the screen as values: pieces of text, each with the part it plays. Pure.

Rule: what is drawn never looks at colours; a palette gives every role its style (gateway.console.palette), so that a
line reads the same in colour, in red at night, and in none.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size


class Role(enum.Enum):
    """What a piece of text is there for."""

    TEXT = "text"
    DIM = "dim"
    TITLE = "title"
    STRONG = "strong"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    ALARM = "alarm"
    """Filled: to be seen from afar."""
    BAR = "bar"
    """The first and the last line."""
    BAR_ALARM = "bar_alarm"
    CHOSEN = "chosen"
    READY = "ready"
    ON_AIR = "on_air"
    BUSY = "busy"
    CANNOT = "cannot"
    ASIDE = "aside"
    """Talking, but not on the air: a parrot, a message that is being recorded."""


@dataclass(frozen=True, slots=True)
class Span:
    """`text` in one line, as `role`."""

    text: str
    role: Role = Role.TEXT


Line = tuple[Span, ...]
EMPTY: Line = ()
_GLUE = "\x00"


def line(*parts: str | Span | tuple[str, Role]) -> Line:
    """A line of parts; bare strings are TEXT, empty ones vanish."""
    spans = (part if isinstance(part, Span) else Span(part) if isinstance(part, str) else Span(*part) for part in parts)
    return tuple(span for span in spans if span.text)


def plain(spans: Line) -> str:
    """The words alone."""
    return "".join(span.text for span in spans)


def width_of(spans: Line) -> int:
    """Cells that a line takes."""
    return sum(cell_len(span.text) for span in spans)


def fitted(spans: Line, width: int, fill: Role = Role.TEXT) -> Line:
    """Exactly `width` cells: cut, or filled up with spaces as `fill`."""
    kept, left = [], width
    for span in spans:
        size = cell_len(span.text)
        if size > left:
            kept.append(Span(set_cell_size(span.text, left), span.role))
            left = 0
            break
        kept.append(span)
        left -= size
    if left > 0:
        kept.append(Span(" " * left, fill))
    return tuple(span for span in kept if span.text)


def beside(left: Line, right: Line, width: int, fill: Role = Role.TEXT) -> Line:
    """`left` at the left and `right` at the right of `width` cells; what does not fit is cut from `left`."""
    room = max(0, width - width_of(right))
    return fitted((*fitted(left, room, fill), *right), width, fill)


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces where there are any, never before a %."""
    width, rows, row = max(1, width), [], ""
    for word in (part.replace(_GLUE, " ") for part in text.replace(" %", f"{_GLUE}%").split()):
        while cell_len(word) > width:
            if row:
                rows.append(row)
                row = ""
            head = word
            while cell_len(head) > width and len(head) > 1:
                head = head[:-1]
            rows.append(head)
            word = word[len(head) :]
        if not word:
            continue
        if row and cell_len(row) + 1 + cell_len(word) > width:
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
    return [*rows, row] if row or not rows else rows


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a terminal can show: `is_plain` is ASCII alone."""

    is_plain: bool

    @property
    def block(self) -> str:
        return "#" if self.is_plain else "█"

    @property
    def rest(self) -> str:
        return "." if self.is_plain else "·"

    @property
    def rule(self) -> str:
        return "-" if self.is_plain else "─"

    @property
    def steps(self) -> str:
        """Heights of a bar in a cell, from next to nothing to all of it."""
        return "_.:-=+*#" if self.is_plain else "▁▂▃▄▅▆▇█"

    def shown(self, text: str) -> str:
        """`text` from elsewhere, harmless in one line of this terminal."""
        if self.is_plain and not text.isascii():
            text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        return "".join(
            c if c.isprintable() and (not self.is_plain or c.isascii()) else " " if c in "\t\n" else "?" for c in text
        )


PLAIN = Glyphs(is_plain=True)
RICH = Glyphs(is_plain=False)


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that belong together; where there is no room for all, the first `least` remain. A low `order` matters."""

    order: int
    lines: tuple[Line, ...]
    least: int = 1


def stacked(sections: Iterable[Section], height: int) -> list[Line]:
    """The sections in their order on the screen, in `height` lines: the least of those that matter most, then more."""
    sections = list(sections)
    ranked = sorted(range(len(sections)), key=lambda n: sections[n].order)
    counts, left = [0] * len(sections), max(0, height)
    for n in ranked:
        counts[n] = min(sections[n].least, len(sections[n].lines), left)
        left -= counts[n]
    for n in ranked:
        if counts[n]:
            more = min(len(sections[n].lines) - counts[n], left)
            counts[n] += more
            left -= more
    return [row for n, section in enumerate(sections) for row in section.lines[: counts[n]]]
