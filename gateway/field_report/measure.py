"""Figures of one over from two recordings: how much later it was heard, from when on, and how much of it.

Rule: pure. Sound is judged by its envelopes in bands, for a vocoder keeps no waveform; what cannot be told is None.
Definitions: mouth-to-ear latency by NISTIR 8206 (Frey, Pieper, Thompson 2018), access time by NISTIR 8275 (Pieper et
al. 2019).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.recording.entry import Runs

STEP_SAMPLES = 80
STEP_S = STEP_SAMPLES / SAMPLE_RATE_HZ
"""Resolution of envelopes: 5 ms."""
WINDOW_SAMPLES = 400
BAND_EDGES_HZ = (150, 300, 450, 600, 800, 1050, 1350, 1700, 2150, 2700, 3400, 4300)
FLOOR_DB = 40.0
"""Below the loudest 5 % nothing counts: noise."""
LEAST_SIMILARITY = 0.35
"""Of envelopes (correlation over all bands); below it no delay is told."""
LOCAL_SIMILARITY = 0.5
LOCAL_S, LOCAL_STEP_S, LOCAL_RANGE_S = 2.5, 1.25, 0.6
FRAME_S = 0.08
SPEECH_DB = 25.0
"""Somebody speaks where the loudest band comes within this of the loudest 5 %."""
ONSET_DB, ONSET_STEPS, ONSET_SHARE = 20.0, 16, 0.9
"""Speech begins where it comes within 20 dB and stays there for nine tenths of 80 ms: no click of a key."""

Envelopes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lag:
    """By how much one recording lags another, and how alike their envelopes then are (0..1)."""

    lag_s: float
    similarity: float


def envelopes(pcm: FloatArray) -> Envelopes:
    """Levels in bands, dB above the floor, shape (bands, steps); zero where there is nothing to hear."""
    steps = max(1, len(pcm) // STEP_SAMPLES)
    padded = np.pad(pcm.astype(np.float64), (WINDOW_SAMPLES // 2, WINDOW_SAMPLES))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::STEP_SAMPLES][:steps]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW_SAMPLES), axis=1)) ** 2
    bins = (np.array(BAND_EDGES_HZ) * WINDOW_SAMPLES / SAMPLE_RATE_HZ).round().astype(int)
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in itertools.pairwise(bins)])
    db = 10 * np.log10(bands + 1e-12)
    top = np.quantile(db, 0.95)
    if top < -80:
        return np.zeros_like(db)
    levels: Envelopes = np.maximum(0.0, db - (top - FLOOR_DB))
    return levels


def lag(said: Envelopes, heard: Envelopes, low_s: float, high_s: float) -> Lag | None:
    """The lag of `heard` behind `said` from `low_s` to `high_s`, to a fraction of a step; None if nothing is alike."""
    a = said - said.mean(axis=1, keepdims=True)
    b = heard - heard.mean(axis=1, keepdims=True)
    energy = np.sqrt((a**2).sum() * (b**2).sum())
    if energy <= 0:
        return None
    size = 1 << int(np.ceil(np.log2(a.shape[1] + b.shape[1])))
    spectrum = (np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size))).sum(axis=0)
    correlation = np.fft.irfft(spectrum, size) / energy
    low = max(round(low_s / STEP_S), 1 - a.shape[1])
    high = min(round(high_s / STEP_S), b.shape[1] - 1)
    if low > high:
        return None
    shifts = np.arange(low, high + 1)
    values = correlation[shifts % size]
    best = int(np.argmax(values))
    similarity = float(values[best])
    if similarity <= 0:
        return None
    fine = 0.0
    if 0 < best < len(values) - 1:
        before, at, after = values[best - 1 : best + 2]
        bend = before - 2 * at + after
        fine = float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
    return Lag((float(shifts[best]) + fine) * STEP_S, similarity)


def lag_over_time(said: Envelopes, heard: Envelopes, about_s: float) -> list[tuple[float, float]]:
    """(time in `said`, lag) in windows of 2.5 s where the envelopes are alike enough, around the lag of the whole."""
    window, step, reach = (round(s / STEP_S) for s in (LOCAL_S, LOCAL_STEP_S, LOCAL_RANGE_S))
    offset = round(about_s / STEP_S)
    found = []
    for begin in range(0, said.shape[1] - window + 1, step):
        part = said[:, begin : begin + window]
        if np.mean(part.max(axis=0) > FLOOR_DB / 2) < 0.25:
            continue  # mostly silence: nothing to align
        first = begin + offset - reach
        if first < 0 or first + window + 2 * reach > heard.shape[1]:
            padded = np.pad(heard, ((0, 0), (max(0, -first), max(0, first + window + 2 * reach - heard.shape[1]))))
            other = padded[:, max(0, first) : max(0, first) + window + 2 * reach]
        else:
            other = heard[:, first : first + window + 2 * reach]
        local = lag(part, other, 0.0, 2 * LOCAL_RANGE_S)
        if local is not None and local.similarity >= LOCAL_SIMILARITY:
            middle_s = (begin + window / 2) * STEP_S
            found.append((middle_s, about_s - LOCAL_RANGE_S + local.lag_s))
    return found


def level_steps(levels: Envelopes) -> NDArray[np.bool_]:
    """Where somebody speaks, shape (steps,): the loudest band within 25 dB of the loud parts."""
    speaks: NDArray[np.bool_] = levels.max(axis=0) > FLOOR_DB - SPEECH_DB
    return speaks


def onset_s(levels: Envelopes) -> float | None:
    """When speech begins: the first 80 ms that are loud; None if none are."""
    loud = (levels.max(axis=0) > FLOOR_DB - ONSET_DB).astype(int)
    if len(loud) < ONSET_STEPS:
        return None
    together = np.convolve(loud, np.ones(ONSET_STEPS, int), "valid")
    found = np.flatnonzero(together >= ONSET_SHARE * ONSET_STEPS)
    return float(found[0] * STEP_S) if len(found) else None


@dataclass(frozen=True, slots=True)
class Delivered:
    """How much of the speech of an over was played from its own bits: shares of the seconds in which somebody spoke."""

    speech_s: float
    delivered: float
    concealed: float
    """Guessed by the decoder in place of what did not come."""
    absent: float
    """Nothing was played: before a late entry, after the end of what came, or skipped."""


def delivered_by_frames(
    levels: Envelopes, first_frame: int, end_frame: int, concealed: Runs, absent: Runs
) -> Delivered | None:
    """The shares, from what the receiving station says of each frame of 80 ms; None if nobody spoke."""
    speaks = level_steps(levels)
    per_frame = round(FRAME_S / STEP_S)
    frames = -(-len(speaks) // per_frame)
    weight = np.zeros(frames)
    np.add.at(weight, np.arange(len(speaks)) // per_frame, speaks)
    if weight.sum() == 0:
        return None
    fate = np.full(frames, 2)
    fate[first_frame : max(first_frame, end_frame)] = 0
    for begin, end in concealed:
        fate[begin:end] = 1
    for begin, end in absent:
        fate[begin:end] = 2
    delivered, guessed, absent_ = (float(weight[fate == kind].sum() / weight.sum()) for kind in range(3))
    return Delivered(float(weight.sum() * STEP_S), delivered, guessed, absent_)


def places_s(first_frame: int, absent: Runs, pauses: Runs, frames: Sequence[int]) -> list[float]:
    """Where in the heard recording each of `frames` begins: as many frames as were played before it, and the pauses."""
    places = []
    for frame in frames:
        missing = sum(max(0, min(end, frame) - begin) for begin, end in absent)
        waited = sum(samples for before, samples in pauses if before <= frame)
        places.append((frame - first_frame - missing) * FRAME_S + waited / SAMPLE_RATE_HZ)
    return places


def delivered_by_sound(said: Envelopes, heard: Envelopes, lag_s: float) -> Delivered | None:
    """The shares by sound alone, for recordings of others: speech counts as delivered where something as loud as speech
    is heard, within 40 ms. What a decoder guessed is not told apart. None if nobody spoke."""
    speaks, sounds = level_steps(said), level_steps(heard)
    if not speaks.any():
        return None
    reach = round(0.04 / STEP_S)
    near = np.convolve(sounds.astype(int), np.ones(2 * reach + 1, int), "same") > 0
    at = np.arange(len(speaks)) + round(lag_s / STEP_S)
    inside = (at >= 0) & (at < len(near))
    is_heard = np.zeros(len(speaks), bool)
    is_heard[inside] = near[at[inside]]
    share = float(is_heard[speaks].mean())
    return Delivered(float(speaks.sum() * STEP_S), share, 0.0, 1 - share)
