"""The curves of the report: overs, loss, delays, SNR, what was delivered. None where there is nothing to draw.

Rule: as for all pictures (`drawing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gateway.field_report import method
from gateway.field_report.drawing import BAD, COLOURS, INK, MARKERS, Picture, clock, drawing, finish, legend
from gateway.field_report.results import OverResult, Results

SMOOTH_S = 10.0
"""Loss is drawn over this long at least."""
MOST_POINTS = 4000


def colour_of(results: Results, station: str) -> str:
    """The same for a station in all pictures."""
    return COLOURS[results.stations.index(station) % len(COLOURS)] if station in results.stations else COLOURS[-1]


def timeline(results: Results) -> Picture | None:
    """Who talked and who heard it, when."""
    if not results.overs:
        return None
    with drawing("timeline") as plt:
        figure, axis = plt.subplots(figsize=(10, 1.1 + 0.85 * len(results.stations)), layout="constrained")
        rows = {name: len(results.stations) - 1 - index for index, name in enumerate(results.stations)}
        said_once = set()
        for over in results.overs:
            begin = over.start_s - results.start_s
            if over.said_s is not None and (over.talker, over.start_s) not in said_once:
                said_once.add((over.talker, over.start_s))
                axis.broken_barh(
                    [(begin, over.said_s)], (rows[over.talker], 0.36), facecolor=colour_of(results, over.talker)
                )
                axis.text(begin, rows[over.talker] + 0.39, str(over.number), fontsize=8, va="bottom")
            if over.heard_start_s is not None and over.heard_s is not None:
                heard = over.heard_start_s - results.start_s
                row = rows[over.listener] - 0.38
                axis.broken_barh(
                    [(heard, over.heard_s)],
                    (row, 0.3),
                    facecolor="none",
                    edgecolor=colour_of(results, over.talker),
                    hatch="////",
                    linewidth=1.2,
                )
                for a, b in [*over.concealed_s, *over.absent_s]:
                    axis.broken_barh([(heard + a, b - a)], (row, 0.3), facecolor=BAD)
        for name in rows:
            axis.axhline(rows[name] - 0.5, color=INK, alpha=0.15, linewidth=0.8)
        axis.set_yticks(list(rows.values()), list(rows))
        axis.set_ylim(-0.55, len(rows) - 0.3)
        axis.grid(visible=False, axis="y")
        clock(axis, results)
        from matplotlib.patches import Patch

        keys = [
            Patch(facecolor=INK, alpha=0.7, label="said"),
            Patch(facecolor="none", edgecolor=INK, hatch="////", label="heard (colour of the talker)"),
            Patch(facecolor=BAD, label="heard, but guessed or waiting"),
        ]
        legend(axis, keys)
        each = ", ".join(
            f"{name} {len({o.start_s for o in results.overs if o.talker == name and o.said_s})}" for name in rows
        )
        return finish(
            plt,
            figure,
            "timeline",
            "Timeline",
            f"Timeline of overs by station. Overs said: {each}. The table of overs below has the same in figures.",
            method.TIMELINE,
        )


def mouth_to_ear(results: Results) -> Picture | None:
    """Delay of speech over time, by direction."""
    known = [over for over in results.overs if over.mouth_to_ear_s is not None]
    if not known:
        return None
    with drawing("mouth-to-ear") as plt:
        figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
        for index, way in enumerate(_ways(known)):
            chosen = [over for over in known if (over.talker, over.listener) == way]
            colour = COLOURS[index % len(COLOURS)]
            for over in chosen:
                if over.over_time:
                    at, delay = np.array(over.over_time).T
                    axis.plot(at - results.start_s, 1000 * delay, color=colour, linewidth=1.5, alpha=0.8)
            axis.plot(
                [over.start_s + (over.said_s or 0) / 2 - results.start_s for over in chosen],
                [1000 * (over.mouth_to_ear_s or 0) for over in chosen],
                MARKERS[index % len(MARKERS)],
                color=colour,
                label=" to ".join(way),
            )
        axis.set_ylabel("ms")
        axis.set_ylim(0, 1.15 * max(1000 * (over.mouth_to_ear_s or 0) for over in known))
        legend(axis)
        clock(axis, results)
        values = [1000 * (over.mouth_to_ear_s or 0) for over in known]
        return finish(
            plt,
            figure,
            "mouth-to-ear",
            "Mouth-to-ear delay",
            f"Mouth-to-ear delay of {len(known)} overs: median {np.median(values):.0f} ms, "
            f"from {min(values):.0f} to {max(values):.0f} ms.",
            method.MOUTH_TO_EAR,
        )


def access(results: Results) -> Picture | None:
    """Key to first sound and to first speech, by over."""
    known = [over for over in results.overs if over.first_sound_s is not None]
    if not known:
        return None
    with drawing("access") as plt:
        figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
        places = np.arange(len(known))
        axis.plot(places, [over.first_sound_s for over in known], "o", color=COLOURS[0], label="key to first sound")
        axis.plot(
            places,
            [np.nan if over.first_speech_s is None else over.first_speech_s for over in known],
            "s",
            color=COLOURS[1],
            label="key to first speech heard",
        )
        axis.plot(
            places,
            [np.nan if over.pause_s is None else over.pause_s for over in known],
            "_",
            markersize=11,
            markeredgewidth=2,
            color=INK,
            alpha=0.6,
            label="key to first speech said",
        )
        _over_ticks(axis, known)
        axis.set_ylabel("s")
        axis.set_ylim(bottom=0)
        legend(axis)
        values = [over.first_sound_s or 0.0 for over in known]
        return finish(
            plt,
            figure,
            "access-time",
            "Access time",
            f"Time from the key to the first sound of {len(known)} overs: median {np.median(values):.2f} s, "
            f"at most {max(values):.2f} s.",
            method.ACCESS,
        )


def delivered(results: Results) -> Picture | None:
    """Share of speech delivered and of words kept, by over."""
    known = [over for over in results.overs if over.delivered is not None]
    if not known:
        return None
    with drawing("delivered") as plt:
        figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
        places = np.arange(len(known))
        parts = [over.delivered for over in known if over.delivered is not None]
        sure = np.array([100 * part.delivered for part in parts])
        guessed = np.array([100 * part.concealed for part in parts])
        axis.bar(places, sure, 0.6, color=COLOURS[2], label="delivered")
        some = guessed > 0
        label = "guessed by the decoder" if some.any() else None
        axis.bar(places[some], guessed[some], 0.6, sure[some], color="none", edgecolor=BAD, hatch="xxx", label=label)
        if any(over.score is not None and over.score.words for over in known):
            axis.plot(
                places,
                [
                    np.nan if over.score is None or over.score.word_error is None else 100 * (1 - over.score.word_error)
                    for over in known
                ],
                "D",
                color=INK,
                label=f"words kept (Whisper {results.recogniser})",
            )
        _over_ticks(axis, known)
        axis.set_ylabel("%")
        axis.set_ylim(0, 105)
        legend(axis)
        return finish(
            plt,
            figure,
            "delivered",
            "Speech delivered and words kept",
            f"Share of speech delivered in {len(known)} overs: median {np.median(sure):.0f} %, "
            f"lowest {sure.min():.0f} %.",
            method.DELIVERED,
        )


def packet_loss(results: Results) -> Picture | None:
    """Loss over time, from traces; else by over as receivers counted."""
    ways = results.ways
    counted = [over for over in results.overs if over.packets]
    if not ways and not counted:
        return None
    with drawing("loss") as plt:
        figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
        words = []
        if ways:
            width = max(SMOOTH_S, (results.end_s - results.start_s) / 60)
            for index, way in enumerate(ways):
                at = way.sent_s - results.start_s
                grid = np.arange(0, results.end_s - results.start_s + width, width)
                place = np.clip(np.digitize(at, grid) - 1, 0, len(grid) - 1)
                all_, gone = np.bincount(place, minlength=len(grid)), np.bincount(place, way.is_lost, len(grid))
                has = all_ > 0
                style = {"color": COLOURS[index % len(COLOURS)], "label": way.name}
                marker = MARKERS[index % len(MARKERS)]
                axis.plot((grid + width / 2)[has], 100 * gone[has] / all_[has], f"{marker}-", markersize=5, **style)
                words.append(f"{way.name} {100 * way.n_lost / len(way):.1f} % of {len(way)}")
            how = (
                f"From the traces, in steps of {width:.0f} s: "
                + "; ".join(f"{way.name}: {way.how}" for way in ways)
                + "."
            )
        else:
            for index, pair in enumerate(_ways(counted)):
                chosen = [over for over in counted if (over.talker, over.listener) == pair]
                lost_ = [(over.packets_lost or 0) + (over.packets_late or 0) for over in chosen]
                axis.plot(
                    [over.start_s - results.start_s for over in chosen],
                    [100 * gone / (over.packets or 1) for gone, over in zip(lost_, chosen, strict=True)],
                    MARKERS[index % len(MARKERS)],
                    color=COLOURS[index % len(COLOURS)],
                    label=" to ".join(pair),
                )
                words.append(f"{' to '.join(pair)} {sum(lost_)} of {sum(over.packets or 0 for over in chosen)} packets")
            how = method.LOSS_COUNTED
        axis.set_ylabel("% of packets lost")
        axis.set_ylim(bottom=-1)
        legend(axis)
        clock(axis, results)
        return finish(plt, figure, "loss", "Packet loss", "Packet loss over time. " + "; ".join(words) + ".", how)


def packet_delay(results: Results) -> Picture | None:
    """One-way delay of packets, from traces."""
    return _dots(
        results,
        "delay_s",
        1000.0,
        ("delay", "Packet delay", "ms"),
        method.PACKET_DELAY,
    )


def snr(results: Results) -> Picture | None:
    """SNR of packets, from traces; else the mean of each over."""
    picture = _dots(
        results,
        "snr_db",
        1.0,
        ("snr", "Signal-to-noise ratio", "dB"),
        method.SNR_PACKETS,
    )
    known = [over for over in results.overs if over.snr_db is not None]
    if picture is not None or not known:
        return picture
    with drawing("snr") as plt:
        figure, axis = plt.subplots(figsize=(10, 3), layout="constrained")
        for index, way in enumerate(_ways(known)):
            chosen = [over for over in known if (over.talker, over.listener) == way]
            axis.plot(
                [over.start_s - results.start_s for over in chosen],
                [over.snr_db for over in chosen],
                MARKERS[index % len(MARKERS)],
                color=COLOURS[index % len(COLOURS)],
                label=" to ".join(way),
            )
        axis.set_ylabel("dB")
        legend(axis)
        clock(axis, results)
        values = [over.snr_db for over in known if over.snr_db is not None]
        return finish(
            plt,
            figure,
            "snr",
            "Signal-to-noise ratio",
            f"Signal-to-noise ratio of {len(known)} overs: {min(values):.1f} to {max(values):.1f} dB.",
            method.SNR_OVERS,
        )


def _dots(results: Results, column: str, scale: float, names: tuple[str, str, str], how: str) -> Picture | None:
    found = []
    for way in results.ways:
        values = np.asarray(getattr(way, column))
        known = ~np.isnan(values)
        if known.any():
            found.append((way, way.sent_s[known], values[known]))
    if not found:
        return None
    name, title, unit = names
    with drawing(name) as plt:
        figure, axis = plt.subplots(figsize=(10, 3), layout="constrained")
        words = []
        for index, (way, at, values) in enumerate(found):
            step = max(1, len(at) // MOST_POINTS)
            axis.plot(
                at[::step] - results.start_s,
                scale * values[::step],
                MARKERS[index % len(MARKERS)],
                markersize=3.5,
                alpha=0.7,
                color=COLOURS[index % len(COLOURS)],
                label=way.name,
            )
            low, middle, high = np.percentile(scale * values, [5, 50, 95])
            words.append(f"{way.name} median {middle:.1f} {unit} (5 to 95 %: {low:.1f} to {high:.1f})")
        axis.set_ylabel(unit)
        legend(axis)
        clock(axis, results)
        return finish(plt, figure, name, title, f"{title} over time. " + "; ".join(words) + ".", how)


def _ways(overs: Sequence[OverResult]) -> list[tuple[str, str]]:
    return sorted({(over.talker, over.listener) for over in overs})


def _over_ticks(axis: Any, overs: Sequence[OverResult]) -> None:
    from matplotlib.ticker import MaxNLocator

    if len(overs) <= 16:
        labels = [f"{over.number}\n{over.talker[:9]}\nto {over.listener[:9]}" for over in overs]
        axis.set_xticks(range(len(overs)), labels, fontsize=8)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(16, integer=True))
        axis.xaxis.set_major_formatter(
            lambda place, _: str(overs[int(place)].number) if 0 <= place < len(overs) else ""
        )
        axis.set_xlabel("over")
    axis.grid(visible=False, axis="x")


CHARTS: tuple[Callable[[Results], Picture | None], ...] = (
    packet_loss,
    packet_delay,
    snr,
    mouth_to_ear,
    access,
    delivered,
)
