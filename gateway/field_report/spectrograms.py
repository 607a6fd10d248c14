"""What was said above what was heard of it, as a picture of frequencies over time."""

from __future__ import annotations

import io
import re

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.field_report.drawing import Picture, drawing
from gateway.field_report.results import OverResult


def spectrograms(over: OverResult, said: FloatArray, heard: FloatArray) -> Picture:
    """What was said above what was heard of it, moved by the measured lag so that both run in the time of the said."""
    shift_s = over.lag_s or 0.0
    name = f"over-{over.number:03d}-{_plain(over.talker)}-{_plain(over.listener)}"
    with drawing(name) as plt:
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
