"""Exercises of known truth: recordings as stations leave them, and traces, with given delays, losses and clocks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.audio.base import FloatArray
from gateway.audio.files import write_wav
from gateway.traces import Direction, Outcome, TraceHeader, TraceRecord, TraceWriter

RATE = 16_000
WALL_S = 1_700_000_000.0
"""Calendar at the zero of the first machine's monotonic clock."""


def speech(seconds: float, seed: int = 1) -> FloatArray:
    """Syllables of random length, pitch and colour with silences: envelopes like those of speech."""
    rng = np.random.default_rng(seed)
    out = np.zeros(int(seconds * RATE))
    at = int(0.3 * RATE)
    while at < len(out) - RATE // 2:
        length = int(rng.uniform(0.08, 0.3) * RATE)
        t = np.arange(length) / RATE
        pitch = rng.uniform(90, 220)
        formants = rng.uniform(300, 3500, 3)
        sound = np.zeros(length)
        for k in range(1, int(4000 / pitch)):
            weight = sum(np.exp(-(((k * pitch - f) / 250) ** 2)) for f in formants) + 0.02
            sound += weight * np.sin(2 * np.pi * k * pitch * t + rng.uniform(0, 6))
        shape = np.hanning(length)
        out[at : at + length] += 0.12 * sound * shape
        at += length + int(rng.choice([0.02, 0.06, 0.35], p=[0.5, 0.35, 0.15]) * RATE)
    out += 1e-4 * rng.standard_normal(len(out))
    return np.clip(out, -1, 1).astype(np.float32)


def vocoded(pcm: FloatArray, seed: int = 9) -> FloatArray:
    """Same envelopes in bands, another waveform: noise in place of voice, as a vocoder that keeps no phase."""
    rng = np.random.default_rng(seed)
    window = 320
    frames = len(pcm) // window + 1
    padded = np.pad(pcm, (0, frames * window + window - len(pcm)))
    noise = rng.standard_normal(len(padded))
    out = np.zeros(len(padded))
    shape = np.hanning(2 * window)
    for frame in range(frames):
        part = slice(frame * window, (frame + 2) * window)
        if part.stop > len(padded):
            break
        level = np.abs(np.fft.rfft(padded[part] * shape))
        smooth = np.convolve(level, np.ones(9) / 9, "same")
        phase = np.angle(np.fft.rfft(noise[part]))
        out[part] += np.fft.irfft(smooth * np.exp(1j * phase))
    peak = np.abs(out).max() or 1.0
    return (0.5 * out[: len(pcm)] / peak).astype(np.float32)


@dataclass
class Station:
    """A folder of recordings, with a clock: `wall_s` and `mono_s` are what it shows at common time 0."""

    folder: Path
    name: str
    number: int
    machine: str = "boot"
    wall_s: float = WALL_S
    mono_s: float = 100.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.line(event="opened", station=self.name, id=self.number, machine=self.machine, **self.times(0.0))

    def times(self, at_s: float) -> dict[str, float]:
        return {"mono_s": self.mono_s + at_s, "wall_s": self.wall_s + at_s}

    def line(self, **values: object) -> None:
        with (self.folder / "index.jsonl").open("a") as file:
            file.write(json.dumps(values) + "\n")

    def over(
        self, side: str, pcm: FloatArray, at_s: float, over_id: int, key_s: float | None = None, **end: object
    ) -> Path:
        """A recording whose first sample was said or heard at common time `at_s`."""
        self.count += 1
        name = f"20260101T000000-{self.count:04d}-{side}.wav"
        write_wav(self.folder / name, [pcm])
        key = {} if key_s is None else {"key_s": self.mono_s + key_s}
        self.line(event="begin", side=side, file=name, over_id=over_id, **self.times(at_s), **key)
        self.line(event="end", side=side, file=name, samples=len(pcm), **end)
        return self.folder / name


def heard_of(pcm: FloatArray, lead_s: float = 0.0) -> FloatArray:
    """What comes out of the other end: another waveform, after `lead_s` of silence."""
    return np.concatenate([np.zeros(int(lead_s * RATE), np.float32), vocoded(pcm)])


def trace(
    path: Path, station: str, records: list[TraceRecord], mono_s: float = 100.0, wall_s: float | None = WALL_S
) -> None:
    """A trace file."""
    writer = TraceWriter(path, TraceHeader(station, mono_s, wall_s))
    for record in records:
        writer.write(record)
    writer.close()


def packet(at_s: float, direction: str, outcome: str, digest: int, **more: object) -> TraceRecord:
    return TraceRecord(at_s, Direction(direction), Outcome(outcome), digest=digest, kind="voice", size=20, **more)  # type: ignore[arg-type]


class Echo:
    """A recogniser that knows sounds by heart."""

    name = "echo"

    def __init__(self, known: dict[int, str]) -> None:
        self._known = known

    def transcribe(self, pcm: FloatArray, lang: str = "en") -> str:
        return self._known.get(len(pcm), "")
