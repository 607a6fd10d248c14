"""What a run tells people: curve.csv, TensorBoard, a progress bar, sound and pictures of dev clips.

Rule: nothing here changes what is learnt; a library that is not installed costs its output, not the run.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from gateway.audio.files import write_wav
from gateway.codec.codec import Codec
from gateway.codec.model import CodecModel
from gateway.codec.spec import SAMPLE_RATE
from gateway.tools.plots import plot_in_and_out
from gateway.trainer.data import Corpus

SAMPLE_CLIPS = 3
LONGEST_SAMPLE = 10 * SAMPLE_RATE


class Journal:
    """Writes beside a run's checkpoint; a context manager that closes what it opened."""

    def __init__(self, folder: Path, steps: int, step: int, every: int) -> None:
        """`every`: steps between reports, over which losses are averaged; in a resumed run's first over those since."""
        self._folder, self._steps, self._every = folder, steps, every
        self._sums: dict[str, float] = {}
        self._noted = 0
        self._file = (folder / "curve.csv").open("a", newline="")
        self._columns = _columns(folder / "curve.csv")
        self._board = _board(folder / "tensorboard")
        self._bar = _bar(steps, step)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._bar is not None:
            self._bar.close()

    def note(self, step: int, seconds: float, terms: dict[str, float]) -> None:
        """The numbers of one step."""
        self._noted += 1
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self._bar is not None:
            self._bar.update(1)
        if step % self._every:
            return
        means = {name: total / self._noted for name, total in self._sums.items()}
        self._sums, self._noted = {}, 0
        if self._columns is None or not set(means) <= set(self._columns):
            self._columns = ["step", "seconds", *means]
            csv.writer(self._file).writerow(self._columns)
        row = {"step": str(step), "seconds": f"{seconds:.1f}", **{k: f"{v:.5f}" for k, v in means.items()}}
        csv.writer(self._file).writerow([row.get(name, "") for name in self._columns])
        self._file.flush()
        shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        if self._bar is not None:
            self._bar.set_postfix_str(shown)
        else:
            print(f"{step:7d}/{self._steps}  {seconds:7.0f} s  {shown}", flush=True)
        if self._board is not None:
            for name, value in means.items():
                self._board.add_scalar(name, value, step)

    def listen(self, step: int, model: CodecModel, corpus: Corpus) -> None:
        """Dev clips through the codec as it is now: WAV and PNG under samples/, and on the board."""
        clips = [u for u in corpus.split("dev") if u.samples <= LONGEST_SAMPLE]
        if not clips:
            return
        threads = torch.get_num_threads()
        codec = Codec(model.eval())
        folder = self._folder / "samples" / f"step-{step:06d}"
        folder.mkdir(parents=True, exist_ok=True)
        for at in np.linspace(0, len(clips) - 1, min(SAMPLE_CLIPS, len(clips))).astype(int):
            clip = clips[at]
            pcm = corpus.pcm(clip)
            heard = codec.decode(codec.encode(pcm))
            name = clip.id.replace("/", "_")
            write_wav(folder / f"{name}.wav", [heard])
            plot_in_and_out(folder / f"{name}.png", pcm, heard, [], f"{clip.id} at step {step}")
            if self._board is not None:
                self._board.add_audio(clip.id, torch.from_numpy(heard)[None], step, SAMPLE_RATE)
        torch.set_num_threads(threads)


def _columns(path: Path) -> list[str] | None:
    """Columns of the last header in a curve: a resumed run of another recipe may have begun a new table."""
    headers = [line for line in path.read_text().splitlines() if line.startswith("step,")]
    return headers[-1].split(",") if headers else None


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def _bar(steps: int, step: int) -> Any:
    """A progress bar for a person watching; plain lines for a log file."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True)
