"""The text line: for whom, and what. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.control.requests import MAX_TEXT_CHARACTERS, SendText, clean_text
from gateway.errors import RequestError

EVERYBODY = "all"
"""The name that stands for the own group."""
Directory = Sequence[tuple[int, str]]


def text_request(typed: str, chosen: int | None, names: Directory) -> SendText | None:
    """What a typed line asks for; None: it holds nothing to send. `chosen` is for whom unless it begins with `@name `.

    Raises RequestError where the name means nobody or several, or the text is too long.
    """
    text, to = typed.strip(), chosen
    if text.startswith("@"):
        name, _, text = text[1:].partition(" ")
        to = station_called(name, names)
    text = clean_text(text)
    if len(text) > MAX_TEXT_CHARACTERS:
        raise RequestError(f"too long: {len(text)} characters; {MAX_TEXT_CHARACTERS} can be sent")
    return SendText(text, to) if text else None


def station_called(name: str, names: Directory) -> int | None:
    """The id of the station that `name` (whole, or a beginning that only one has) means; None: the group."""
    wanted = name.casefold()
    if wanted == EVERYBODY:
        return None
    exact = [number for number, known in names if known.casefold() == wanted]
    begun = exact or [number for number, known in names if wanted and known.casefold().startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise RequestError(f"@{name} may mean {len(begun)} stations; type more of the name")
    known_names = ", ".join(known for _, known in names) or "nobody yet"
    raise RequestError(f"nobody is called {name or '@'}; known: {known_names}, {EVERYBODY}")


def next_addressee(chosen: int | None, names: Directory, step: int = 1) -> int | None:
    """Tab: the group, then everybody in the directory, and round again."""
    ring = [None, *(number for number, _ in names)]
    return ring[(ring.index(chosen) + step) % len(ring)] if chosen in ring else None


def addressee_name(chosen: int | None, names: Directory) -> str:
    """For whom, in words."""
    return "group" if chosen is None else dict(names).get(chosen, f"station {chosen}")
