"""What the pictures have in common: ink and colours, the axis of time, SVG that becomes part of a page.

Rule: a picture says in words what it shows (`alt`), colours are told apart on light and dark ground, and no meaning
hangs on colour alone.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gateway.field_report.results import Results

INK = "#010203"
"""Stands for the page's own text colour."""
COLOURS = ("#0b7fc7", "#d1600f", "#159572", "#a567c9", "#8a7a00", "#c0478a", "#5f7f95", "#b0413e")
"""Contrast of at least 3 with white and with #14171a (WCAG 2.1, 1.4.11)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BAD = "#d23b3b"


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
def drawing(name: str) -> Iterator[Any]:
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


def finish(plt: Any, figure: Any, name: str, title: str, alt: str, how: str) -> Picture:
    png, svg = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return Picture(name, title, alt, how, png.getvalue(), page_svg(svg.getvalue(), alt))


def page_svg(svg: str, alt: str) -> str:
    """An SVG file as a part of a page: the page's ink and font, as wide as there is room, named for screen readers."""
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


def clock(axis: Any, results: Results) -> None:
    """Minutes and seconds since the beginning along the bottom."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    length = max(1.0, results.end_s - results.start_s)
    steps = [1, 2, 3, 6, 10] if length > 120 else [1, 2, 5, 10]
    axis.xaxis.set_major_locator(MaxNLocator(10, steps=steps))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda s, _: since_start(s)))
    axis.set_xlim(-0.01 * length, 1.01 * length)
    axis.set_xlabel("time since the beginning")


def legend(axis: Any, handles: Sequence[Any] | None = None) -> None:
    """Above the curves, where it hides none."""
    axis.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=9)


def since_start(seconds: float) -> str:
    """As h:mm:ss or m:ss."""
    total = round(seconds)
    sign, total = ("-", -total) if total < 0 else ("", total)
    hours, minutes = total // 3600, total % 3600 // 60
    return sign + (f"{hours}:{minutes:02d}:{total % 60:02d}" if hours else f"{minutes}:{total % 60:02d}")
