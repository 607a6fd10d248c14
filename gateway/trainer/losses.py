"""Loss terms, each a function of tensors; weights are the recipe's."""

from __future__ import annotations

import torch
from torch import Tensor


def log_stft_loss(wave: Tensor, target: Tensor) -> Tensor:
    """Multi-resolution STFT distance: L1 of log magnitudes plus spectral convergence (Yamamoto et al. 2020)."""
    total = wave.new_zeros(())
    sizes = ((256, 64), (512, 128), (1024, 256), (2048, 512))
    for size, hop in sizes:
        window = torch.hann_window(size, device=wave.device)
        a = torch.stft(wave, size, hop, window=window, return_complex=True).abs()
        b = torch.stft(target, size, hop, window=window, return_complex=True).abs()
        floor = 1e-3
        log_term = ((a + floor).log() - (b + floor).log()).abs().mean()
        convergence = torch.linalg.vector_norm(a - b) / (torch.linalg.vector_norm(b) + 1e-3)
        total = total + log_term + 0.5 * convergence
    return total / len(sizes)


def balance_loss(mel: Tensor, clean: Tensor) -> Tensor:
    """Mean distance of the bands' means over a clip, of mels (batch, frames, 80).

    A dent in the spectrum that stays: L1 frame by frame forgives it, a recogniser may like it, and people hear it.
    """
    return (mel.mean(1) - clean.mean(1)).abs().mean()
