"""What matters most, decided in one place: may I talk, am I on the air, who talks, why not, how long. Pure.

Rule: everything is said in words; size and colour only repeat it. On the air is never shown for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.console.bigtext import ROWS, big, big_width
from gateway.console.format import duration
from gateway.console.spans import Glyphs, Line, Role, Span, fitted, line
from gateway.control.snapshot import Snapshot

WARNING_S = 15.0
"""Before the time-out; the station beeps then, too."""
HEIGHT = ROWS + 2
REFUSALS = {
    "busy": "the channel is busy",
    "not_free": "the channel did not get free in time",
    "locked_out": "let the key go first",
    "no_link": "no link",
}


@dataclass(frozen=True, slots=True)
class Banner:
    """`word` and `figure` are big, `label` stands above and `detail` below them."""

    role: Role
    label: str
    word: str
    detail: str
    figure: str = ""


def banner_of(shot: Snapshot, *, refused_now: bool = False, silent_s: float | None = None) -> Banner:
    """`refused_now`: the last press was refused moments ago. `silent_s`: the station has published nothing so long."""
    if silent_s is not None:
        return Banner(
            Role.CANNOT,
            "THE STATION DOES NOT ANSWER",
            "NO STATION",
            f"nothing from it for {silent_s:.0f} s; what is below is old",
        )
    mode = shot.ptt.mode
    if mode in ("talking", "tail"):
        return _talking(shot)
    if mode == "keying":
        return Banner(
            Role.BUSY, "TRANSMITTER COMES UP: do not talk yet", "NOT YET", "talk when it says ON AIR - space drops it"
        )
    if mode == "locked_out":
        return _locked_out(shot)
    if mode == "busy_lockout":
        why = f"{shot.talker.name} is talking" if shot.talker else refusal_words(shot.ptt.refusal)
        return Banner(Role.CANNOT, f"REFUSED: {why}", "BUSY", "let the key go (space) and press again; b breaks in")
    if mode == "waiting":
        return _waiting(shot)
    if shot.talker is not None or mode == "receiving":
        return _hearing(shot, refused_now=refused_now)
    return _idle(shot, refused_now=refused_now)


def refusal_words(refusal: str | None) -> str:
    """Why a press was not obeyed."""
    return REFUSALS.get(refusal or "", refusal or "")


def _talking(shot: Snapshot) -> Banner:
    ptt = shot.ptt
    since = f"since {duration(ptt.mode_s)}"
    left = "" if ptt.time_left_s is None else duration(ptt.time_left_s)
    if ptt.is_parrot:
        return Banner(
            Role.ASIDE, "NOT ON THE AIR: what you say comes back to you", "PARROT", f"{since} - space ends", left
        )
    if ptt.is_recording or ptt.talks_buffered:
        return _recording(shot, left)
    if ptt.mode == "tail":
        return Banner(Role.ON_AIR, "STILL ON THE AIR: the last word goes out", "ON AIR", "key is up", left)
    near = ptt.time_left_s is not None and ptt.time_left_s <= WARNING_S
    others = f" - {shot.talker.name} talks too" if shot.talker else ""
    held = ", ".join(holder for holder in ptt.held_by if holder != "keyboard")
    return Banner(
        Role.ON_AIR,
        "TIME IS NEARLY UP: come to an end" if near else "YOU ARE ON THE AIR" + (f" (key: {held})" if held else ""),
        "ON AIR",
        f"{since} - {left + ' left - ' if left else ''}space ends{others}",
        left,
    )


def _recording(shot: Snapshot, left: str) -> Banner:
    ends = "space" if shot.ptt.talks_buffered else "m"
    # Recorded beside an idle session it has no time of its own.
    since = f"since {duration(shot.ptt.mode_s)} - " if shot.ptt.mode == "talking" else ""
    return Banner(
        Role.ASIDE, "RECORDING A MESSAGE: not on the air yet", "REC", f"{since}{ends} ends and sends it", left
    )


def _waiting(shot: Snapshot) -> Banner:
    until = f"when {shot.talker.name} ends" if shot.talker else "when the channel is free"
    label = f"YOUR TURN COMES {until}: key is down"
    return Banner(Role.BUSY, label, "WAIT", "you are told by a tone - space drops it", duration(shot.ptt.mode_s))


def _locked_out(shot: Snapshot) -> Banner:
    why = refusal_words(shot.ptt.refusal)
    label = "NOT ON THE AIR: time was up, or link or transmitter went off"
    return Banner(Role.CANNOT, label, "LOCKED", f"let the key go (space) to talk again{' - ' + why if why else ''}")


def _hearing(shot: Snapshot, *, refused_now: bool) -> Banner:
    name = shot.talker.name if shot.talker else "somebody"
    for_s = duration(shot.talker.talking_s if shot.talker else shot.ptt.mode_s)
    if refused_now:
        why = f"{name} is talking" if shot.ptt.refusal == "busy" else refusal_words(shot.ptt.refusal)
        return Banner(Role.CANNOT, f"REFUSED: {why}", "BUSY", f"{name} for {for_s} - wait, or b breaks in", for_s)
    if shot.ptt.waits_for_floor:
        return _waiting(shot)
    word = "SOMEBODY" if shot.talker is None or shot.talker.source is None else name
    group = "" if shot.talker is None or shot.talker.group is None else f" to group {shot.talker.group}"
    may = "you may talk too" if shot.ptt.is_full_duplex else "wait, or b breaks in"
    return Banner(Role.BUSY, f"HEARD NOW: {name}{group}", word, f"for {for_s} - {may}", for_s)


def _idle(shot: Snapshot, *, refused_now: bool) -> Banner:
    ptt, link = shot.ptt, shot.link
    if refused_now:
        return Banner(Role.CANNOT, f"REFUSED: {refusal_words(ptt.refusal)}", "REFUSED", "not on the air; press again")
    if ptt.is_recording:
        return _recording(shot, "")
    if ptt.waits_for_floor:
        return _waiting(shot)
    if ptt.is_parrot:
        return Banner(
            Role.ASIDE, "PARROT: what you say comes back, nothing is sent", "PARROT", "space talks, p ends parrot"
        )
    if not link.is_up or link.outage:
        why = link.outage or "it carries nothing"
        return Banner(Role.CANNOT, f"YOU CANNOT TALK: {why}", "NO LINK", "texts and messages wait for the link")
    if shot.keying is not None and shot.keying.problem:
        return Banner(Role.CANNOT, f"YOU CANNOT TALK: {shot.keying.problem}", "NO TX", "the transmitter's key")
    if link.fit == "no":
        return Banner(Role.CANNOT, f"NO VOICE ON THIS LINK: {link.reason}", "NO VOICE", "t sends a text")
    if shot.audio.input.state == "missing":
        return Banner(
            Role.CANNOT,
            f"NOBODY WOULD HEAR YOU: {shot.audio.input.text or 'no microphone'}",
            "NO MIC",
            "4 shows devices",
        )
    if ptt.talks_buffered:
        return Banner(
            Role.READY, "THE KEY RECORDS A MESSAGE: no live voice here", "READY", "space records, space ends and sends"
        )
    return Banner(Role.READY, "YOU MAY TALK: the channel is free", "READY", "space talks, space again ends")


def banner_lines(banner: Banner, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Drawn in `height` lines: 7 and more with big letters, fewer in words alone."""
    role, inner = banner.role, max(0, width - 2)
    label, detail = (glyphs.shown(text) for text in (banner.label, banner.detail))
    if height < HEIGHT:
        word = " ".join(part for part in (glyphs.shown(banner.word).upper(), banner.figure) if part)
        rows = [f" {label}", f" {word}", f" {detail}"] if height >= 3 else [f" {word}  {label}", f" {detail}"]
        rows += [""] * (height - len(rows))
        return [fitted(line((row, role)), width, role) for row in rows[: max(0, height)]]
    body = [fitted(row, width, role) for row in _big_rows(banner, inner, glyphs)]
    lines = [line((f" {label}", role)), *body, line((f" {detail}", role))]
    return [fitted(row, width, role) for row in lines]


def _big_rows(banner: Banner, width: int, glyphs: Glyphs) -> list[Line]:
    role = banner.role
    word_width, figure_width = big_width(banner.word), big_width(banner.figure)
    if word_width is None or not banner.word.strip():
        # Letters that have no big shape: as large as a terminal can, in the middle.
        middle = glyphs.shown(banner.word)
        return [line((f" >>> {middle} <<< {banner.figure}", role)) if n == ROWS // 2 else () for n in range(ROWS)]
    figure = banner.figure if figure_width and word_width + 3 + figure_width <= width else ""
    word = banner.word
    while word and (big_width(word) or 0) > width:
        word = word[:-1]
    left = big(word, glyphs.block)
    right = big(figure, glyphs.block) if figure else [""] * ROWS
    gap = width - len(left[0]) - len(right[0])
    return [(Span(f" {a}{' ' * gap}{b} ", role),) for a, b in zip(left, right, strict=True)]
