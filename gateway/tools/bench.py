"""`clarilink bench`: what the codec costs on this machine.

Rule: figures are medians over repeats on one core, because machines are shared and noisy.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.audio.files import read_audio
from gateway.codec import Codec, SearchSettings
from gateway.codec.checkpoint import DEFAULT_WEIGHTS, load_model
from gateway.codec.codec import frames_of
from gateway.codec.spec import FRAME_SAMPLES, SAMPLE_RATE
from gateway.samples import sample_path


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Times in ms, factors as a share of real time (1 is real time), sizes in MB (10^6 bytes)."""

    encode_real_time_factor: float
    decode_real_time_factor: float
    search_real_time_factor: float
    quick_search_real_time_factor: float
    thorough_search_real_time_factor: float
    live_search_real_time_factor: float
    encode_step_ms_p50: float
    encode_step_ms_p99: float
    decode_step_ms_p50: float
    decode_step_ms_p99: float
    load_ms: float
    import_and_load_ms: float
    peak_memory_mb: float
    weights_mb: float
    parameters_million: float
    algorithmic_delay_ms: float
    torch_threads: int

    def as_dict(self) -> dict[str, float]:
        """Stable names for JSON."""
        return asdict(self)


def run_bench(weights: Path | None = None, repeats: int = 3) -> BenchReport:
    """Encode and decode the packaged sample step by step, `repeats` times, on one thread."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    codec = Codec.load(weights)
    load_ms = 1000 * (time.perf_counter() - started)
    pcm = read_audio(sample_path())
    steps = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    codec.decode(codec.encode(pcm[:SAMPLE_RATE]))
    encode_ms: list[float] = []
    decode_ms: list[float] = []
    encode_factors, decode_factors = [], []
    seconds = len(steps) * FRAME_SAMPLES / SAMPLE_RATE
    for _ in range(repeats):
        encoder, decoder, frames = codec.encoder_stream(), codec.decoder_stream(), b""
        times = []
        for step in steps:
            begin = time.perf_counter()
            frames += b"".join(encoder.push(step))
            times.append(1000 * (time.perf_counter() - begin))
        encode_ms += times
        encode_factors.append(sum(times) / 1000 / seconds)
        times = []
        for frame in frames_of(frames):
            begin = time.perf_counter()
            decoder.decode(frame)
            times.append(1000 * (time.perf_counter() - begin))
        decode_ms += times
        decode_factors.append(sum(times) / 1000 / seconds)
    peak_memory_mb = _peak_memory_mb()  # before the recogniser that searches listen to is loaded
    path = DEFAULT_WEIGHTS if weights is None else weights
    return BenchReport(
        encode_real_time_factor=round(median(encode_factors), 4),
        decode_real_time_factor=round(median(decode_factors), 4),
        search_real_time_factor=_search_factor(codec, pcm, SearchSettings()),
        quick_search_real_time_factor=_search_factor(codec, pcm, SearchSettings.quick()),
        thorough_search_real_time_factor=_search_factor(codec, pcm, SearchSettings.thorough()),
        live_search_real_time_factor=_search_factor(codec, pcm, SearchSettings.live(6)),
        encode_step_ms_p50=round(float(np.percentile(encode_ms, 50)), 2),
        encode_step_ms_p99=round(float(np.percentile(encode_ms, 99)), 2),
        decode_step_ms_p50=round(float(np.percentile(decode_ms, 50)), 2),
        decode_step_ms_p99=round(float(np.percentile(decode_ms, 99)), 2),
        load_ms=round(load_ms, 1),
        import_and_load_ms=round(_cold_start_ms(weights), 1),
        peak_memory_mb=peak_memory_mb,
        weights_mb=round(path.stat().st_size / 1e6, 2),
        parameters_million=round(sum(p.numel() for p in load_model(path).parameters()) / 1e6, 2),
        algorithmic_delay_ms=codec.delay_ms(),
        torch_threads=torch.get_num_threads(),
    )


def _search_factor(codec: Codec, pcm: NDArray[np.float32], settings: SearchSettings) -> float:
    """Encoding with a search, on up to 8 s of `pcm` (samples,); the first run loads and warms up and is not counted."""
    part = pcm[: 8 * SAMPLE_RATE]
    codec.encode(part[: 2 * SAMPLE_RATE], search=settings)
    begin = time.perf_counter()
    codec.encode(part, search=settings)
    return round((time.perf_counter() - begin) / (len(part) / SAMPLE_RATE), 4)


def _peak_memory_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


def _cold_start_ms(weights: Path | None) -> float:
    """A new interpreter until the codec is ready."""
    argument = "" if weights is None else repr(str(weights))
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"from gateway.codec import Codec; Codec.load({argument})"], check=True)
    return 1000 * (time.perf_counter() - begin)


def table(figures: Mapping[str, float]) -> str:
    """The figures, a line each."""
    return "\n".join(f"{name.replace('_', ' '):<34}{value:>10}" for name, value in figures.items())
