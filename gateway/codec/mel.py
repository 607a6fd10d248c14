"""Log-mel front end equal to Whisper's filterbank, causal, without its per-utterance maximum.

Rule: a mel frame depends on its own 400 samples and on nothing else, so decoded mels mean the same anywhere.
Values are Whisper's: (log10(power) + 4) / 4, bounded below by FLOOR instead of by the utterance's maximum - 8.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gateway.codec.spec import HOP, MELS, SAMPLE_RATE, WINDOW

FLOOR = -0.5
"""Lowest log-mel value, 60 dB and more under the loudest of level-controlled speech: below is noise, not words."""


@lru_cache
def mel_filters() -> NDArray[np.float32]:
    """Slaney mel filterbank (80, 201) with area normalisation, 0 to 8 kHz (M. Slaney, Auditory Toolbox, 1998)."""

    def to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
        linear = mel * 200.0 / 3.0
        return np.where(mel >= 15.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mel - 15.0)), linear)

    top_mel = 15.0 + 27.0 * np.log(SAMPLE_RATE / 2 / 1000.0) / np.log(6.4)
    edges = to_hz(np.linspace(0.0, top_mel, MELS + 2))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


class MelFrontEnd(nn.Module):
    """PCM to log-mel frames; frame t covers samples 160 (t + 1) - 400 up to 160 (t + 1)."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters().T.copy()), persistent=False)

    def initial_state(self, batch: int) -> Tensor:
        """Silence before the first sample: (batch, 240)."""
        return self.window.new_zeros(batch, WINDOW - HOP)

    def forward(self, pcm: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """`pcm` (batch, 160 n) to mels (batch, n, 80) and the next state."""
        joined = torch.cat([state.to(pcm.dtype), pcm], dim=1)
        spectrum = torch.fft.rfft(joined.unfold(1, WINDOW, HOP) * self.window.to(pcm.dtype))
        power = spectrum.real.square() + spectrum.imag.square()
        mel = (power @ self.filters.to(pcm.dtype)).clamp_min(1e-10).log10()
        return ((mel + 4.0) / 4.0).clamp_min(FLOOR), joined[:, joined.shape[1] - (WINDOW - HOP) :]
