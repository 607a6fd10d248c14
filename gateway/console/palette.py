"""Roles to styles: a dark theme, a red one that leaves eyes used to the night, and one for terminals without colour.

Rule: plain colours that stay apart when a terminal has only sixteen; what is filled in colour is filled (reversed)
without it, and only "on the air" is filled in red by day and full bright red by night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style

from gateway.console.spans import Role


@dataclass(frozen=True, slots=True)
class Palette:
    """A style for every role; `back` and `text` for what the library draws itself (the text prompt)."""

    name: str
    styles: Mapping[Role, Style]
    back: str
    text: str


def _palette(name: str, back: str, text: str, table: Mapping[Role, str]) -> Palette:
    """`table`: foreground, or foreground on background; * before is bold."""
    styles = {}
    for role, words in table.items():
        fore, _, on = words.lstrip("*").partition(" on ")
        styles[role] = Style(color=fore, bgcolor=on or back, bold=words.startswith("*"))
    return Palette(name, styles, back, text)


DARK = _palette(
    "dark",
    "#000000",
    "#dddddd",
    {
        Role.TEXT: "#dddddd",
        Role.DIM: "#999999",
        Role.TITLE: "*#00cccc",
        Role.STRONG: "*#ffffff",
        Role.GOOD: "*#00dd00",
        Role.WARN: "*#ffff00",
        Role.BAD: "*#ff5555",
        Role.ALARM: "*#000000 on #ffff00",
        Role.BAR: "#000000 on #aaaaaa",
        Role.BAR_ALARM: "*#000000 on #ffff00",
        Role.CHOSEN: "*#000000 on #00cccc",
        Role.READY: "*#00dd00",
        Role.ON_AIR: "*#ffffff on #cc0000",
        Role.BUSY: "*#000000 on #ffff00",
        Role.CANNOT: "*#ffffff on #aa00aa",
        Role.ASIDE: "*#000000 on #00cccc",
    },
)
NIGHT = _palette(
    "night",
    "#000000",
    "#cc0000",
    {
        Role.TEXT: "#cc0000",
        Role.DIM: "#aa0000",
        Role.TITLE: "*#cc0000",
        Role.STRONG: "*#ff0000",
        Role.GOOD: "#cc0000",
        Role.WARN: "*#ff0000",
        Role.BAD: "*#ff0000",
        Role.ALARM: "*#000000 on #cc0000",
        Role.BAR: "#ff0000 on #400000",
        Role.BAR_ALARM: "*#000000 on #cc0000",
        Role.CHOSEN: "*#000000 on #cc0000",
        Role.READY: "#cc0000",
        Role.ON_AIR: "*#000000 on #ff0000",
        Role.BUSY: "*#ff0000 on #400000",
        Role.CANNOT: "*#ff0000",
        Role.ASIDE: "*#cc0000",
    },
)
_FILLED = {Role.ALARM, Role.BAR, Role.BAR_ALARM, Role.CHOSEN, Role.ON_AIR}
_BOLD = {Role.TITLE, Role.STRONG, Role.WARN, Role.BAD, Role.BUSY, Role.CANNOT, Role.ASIDE, Role.BAR_ALARM, Role.ON_AIR}
MONO = Palette(
    "mono",
    {role: Style(reverse=role in _FILLED, bold=role in _BOLD) for role in Role},
    "ansi_default",
    "ansi_default",
)
