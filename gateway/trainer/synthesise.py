"""Made-up talkers: each line of a text spoken by the package hibari-tts, its one voice warped into many.

Rule: synthetic speech is for training only; nothing is selected or reported on it, so all of it is split `train`.

A talker is three factors. The voice's harmonics are re-made at another pitch by its own source-filter synthesis;
playing the result at another rate (soxr) then moves formants and pitch together, as a longer or shorter vocal tract
would; and the voice is asked to speak faster or slower, so that the tempo is chosen on its own.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from gateway.errors import ConfigError

SOURCE = "hibari_tts"
SAMPLE_RATE = 16_000
SLICE_LINES = 1000
"""Lines in one tar, so that a part can travel on its own."""
_COLUMNS = ("id", "slice", "member", "source", "speaker", "gender", "seconds", "split", "lang", "text")
_STEPS = (0.81917251, 0.67104361, 0.54970048)
"""The R3 sequence (M. Roberts 2018): however many talkers are asked for, they spread evenly over the three ranges."""


@dataclass(frozen=True, slots=True)
class Talker:
    """Factors on the voice as it is: `formants` 0.8 is a vocal tract a quarter longer, `pitch` and `tempo` plain."""

    name: str
    formants: float
    pitch: float
    tempo: float


def make_talkers(count: int) -> list[Talker]:
    """`count` talkers; the first is the voice itself, which speaks at about 190 Hz.

    Formants 0.80 to 1.12, pitch about 90 to 300 Hz following them as larynx follows tract, tempo 0.85 to 1.2.
    """
    talkers = [Talker("voice-000", 1.0, 1.0, 1.0)]
    for n in range(1, count):
        a, b, c = (n * step % 1 for step in _STEPS)
        formants = 0.80 + 0.32 * a
        pitch = formants**2.2 * 2 ** (0.7 * (b - 0.5))
        talkers.append(Talker(f"voice-{n:03d}", round(formants, 3), round(pitch, 3), round(0.85 + 0.35 * c, 3)))
    return talkers


class Speaker:
    """The voice; raises ConfigError if its package is not there."""

    def __init__(self) -> None:
        try:
            from hibari import Hibari, dsp
        except ImportError as error:
            raise ConfigError("synthesise needs the package hibari-tts; install clarilink[synthesise]") from error
        self._voice: Any = Hibari()
        self._dsp: Any = dsp

    def say(self, text: str, talker: Talker, seed: int = 0) -> NDArray[np.float32]:
        """float32 samples (n,) at 16 kHz; none if the text holds nothing that can be spoken."""
        rng = np.random.default_rng(seed)
        sentences = [self._sentence(phonemes, talker, rng) for phonemes in self._voice.phonemize(text)]
        if not sentences:
            return np.zeros(0, np.float32)
        rate = self._dsp.SR * talker.formants
        pcm: NDArray[np.float32] = soxr.resample(np.concatenate(sentences), rate, SAMPLE_RATE, quality="HQ")
        return np.clip(pcm, -1.0, 1.0)

    def _sentence(self, phonemes: str, talker: Talker, rng: np.random.Generator) -> NDArray[np.float32]:
        ids = self._voice.ids(phonemes)
        # Playing at `formants` times the rate shortens by as much: speak that much slower.
        speed = np.float32(talker.tempo / talker.formants)
        outputs = self._voice.sess.run(None, {"ids": np.array([ids], np.int64), "speed": np.array([speed])})
        *spectra, f0 = (output[0] for output in outputs)
        pcm: NDArray[np.float32] = self._dsp.synth(*spectra, f0 * np.float32(talker.pitch / talker.formants), rng)
        return pcm


def synthesise(lines: Iterable[str], out: Path, talkers: list[Talker], each: int = 1) -> tuple[int, float]:
    """Speak every line by `each` talkers in turn into `out`, which `prepare` reads; returns clips and hours.

    Writes tar slices of FLAC and, last, manifest.tsv: a folder without one is not finished. Raises ConfigError if
    there is nothing to say or `out` already holds a manifest.
    """
    if (out / "manifest.tsv").exists():
        raise ConfigError(f"{out}: already holds a manifest.tsv; choose another folder")
    speaker = Speaker()
    rows: list[dict[str, str]] = []
    out.mkdir(parents=True, exist_ok=True)
    jobs = _jobs(lines, talkers, each)
    for number, first in enumerate(jobs):
        slice_name = f"synthetic-{number + 1:03d}.tar"
        with tarfile.open(out / slice_name, "w") as tar:
            for job, (line_number, text, talker) in enumerate([first, *_take(jobs, SLICE_LINES - 1)]):
                pcm = speaker.say(text, talker, number * SLICE_LINES + job)
                if len(pcm) == 0:
                    continue
                clip = f"{SOURCE}-{line_number:06d}-{talker.name}"
                _add(tar, f"{clip}.flac", pcm)
                rows.append(_row(clip, slice_name, text, talker, len(pcm) / SAMPLE_RATE))
    if not rows:
        raise ConfigError("no line of the text holds anything that can be spoken")
    temporary = out / ".manifest.tsv.part"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, _COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(out / "manifest.tsv")
    return len(rows), sum(float(row["seconds"]) for row in rows) / 3600


def read_texts(path: Path) -> list[str]:
    """Lines of a text file that hold a letter or a digit; raises ConfigError if there are none or it cannot be read."""
    try:
        lines = [" ".join(line.split()) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not readable as UTF-8 text ({getattr(error, 'strerror', None) or error})"
        ) from error
    texts = [line for line in lines if any(map(str.isalnum, line))]
    if not texts:
        raise ConfigError(f"{path}: holds no text")
    return texts


def _jobs(lines: Iterable[str], talkers: list[Talker], each: int) -> Iterator[tuple[int, str, Talker]]:
    turn = 0
    for number, text in enumerate(lines):
        for _ in range(min(each, len(talkers))):
            yield number, text, talkers[turn % len(talkers)]
            turn += 1


def _take(jobs: Iterator[tuple[int, str, Talker]], count: int) -> Iterator[tuple[int, str, Talker]]:
    for _, job in zip(range(count), jobs, strict=False):
        yield job


def _add(tar: tarfile.TarFile, name: str, pcm: NDArray[np.float32]) -> None:
    stored = io.BytesIO()
    soundfile.write(stored, pcm, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    member = tarfile.TarInfo(name)
    member.size = stored.getbuffer().nbytes  # soundfile leaves the position in the header
    stored.seek(0)
    tar.addfile(member, stored)


def _row(clip: str, slice_name: str, text: str, talker: Talker, seconds: float) -> dict[str, str]:
    return {
        "id": clip,
        "slice": slice_name,
        "member": f"{clip}.flac",
        "source": SOURCE,
        "speaker": f"{SOURCE}-{talker.name}",
        "gender": "",
        "seconds": f"{seconds:.3f}",
        "split": "train",
        "lang": "en",
        "text": text,
    }
