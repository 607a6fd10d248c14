"""The report as one HTML page: no scripts, nothing from elsewhere, readable by eye, keyboard and screen reader.

Rule: every text that comes from outside is escaped; a figure that is not known is a dash, never a zero.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from gateway.field_report import method
from gateway.field_report.drawing import Picture, since_start
from gateway.field_report.exercise import Exercise
from gateway.field_report.results import (
    OverResult,
    Results,
    Spread,
    delivered_share,
    messages_delivered,
    packet_loss,
    spread,
    words_wrong,
)
from gateway.field_report.style import STYLE


def render(
    exercise: Exercise,
    results: Results,
    charts: Sequence[Picture],
    pictures: Mapping[int, Picture],
    players: Mapping[tuple[int, str], str],
    left_out: int,
) -> str:
    """The page. `pictures` by over's number, `players` the address of a sound by (number, "said" or "heard");
    `left_out` overs are in the table only."""
    timeline = [one for one in charts if one.name == "timeline"]
    others = [one for one in charts if one.name != "timeline"]
    body = [
        f"<header><h1>{escape(results.title)}</h1>{_head(exercise, results)}</header>",
        '<nav aria-label="Parts of the report">'
        '<a href="#overs">Overs</a><a href="#link">Link and delays</a><a href="#sound">Sound</a>'
        '<a href="#method">How it was measured</a><a href="#files">Notes and files</a></nav>',
        '<main id="main">',
        _tiles(results),
        _problems(results),
        '<section aria-labelledby="overs"><h2 id="overs">Overs</h2>',
        *(_figure(one) for one in timeline),
        _table(results),
        "</section>",
        '<section aria-labelledby="link"><h2 id="link">Link and delays</h2>',
        *(_figure(one) for one in others),
        _missing(results, charts),
        "</section>",
        '<section aria-labelledby="sound"><h2 id="sound">Sound, over by over</h2>',
        _left_out(left_out),
        *(
            _over(over, pictures.get(over.number), players, results)
            for over in results.overs
            if over.number in pictures
        ),
        *(
            _over(over, None, players, results)
            for over in results.overs
            if over.number not in pictures and any((over.number, side) in players for side in ("said", "heard"))
        ),
        "</section>",
        _method(results),
        _files(exercise, results),
        "</main>",
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(results.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
        f'<style>{STYLE}</style></head><body><a class="skip" href="#main">To the results</a>'
        + "\n".join(part for part in body if part)
        + "</body></html>\n"
    )


def moment(seconds: float) -> str:
    """A time of the calendar, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _head(exercise: Exercise, results: Results) -> str:
    about = exercise.about
    length = since_start(results.end_s - results.start_s)
    when = f"{moment(results.start_s)}, {length} long" if results.end_s > results.start_s else ""
    line = " · ".join(filter(None, (about.place, when, "stations: " + ", ".join(results.stations))))
    notes = "".join(f"<p>{escape(part)}</p>" for part in about.notes.split("\n\n") if part.strip())
    stations = []
    for name, about_it in about.stations.items():
        if about_it.note or about_it.title:
            own = f" ({escape(name)})" if about_it.title else ""
            stations.append(f"<li><b>{escape(about_it.title or name)}</b>{own}: {escape(about_it.note)}</li>")
    return f'<p class="soft">{escape(line)}</p>{notes}' + (f"<ul>{''.join(stations)}</ul>" if stations else "")


def _tiles(results: Results) -> str:
    overs = results.overs
    words, share, messages, loss = (
        words_wrong(overs),
        delivered_share(overs),
        messages_delivered(overs),
        packet_loss(overs),
    )
    ear = spread([over.mouth_to_ear_s for over in overs])
    access = spread([over.first_sound_s for over in overs])
    said = {(over.talker, over.start_s) for over in overs if over.said_path is not None}
    heard = sum(over.heard_path is not None for over in overs)
    total = sum(map(len, results.ways))
    tiles = [
        ("Overs", f"{len(said)} said", f"{heard} recordings of what was heard"),
        ("Speech delivered", _percent(share), "of the seconds in which somebody spoke"),
        (
            "Words kept",
            "–" if words is None else _percent(1 - words[0] / words[1]),
            results.no_scores
            if words is None
            else f"{words[1] - words[0]} of {words[1]}, Whisper {results.recogniser}",
        ),
        (
            "Messages delivered",
            "–" if messages is None else f"{messages[0]} of {messages[2]}",
            "every word recognised" + (f"; {messages[1]} with at least 80 % of them" if messages is not None else ""),
        ),
        ("Mouth-to-ear delay", _ms(ear), _range(ear, 1000, "ms")),
        (
            "Access time",
            "–" if access is None else f"{access.median:.2f} s",
            "key to first sound; " + _range(access, 1, "s"),
        ),
    ]
    if total:
        lost = sum(way.n_lost for way in results.ways)
        tiles.append(("Packets lost", _percent(lost / total), f"{lost} of {total}, by the traces"))
    else:
        tiles.append(
            (
                "Packets lost",
                "–" if loss is None else _percent(loss[0] / loss[1]),
                "not known" if loss is None else f"{loss[0]} of {loss[1]}, as receivers counted",
            )
        )
    cells = "".join(
        f'<div><dt>{escape(name)}</dt><dd class="value">{escape(value)}</dd><dd class="more">{escape(more)}</dd></div>'
        for name, value, more in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _problems(results: Results) -> str:
    found = list(dict.fromkeys(results.problems))
    if not found:
        return ""
    return (
        '<section class="note" aria-label="Problems"><b>What could not be used</b><ul>'
        + "".join(f"<li>{escape(line)}</li>" for line in found)
        + "</ul></section>"
    )


def _table(results: Results) -> str:
    if not results.overs:
        return "<p>No recordings of overs.</p>"
    heads: tuple[tuple[str, str], ...] = (
        ("Over", ""),
        ("Talker", "l"),
        ("Listener", "l"),
        ("At", ""),
        ("Length s", ""),
        ("Delivered %", ""),
        ("Guessed %", ""),
        ("Waited s", ""),
        ("Packets lost", ""),
        ("Mouth to ear ms", ""),
        ("First sound s", ""),
        ("First speech s", ""),
        ("Words wrong", ""),
        ("STOI", ""),
    )
    if any(over.why for over in results.overs):
        heads += (("Remarks", "l"),)
    caption = (
        "Each over as each listener heard it. Waited: silences in which the speaker had nothing to play yet. First "
        "sound, first speech: heard this long after the key went down."
    )
    return _wide("Table of overs", caption, heads, "".join(_row(over, results) for over in results.overs))


def _wide(label: str, caption: str, heads: Sequence[tuple[str, str]], rows: str) -> str:
    """A table that scrolls by itself where the screen is narrow; `heads` are names and classes of its columns."""
    head = "".join(f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in heads)
    said = f'<p class="soft">{escape(caption)}</p>' if caption else ""
    return (
        f'{said}<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _row(over: OverResult, results: Results) -> str:
    part, score = over.delivered, over.score
    lost = None if over.packets is None else (over.packets_lost or 0) + (over.packets_late or 0)
    cells = [
        (
            f'<a href="#over-{over.number}">{over.number}</a>'
            if over.said_path or over.heard_path
            else str(over.number),
            "",
        ),
        (escape(over.talker), "l"),
        (escape(over.listener or "–"), "l"),
        (since_start(over.start_s - results.start_s), ""),
        (_number(over.said_s if over.said_s is not None else over.heard_s, 1), ""),
        ("–" if part is None else f"{100 * part.delivered:.0f}", ""),
        ("–" if part is None or not over.is_by_frames else f"{100 * part.concealed:.0f}", ""),
        (_number(over.paused_s, 1), ""),
        ("–" if lost is None else f"{lost} of {over.packets}", ""),
        ("–" if over.mouth_to_ear_s is None else f"{1000 * over.mouth_to_ear_s:.0f}", ""),
        (_number(over.first_sound_s, 2), ""),
        (_number(over.first_speech_s, 2), ""),
        ("–" if score is None else f"{score.wrong} of {score.words}", ""),
        (_number(None if score is None else score.stoi, 2), ""),
    ]
    if any(one.why for one in results.overs):
        cells.append((escape("; ".join(over.why)), "l w"))
    return "<tr>" + "".join(f'<td class="{kind}">{text}</td>' for text, kind in cells) + "</tr>"


def _over(over: OverResult, picture: Picture | None, players: Mapping[tuple[int, str], str], results: Results) -> str:
    sides = []
    for side, who, length in (("said", over.talker, over.said_s), ("heard", over.listener, over.heard_s)):
        address = players.get((over.number, side))
        if address is None:
            continue
        score = over.score
        text = "" if score is None else score.said_text if side == "said" else score.heard_text
        words = f"<blockquote>{escape(text) or '<i>nothing recognised</i>'}</blockquote>" if score is not None else ""
        label = f"Over {over.number} as {who} {side} it, {length or 0:.1f} seconds"
        sides.append(
            f"<div><p><b>{side}</b> by {escape(who)}, {length or 0:.1f} s</p>"
            f'<audio controls preload="metadata" src="{escape(address)}" aria-label="{escape(label)}"></audio>'
            f"{words}</div>"
        )
    transcript = ""
    if over.score is not None and over.score.has_transcript:
        before = f", {over.score.lost_before} of them already in what was said" if over.score.lost_before else ""
        transcript = (
            f"<p>Transcript: {escape(over.score.reference)} <span class=soft>({over.score.wrong} of {over.score.words} "
            f"words wrong as heard{before})</span></p>"
        )
    why = f'<p class="soft">{escape("; ".join(over.why))}.</p>' if over.why else ""
    shown = "" if picture is None else _image(picture)
    return (
        f'<div class="over"><h3 id="over-{over.number}">{escape(over.name)}, '
        f"at {since_start(over.start_s - results.start_s)}</h3>{transcript}"
        f'<div class="players">{"".join(sides)}</div>{shown}{why}</div>'
    )


def _figure(picture: Picture) -> str:
    return (
        f'<figure><h3>{escape(picture.title)}</h3><div class="wide">{picture.svg}</div>'
        f"<figcaption><details><summary>How this was measured"
        f"</summary>{escape(picture.how)}</details></figcaption></figure>"
    )


def _image(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    return (
        f'<figure><img loading="lazy" alt="{escape(picture.alt)}" src="data:image/png;base64,{data}">'
        "<figcaption>Spectrograms: what was said above, below what was heard, moved by the measured delay.</figcaption>"
        "</figure>"
    )


def _missing(results: Results, charts: Sequence[Picture]) -> str:
    """What there is no picture of, and what would bring it."""
    names = {one.name for one in charts}
    wanted = {
        "loss": "Packet loss: needs recordings of what was heard, or traces.",
        "delay": "Packet delay: needs traces of both sides or of the channel between them.",
        "snr": "Signal-to-noise ratio: no modem told any.",
        "mouth-to-ear": "Mouth-to-ear delay: needs recordings of both sides.",
        "access-time": "Access time: needs recordings of both sides.",
        "delivered": "Speech delivered: needs recordings of both sides.",
    }
    lines = [text for name, text in wanted.items() if name not in names]
    return f'<p class="soft">Not shown. {escape(" ".join(lines))}</p>' if lines else ""


def _left_out(count: int) -> str:
    if not count:
        return ""
    rest = f"{count} others are in the table only (--overs shows more)"
    return f'<p class="soft">The overs that lost most are shown; {rest}.</p>'


def _method(results: Results) -> str:
    parts = (
        ("Clocks", results.clock_source.value[0].upper() + results.clock_source.value[1:] + "."),
        ("Mouth-to-ear delay", method.MOUTH_TO_EAR),
        ("Access time", method.ACCESS),
        ("Speech delivered", method.DELIVERED),
        ("Words", method.WORDS),
        ("Messages delivered", method.MESSAGES),
        ("Sums", "Medians and ranges are over overs; shares of speech and words are sums over all overs."),
    )
    listed = "".join(f"<dt><b>{escape(name)}</b></dt><dd>{escape(text)}</dd>" for name, text in parts)
    references = "".join(
        f'<li><b>{escape(name)}</b>: {escape(title)}. <a href="{escape(address)}">{escape(address)}</a></li>'
        for name, title, address in method.REFERENCES
    )
    return (
        '<section aria-labelledby="method"><h2 id="method">How it was measured</h2>'
        f"<dl>{listed}</dl><h3>Sources</h3><ul>{references}</ul></section>"
    )


def _files(exercise: Exercise, results: Results) -> str:
    remarks = "".join(
        f'<tr><td>{since_start(at - results.start_s)}</td><td class="l">{escape(station or "–")}</td>'
        f'<td class="l w">{escape(text)}</td></tr>'
        for at, station, text in results.remarks
    )
    heads = (("At", ""), ("Station", "l"), ("What", "l"))
    count = len(results.remarks)
    table = (
        f"<details><summary>What was noted and what the stations told their operators ({count})</summary>"
        f"{_wide('Notes', '', heads, remarks)}</details>"
        if remarks
        else "<p>No notes.</p>"
    )
    used = _list(
        [f"{exercise.relative(path)}" for path in exercise.traces]
        + [
            f"{exercise.relative(path)}"
            for over in results.overs
            for path in (over.said_path, over.heard_path)
            if path is not None
        ]
    )
    logs = "".join(
        f'<details><summary>{escape(exercise.relative(path))}</summary><pre tabindex="0">{escape(text)}</pre></details>'
        for path, text in exercise.logs
    )
    return (
        f'<section aria-labelledby="files"><h2 id="files">Notes and files</h2>{table}'
        f"<details><summary>Recordings and traces used</summary>{used}</details>{logs}</section>"
    )


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines)) + "</ul>"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"


def _ms(found: Spread | None) -> str:
    return "–" if found is None else f"{1000 * found.median:.0f} ms"


def _range(found: Spread | None, scale: float, unit: str) -> str:
    if found is None:
        return "not known"
    places = 0 if unit == "ms" else 2
    return f"median of {found.count}; {scale * found.low:.{places}f} to {scale * found.high:.{places}f} {unit}"


def _number(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:.{places}f}"
