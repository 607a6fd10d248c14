"""Critics for the vocoder: waveforms folded by periods, and spectrograms at several resolutions.

Rule: only training knows these. Multi-period after Kong et al. 2020 (HiFi-GAN), multi-resolution after Jang et al. 2021
(UnivNet) and Siuzdak 2023 (Vocos), narrow enough for a CPU; hinge losses and feature matching as there.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))
"""FFT size and hop, in samples."""
SLOPE = 0.1

Judgement = tuple[Tensor, list[Tensor]]
"""Scores, and the layers that led to them."""


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    padding = (kernel[0] // 2, kernel[1] // 2)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    # PyTorch's default shrinks the signal layer by layer: such a critic would see nothing for hundreds of steps.
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return weight_norm(layer)  # type: ignore[no-any-return]


class _Critic(nn.Module):
    """A stack of convolutions whose every output is kept for feature matching."""

    def __init__(self, layers: list[nn.Conv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.last = _conv(layers[-1].out_channels, 1, (3, 3))

    def judge(self, x: Tensor) -> Judgement:
        """(batch, 1, height, width) to scores and layers."""
        kept = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            kept.append(x)
        return self.last(x), kept


class PeriodCritic(_Critic):
    """Sees every `period`-th sample in a row."""

    def __init__(self, period: int, width: int) -> None:
        widths = (1, width, 2 * width, 4 * width, 4 * width)
        super().__init__([_conv(a, b, (5, 1), (3, 1)) for a, b in pairwise(widths)])
        self.period = period

    def forward(self, wave: Tensor) -> Judgement:
        whole = wave[:, : wave.shape[1] // self.period * self.period]
        return self.judge(whole.view(wave.shape[0], 1, -1, self.period))


class SpectrumCritic(_Critic):
    """Sees magnitudes of one short-time transform, compressed."""

    window: Tensor

    def __init__(self, size: int, hop: int, width: int) -> None:
        super().__init__(
            [
                _conv(1, width, (3, 9)),
                _conv(width, width, (3, 9), (1, 2)),
                _conv(width, width, (3, 9), (1, 2)),
                _conv(width, width, (3, 3)),
            ]
        )
        self.size, self.hop = size, hop
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, wave: Tensor) -> Judgement:
        spectrum = torch.stft(wave, self.size, self.hop, window=self.window, return_complex=True)
        # Compressed, or loud harmonics are all that counts; the small constant keeps the gradient finite in silence.
        power = spectrum.real.square() + spectrum.imag.square()
        return self.judge((power + 1e-5).pow(0.15).transpose(1, 2)[:, None])


class Critics(nn.Module):
    """All of them over waveforms (batch, samples)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.critics = nn.ModuleList(
            [
                *(PeriodCritic(period, width) for period in PERIODS),
                *(SpectrumCritic(size, hop, width) for size, hop in RESOLUTIONS),
            ]
        )

    def forward(self, wave: Tensor) -> list[Judgement]:
        return [critic(wave) for critic in self.critics]


def critics_loss(of_real: list[Judgement], of_made: list[Judgement]) -> Tensor:
    """Hinge: real speech above 1, made speech below -1; mean over the critics."""
    terms = [
        F.relu(1 - real.float()).mean() + F.relu(1 + made.float()).mean()
        for (real, _), (made, _) in zip(of_real, of_made, strict=True)
    ]
    return torch.stack(terms).mean()


def deception_loss(of_made: list[Judgement]) -> Tensor:
    """Hinge for the vocoder: made speech above 1."""
    return torch.stack([F.relu(1 - made.float()).mean() for made, _ in of_made]).mean()


def matching_loss(of_real: list[Judgement], of_made: list[Judgement]) -> Tensor:
    """L1 between the critics' layers for real and for made speech, each over the mean size of the real one."""
    terms = [
        (a.float().detach() - b.float()).abs().mean() / (a.float().detach().abs().mean() + 1e-4)
        for (_, real), (_, made) in zip(of_real, of_made, strict=True)
        for a, b in zip(real, made, strict=True)
    ]
    return torch.stack(terms).mean()
