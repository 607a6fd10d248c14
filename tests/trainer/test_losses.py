"""Losses are zero for equal inputs, grow with the difference, and reach the decoded side alone."""

from __future__ import annotations

import torch

from gateway.trainer.losses import log_stft_loss


def test_stft_loss_orders_waves_by_likeness() -> None:
    generator = torch.Generator().manual_seed(1)
    voice = 0.3 * torch.randn(1, 16_000, generator=generator)
    noise = 0.03 * torch.randn(1, 16_000, generator=generator)
    assert float(log_stft_loss(voice, voice)) < 1e-4
    near, far = log_stft_loss(voice + noise, voice), log_stft_loss(0 * voice, voice)
    assert float(near) < float(far)
    # Phase does not count: a vocoder is free to choose it.
    assert float(log_stft_loss(-voice, voice)) < 1e-3


def test_stft_loss_has_gradients_even_for_silence() -> None:
    wave = torch.zeros(1, 8000, requires_grad=True)
    log_stft_loss(wave + 1e-4 * torch.randn(1, 8000), torch.randn(1, 8000)).backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()
    assert float(wave.grad.abs().sum()) > 0
