"""Pictures for people: spectrograms of what went in and what came out; an axis that becomes a PNG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.codec.spec import FRAME_SAMPLES, SAMPLE_RATE


def plot_in_and_out(
    path: Path, sent: NDArray[np.float32], heard: NDArray[np.float32], concealed: list[int], title: str
) -> None:
    """Write a PNG: spectrogram of `sent` over that of `heard`, both (samples,); `concealed` frames are marked."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(11, 6), sharex=True, layout="constrained")
    for axis, pcm, label in ((axes[0], sent, "in"), (axes[1], heard, "out")):
        padded = np.pad(pcm, (0, max(0, 1024 - len(pcm))))
        with np.errstate(divide="ignore"):  # silence is -inf dB and drawn black
            axis.specgram(padded, NFFT=512, noverlap=384, Fs=SAMPLE_RATE, vmin=-130, vmax=-30, cmap="magma")
        axis.set_ylabel(f"{label}: Hz")
    frame_s = FRAME_SAMPLES / SAMPLE_RATE
    for i, frame in enumerate(concealed):
        axes[1].axvspan(
            frame * frame_s, (frame + 1) * frame_s, ymax=0.04, color="cyan", label="concealed" if i == 0 else None
        )
    if concealed:
        axes[1].legend(loc="upper right")
    axes[1].set_xlabel("s")
    figure.suptitle(title)
    figure.savefig(path, dpi=90)
    plt.close(figure)


@contextmanager
def picture(path: Path, title: str, across: str, up: str) -> Iterator[Any]:
    """An axis to draw on, which becomes a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 5.5), layout="constrained")
    axis.set(title=title, xlabel=across, ylabel=up)
    axis.grid(visible=True, which="both", alpha=0.25)
    yield axis
    figure.savefig(path, dpi=90)
    plt.close(figure)
