"""Prepared speech: one flat int16 file and an index, so that a training step only slices memory.

Rule: nothing is altered on disk but the container; levels, noise and band are the augmenter's business.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.audio.files import decode_audio, read_audio
from gateway.errors import ConfigError

SAMPLE_RATE = 16_000
AUDIO_FILE = "audio.i16"
INDEX_FILE = "index.jsonl"
SOUND_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3"})


@dataclass(frozen=True, slots=True)
class Utterance:
    """One clip in the flat file: `offset` and `samples` in samples, `level_db` its active level in dBFS."""

    id: str
    offset: int
    samples: int
    level_db: float
    source: str
    speaker: str
    lang: str
    split: str
    text: str


def active_level_db(pcm: NDArray[np.float32], frame: int = 160) -> float:
    """Level of the active part of `pcm` (samples,) in dBFS: frames within 25 dB of the 95th percentile.

    A simple relative of ITU-T P.56: pauses do not count, so the figure does not depend on how much silence there is.
    """
    count = len(pcm) // frame
    if count == 0:
        return -100.0
    power = np.mean(pcm[: count * frame].reshape(count, frame).astype(np.float64) ** 2, axis=1) + 1e-12
    loud = np.quantile(power, 0.95)
    return float(10 * np.log10(np.mean(power[power >= loud * 10**-2.5])))


def manifest_clips(folder: Path) -> Iterator[tuple[dict[str, str], NDArray[np.float32]]]:
    """Rows and audio of a folder with manifest.tsv and tar slices, in the order of the slices."""
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        raise ConfigError(f"{manifest}: not found; a prepared speech folder needs a manifest.tsv")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = {
            (row["slice"], row["member"]): row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        }
    for tar_name in sorted({tar for tar, _ in rows}):
        with tarfile.open(folder / tar_name) as tar:
            for member in tar:
                row = rows.get((tar_name, member.name))
                stored = tar.extractfile(member) if row is not None else None
                if row is not None and stored is not None:
                    yield row, decode_audio(io.BytesIO(stored.read()), f"{tar_name}:{member.name}")


def folder_clips(folder: Path) -> Iterator[tuple[dict[str, str], NDArray[np.float32]]]:
    """Every sound file below a plain folder; its first sub-folder names the speaker, every 50th speaker is dev."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUND_SUFFIXES)
    if not paths:
        raise ConfigError(f"{folder}: no sound files ({' '.join(sorted(SOUND_SUFFIXES))}), no manifest.tsv below it")
    speakers = {name: i for i, name in enumerate(sorted({p.relative_to(folder).parts[0] for p in paths}))}
    for path in paths:
        relative = path.relative_to(folder)
        speaker = relative.parts[0]
        row = {
            "id": str(relative),
            "source": folder.name,
            "speaker": speaker,
            "lang": "en",
            "split": "dev" if speakers[speaker] % 50 == 49 else "train",
            "text": "",
        }
        yield row, read_audio(path)


def prepare(folder: Path, out: Path) -> list[Utterance]:
    """Decode every clip of `folder` into `out`/audio.i16 and write the index; returns the index."""
    out.mkdir(parents=True, exist_ok=True)
    clips = manifest_clips(folder) if (folder / "manifest.tsv").is_file() else folder_clips(folder)
    index: list[Utterance] = []
    offset = 0
    with (out / AUDIO_FILE).open("wb") as file:
        for row, pcm in clips:
            samples = np.clip(np.round(pcm * 32768), -32768, 32767).astype("<i2")
            samples.tofile(file)
            index.append(
                Utterance(
                    id=row["id"],
                    offset=offset,
                    samples=len(samples),
                    level_db=round(active_level_db(pcm), 2),
                    source=row["source"],
                    speaker=row["speaker"],
                    lang=row["lang"],
                    split=row["split"],
                    text=row["text"],
                )
            )
            offset += len(samples)
    with (out / INDEX_FILE).open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(u), ensure_ascii=False) + "\n" for u in index)
    return index


class Corpus:
    """A prepared folder, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        if not (folder / INDEX_FILE).is_file():
            raise ConfigError(f"{folder}: no {INDEX_FILE} there; run `python -m gateway.trainer prepare` first")
        with (folder / INDEX_FILE).open(encoding="utf-8") as lines:
            self.utterances = [Utterance(**json.loads(line)) for line in lines]
        self.audio: NDArray[np.int16] = np.memmap(folder / AUDIO_FILE, dtype="<i2", mode="r")

    def split(self, name: str) -> list[Utterance]:
        """The utterances of one split (train or dev)."""
        return [u for u in self.utterances if u.split == name]

    def pcm(self, utterance: Utterance, start: int = 0, samples: int | None = None) -> NDArray[np.float32]:
        """float32 samples of one utterance, or of a slice of it."""
        stop = utterance.samples if samples is None else min(utterance.samples, start + samples)
        stored = self.audio[utterance.offset + start : utterance.offset + stop]
        return stored.astype(np.float32) / np.float32(32768)


def prepare_noise(folder: Path, out: Path) -> int:
    """Concatenate every noise recording below `folder`, each at -26 dBFS, into `out`/noise.i16; returns samples."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUND_SUFFIXES)
    if not paths:
        raise ConfigError(f"{folder}: no sound files ({' '.join(sorted(SOUND_SUFFIXES))}) below it")
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    with (out / "noise.i16").open("wb") as file:
        for path in paths:
            pcm = read_audio(path)
            rms = float(np.sqrt(np.mean(pcm**2)) + 1e-9)
            scaled = np.clip(pcm * (0.05 / rms), -1, 1)
            np.round(scaled * 32767).astype("<i2").tofile(file)
            total += len(scaled)
    return total
