"""Training clips: what the encoder hears (spoilt) and what the decoder should say (clean, level-controlled).

Rule: everything random comes from the generator handed in, one per step, so a resumed run repeats an unbroken one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from gateway.audio.acoustics import coloured_noise, engine_hum, hand_microphone, overdriven, statistical_room
from gateway.audio.denoise import denoise, wanted
from gateway.codec.level import TARGET_LEVEL_DB
from gateway.codec.spec import FRAME_SAMPLES, SAMPLE_RATE
from gateway.trainer.data import Corpus, Utterance
from gateway.trainer.recipe import AugmentRecipe
from gateway.trainer.warp import warp_formants

Pcm = NDArray[np.float32]


class ClipSource:
    """Draws pairs of (spoilt, clean) clips of a fixed length from a prepared corpus.

    Another process that is handed one opens the corpus for itself: nothing of the speech is copied. Raises ConfigError
    if `suppressed_chance` asks for a suppressor that is not installed.
    """

    def __init__(self, folder: Path, recipe: AugmentRecipe, clip_frames: int, split: str = "train") -> None:
        if recipe.suppressed_chance > 0:
            wanted("on")  # or says that it cannot be had
        self._made_of = folder, recipe, clip_frames, split
        self.corpus = Corpus(folder)
        self.recipe = recipe
        self.samples = clip_frames * FRAME_SAMPLES
        self.utterances = [u for u in self.corpus.split(split) if u.samples > SAMPLE_RATE // 2 and u.level_db > -60]
        self.by_speaker: dict[str, list[Utterance]] = {}
        for utterance in self.utterances:
            self.by_speaker.setdefault(utterance.speaker, []).append(utterance)
        # Long utterances hold more different speech: draw by duration.
        lengths = np.array([u.samples for u in self.utterances], dtype=np.float64)
        self.cumulative = np.cumsum(lengths) / lengths.sum()
        noise_path = folder / "noise.i16"
        self.noise: NDArray[np.int16] = (
            np.memmap(noise_path, dtype="<i2", mode="r") if noise_path.is_file() else np.zeros(0, np.int16)
        )

    def __reduce__(self) -> tuple[type[ClipSource], tuple[Path, AugmentRecipe, int, str]]:
        return ClipSource, self._made_of

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Pcm, Pcm]:
        """Spoilt and clean clips, each (size, samples)."""
        pairs = [self.clip(rng) for _ in range(size)]
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])

    def clip(self, rng: np.random.Generator) -> tuple[Pcm, Pcm]:
        """One (spoilt, clean) pair, each (samples,)."""
        clean = self._clean(rng)
        return self._spoil(clean, rng), clean

    def _clean(self, rng: np.random.Generator) -> Pcm:
        """Level-controlled speech of one talker, joined from several utterances where one is too short."""
        speed = rng.uniform(*self.recipe.speed_range) if rng.random() < self.recipe.speed_chance else 1.0
        needed = int(self.samples * speed) + 64
        first = self.utterances[int(np.searchsorted(self.cumulative, rng.random()))]
        start = int(rng.integers(0, max(1, first.samples - needed + SAMPLE_RATE // 4)))
        parts = [self._levelled(first, start, needed)]
        while sum(map(len, parts)) < needed:
            others = self.by_speaker[first.speaker]
            parts.append(self._levelled(others[int(rng.integers(len(others)))], 0, needed))
        joined = np.concatenate(parts)[:needed]
        if speed != 1.0:
            joined = soxr.resample(joined, SAMPLE_RATE * speed, SAMPLE_RATE, quality="LQ")
        clean = np.zeros(self.samples, dtype=np.float32)
        clean[: min(len(joined), self.samples)] = joined[: self.samples]
        # Not even drawn where it is not wanted: recipes from before it draw the same clips as ever.
        if self.recipe.formant_chance > 0 and rng.random() < self.recipe.formant_chance:
            clean = warp_formants(clean, rng.uniform(*self.recipe.formant_range))
        return clean

    def _levelled(self, utterance: Utterance, start: int, samples: int) -> Pcm:
        gain = 10 ** ((TARGET_LEVEL_DB - utterance.level_db) / 20)
        return np.asarray(self.corpus.pcm(utterance, start, samples) * np.float32(gain), dtype=np.float32)

    def _spoil(self, clean: Pcm, rng: np.random.Generator) -> Pcm:
        r = self.recipe
        response = np.ones(len(clean) // 2 + 1, dtype=np.complex64)
        filtered = False
        if rng.random() < r.equaliser_chance:
            response *= self._equaliser(len(response), r.equaliser_db, rng)
            filtered = True
        if rng.random() < r.hand_microphone_chance:
            response *= hand_microphone(len(response), rng.uniform(150, 350), rng.uniform(2800, 4500))
            filtered = True
        if rng.random() < r.reverb_chance:
            decay_s = rng.uniform(*r.reverb_s)
            response *= np.fft.rfft(statistical_room(decay_s, (-12, 0), rng), len(clean)).astype(np.complex64)
            filtered = True
        spoilt = np.fft.irfft(np.fft.rfft(clean) * response, len(clean)).astype(np.float32) if filtered else clean
        if rng.random() < r.noise_chance:
            noise = self._noise(len(clean), rng)
            level = 10 ** ((TARGET_LEVEL_DB - rng.uniform(*r.snr_db)) / 20)
            spoilt = spoilt + noise * np.float32(level / (np.sqrt(np.mean(noise**2)) + 1e-9))
        # As with formants: drawn only where it is wanted.
        if r.overdrive_chance > 0 and rng.random() < r.overdrive_chance:
            spoilt = overdriven(spoilt, rng.uniform(*r.overdrive_db))
        if r.suppressed_chance > 0 and rng.random() < r.suppressed_chance:
            spoilt = denoise(spoilt)
        gain = 10 ** (rng.normal(0.0, r.gain_db) / 20)
        return np.asarray(np.clip(spoilt * np.float32(gain), -1, 1), dtype=np.float32)

    def _noise(self, samples: int, rng: np.random.Generator) -> Pcm:
        """A recording, coloured noise, hum, or babble of three other talkers."""
        kind = rng.random()
        if kind < 0.5 and len(self.noise) > samples:
            start = int(rng.integers(0, len(self.noise) - samples))
            return self.noise[start : start + samples].astype(np.float32) / np.float32(32768)
        if kind < 0.65:
            babble = np.zeros(samples, dtype=np.float32)
            for _ in range(3):
                talker = self.utterances[int(rng.integers(len(self.utterances)))]
                part = self._levelled(talker, 0, samples)
                babble[: len(part)] += part
            return babble
        coloured = coloured_noise(samples, rng.uniform(-1.2, 0.3), rng)
        if kind > 0.9:
            coloured = coloured / (coloured.std() + 1e-9) + 1.5 * engine_hum(samples, rng.uniform(45, 180), rng)
        return np.asarray(coloured, dtype=np.float32)

    @staticmethod
    def _equaliser(bins: int, depth_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """A smooth random frequency response with nine knots and a tilt."""
        knots = rng.normal(0.0, depth_db / 2, 9)
        curve = np.interp(np.linspace(0, 8, bins), np.arange(9), knots)
        return np.asarray(10 ** (curve / 20), dtype=np.float32)
