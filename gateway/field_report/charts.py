"""The pictures of the report: curves as SVG that take the page's ink, spectrograms as PNG, each also as a PNG file.

Rule: a picture says in words what it shows (`alt`), colours are told apart on light and dark ground, and no meaning
hangs on colour alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.field_report import method
from gateway.field_report.results import OverResult, Results

INK = "#010203"
"""Stands for the page's own text colour."""
COLOURS = ("#0b7fc7", "#d1600f", "#159572", "#a567c9", "#8a7a00", "#c0478a", "#5f7f95", "#b0413e")
"""Contrast of at least 3 with white and with #14171a (WCAG 2.1, 1.4.11)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BAD = "#d23b3b"
SMOOTH_S = 30.0
"""Loss is drawn over this long at least."""
MOST_POINTS = 4000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: `name` of its file, `alt` in words, `how` it was measured; `svg` for the page or else the PNG."""

    name: str
    title: str
    alt: str
    how: str
    png: bytes
    svg: str = ""


@contextmanager
def _drawing(name: str) -> Iterator[Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": INK,
        "grid.alpha": 0.18,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "legend.frameon": False,
    }
    with mpl.rc_context(style):
        yield plt
    plt.close("all")


def _finish(plt: Any, figure: Any, name: str, title: str, alt: str, how: str) -> Picture:
    png, svg = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return Picture(name, title, alt, how, png.getvalue(), page_svg(svg.getvalue(), alt))


def page_svg(svg: str, alt: str) -> str:
    """An SVG file as a part of a page: the page's ink and font, as wide as there is room, named for screen readers."""
    import html

    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<g id="[^"]*"', "<g", svg
    )  # names repeat from picture to picture; only what is referred to keeps one
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", svg)
    head = re.match(r"<svg[^>]*>", svg)
    assert head is not None
    box = re.search(r'viewBox="[^"]*"', head[0])
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0] if box else ""}'
    )
    return f'{opening} role="img" aria-label="{html.escape(alt)}">{svg[head.end() :]}'


def colour_of(results: Results, station: str) -> str:
    """The same for a station in all pictures."""
    return COLOURS[results.stations.index(station) % len(COLOURS)] if station in results.stations else COLOURS[-1]


def _clock(axis: Any, results: Results) -> None:
    """Minutes and seconds since the beginning along the bottom."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    length = max(1.0, results.end_s - results.start_s)
    steps = [1, 2, 3, 6, 10] if length > 120 else [1, 2, 5, 10]
    axis.xaxis.set_major_locator(MaxNLocator(10, steps=steps))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda s, _: since_start(s)))
    axis.set_xlim(-0.01 * length, 1.01 * length)
    axis.set_xlabel("time since the beginning")


def _legend(axis: Any, handles: Sequence[Any] | None = None) -> None:
    """Above the curves, where it hides none."""
    axis.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=9)


def since_start(seconds: float) -> str:
    """As h:mm:ss or m:ss."""
    total = round(seconds)
    sign, total = ("-", -total) if total < 0 else ("", total)
    hours, minutes = total // 3600, total % 3600 // 60
    return sign + (f"{hours}:{minutes:02d}:{total % 60:02d}" if hours else f"{minutes}:{total % 60:02d}")


def timeline(results: Results) -> Picture | None:
    """Who talked and who heard it, when."""
    if not results.overs:
        return None
    with _drawing("timeline") as plt:
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
        _clock(axis, results)
        from matplotlib.patches import Patch

        keys = [
            Patch(facecolor=INK, alpha=0.7, label="said"),
            Patch(facecolor="none", edgecolor=INK, hatch="////", label="heard (colour of the talker)"),
            Patch(facecolor=BAD, label="heard, but guessed or waiting"),
        ]
        _legend(axis, keys)
        each = ", ".join(
            f"{name} {len({o.start_s for o in results.overs if o.talker == name and o.said_s})}" for name in rows
        )
        return _finish(
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
    with _drawing("mouth-to-ear") as plt:
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
        _legend(axis)
        _clock(axis, results)
        values = [1000 * (over.mouth_to_ear_s or 0) for over in known]
        return _finish(
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
    with _drawing("access") as plt:
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
        _legend(axis)
        values = [over.first_sound_s or 0.0 for over in known]
        return _finish(
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
    with _drawing("delivered") as plt:
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
        _legend(axis)
        return _finish(
            plt,
            figure,
            "delivered",
            "Speech delivered and words kept",
            f"Share of speech delivered: median {np.median(sure):.0f} %, lowest {sure.min():.0f} % of {len(known)} overs.",
            method.DELIVERED,
        )


def packet_loss(results: Results) -> Picture | None:
    """Loss over time, from traces; else by over as receivers counted."""
    ways = [way for way in results.ways if way.packets]
    counted = [over for over in results.overs if over.packets]
    if not ways and not counted:
        return None
    with _drawing("loss") as plt:
        figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
        words = []
        if ways:
            width = max(SMOOTH_S, (results.end_s - results.start_s) / 60)
            for index, way in enumerate(ways):
                at = np.array([one.sent_s for one in way.packets]) - results.start_s
                lost = np.array([one.is_lost for one in way.packets])
                grid = np.arange(0, results.end_s - results.start_s + width, width)
                place = np.clip(np.digitize(at, grid) - 1, 0, len(grid) - 1)
                all_, gone = np.bincount(place, minlength=len(grid)), np.bincount(place, lost, len(grid))
                has = all_ > 0
                style = {"color": COLOURS[index % len(COLOURS)], "label": way.name}
                marker = MARKERS[index % len(MARKERS)]
                axis.plot((grid + width / 2)[has], 100 * gone[has] / all_[has], f"{marker}-", markersize=5, **style)
                words.append(f"{way.name} {100 * (way.loss or 0):.1f} % of {len(way.packets)}")
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
        _legend(axis)
        _clock(axis, results)
        return _finish(plt, figure, "loss", "Packet loss", "Packet loss over time. " + "; ".join(words) + ".", how)


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
    with _drawing("snr") as plt:
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
        _legend(axis)
        _clock(axis, results)
        values = [over.snr_db for over in known if over.snr_db is not None]
        return _finish(
            plt,
            figure,
            "snr",
            "Signal-to-noise ratio",
            f"Signal-to-noise ratio of {len(known)} overs: {min(values):.1f} to {max(values):.1f} dB.",
            method.SNR_OVERS,
        )


def _dots(results: Results, column: str, scale: float, names: tuple[str, str, str], how: str) -> Picture | None:
    found = [(way, *way.column(column)) for way in results.ways]
    found = [one for one in found if len(one[1])]
    if not found:
        return None
    name, title, unit = names
    with _drawing(name) as plt:
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
        _legend(axis)
        _clock(axis, results)
        return _finish(plt, figure, name, title, f"{title} over time. " + "; ".join(words) + ".", how)


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


def spectrograms(over: OverResult, said: FloatArray, heard: FloatArray) -> Picture:
    """What was said above what was heard of it, moved by the measured lag so that both run in the time of the said."""
    shift_s = over.lag_s or 0.0
    name = f"over-{over.number:03d}-{_plain(over.talker)}-{_plain(over.listener)}"
    with _drawing(name) as plt:
        figure, axes = plt.subplots(2, 1, figsize=(10, 4.2), sharex=True, layout="constrained")
        begin = min(0.0, -shift_s)
        end = max(len(said) / SAMPLE_RATE_HZ, len(heard) / SAMPLE_RATE_HZ - shift_s, 0.1)
        for axis, pcm, from_s, label in ((axes[0], said, 0.0, "said"), (axes[1], heard, -shift_s, "heard")):
            padded = np.pad(pcm, (0, max(0, 1024 - len(pcm))))
            top = 20 * np.log10(max(1e-4, float(np.quantile(np.abs(padded), 0.99)))) - 45
            with np.errstate(divide="ignore"):  # silence is -inf dB and drawn black
                _, _, _, image = axis.specgram(
                    padded, NFFT=400, noverlap=300, Fs=SAMPLE_RATE_HZ, vmin=top - 55, vmax=top + 5, cmap="magma"
                )
            left, right, bottom, high = image.get_extent()
            image.set_extent((left + from_s, right + from_s, bottom, high))
            axis.set_facecolor("black")
            axis.set_ylim(0, 8000)
            axis.set_yticks([0, 2000, 4000, 6000, 8000], ["0", "2", "4", "6", "8"])
            axis.set_ylabel(f"{label}, kHz")
            axis.grid(visible=False)
        for runs, colour, label in (
            (over.concealed_s, "#4dd2ff", "guessed by the decoder"),
            (over.absent_s, "#ff5c5c", "the speaker waited"),
        ):
            for index, (a, b) in enumerate(runs):
                axes[1].axvspan(a - shift_s, b - shift_s, ymin=0.93, color=colour, label=label if index == 0 else None)
        if over.concealed_s or over.absent_s:
            axes[1].legend(loc="upper right", bbox_to_anchor=(1.0, 0.92), fontsize=8, labelcolor="white")
        axes[1].set_xlim(begin, end)
        axes[1].set_xlabel("s")
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=90, facecolor="white", metadata={"Software": None})
        plt.close(figure)
        bad_s = sum(b - a for a, b in [*over.concealed_s, *over.absent_s])
        gaps = f"; {bad_s:.1f} s guessed or silent, marked along its top" if bad_s else ""
        return Picture(
            name,
            over.name,
            f"Spectrograms of over {over.number} as {over.talker} said it ({over.said_s or 0:.1f} s) and as "
            f"{over.listener} heard it ({over.heard_s or 0:.1f} s){gaps}.",
            "",
            _fewer_colours(png.getvalue()),
        )


def _fewer_colours(png: bytes) -> bytes:
    """A third of the bytes, for a page with many of them."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(64).save(small, "PNG", optimize=True)
    return small.getvalue()


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "station"


CHARTS: tuple[Callable[[Results], Picture | None], ...] = (
    packet_loss,
    packet_delay,
    snr,
    mouth_to_ear,
    access,
    delivered,
)
