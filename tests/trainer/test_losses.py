"""Losses are zero for equal inputs, grow with the difference, and reach the decoded side alone."""

from __future__ import annotations

import pytest
import torch

from gateway.trainer.losses import balance_loss, log_stft_loss


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


def test_balance_minds_a_dent_that_stays_and_not_one_that_passes() -> None:
    clean = torch.zeros(2, 100, 80)
    dent, passing = clean.clone(), clean.clone()
    dent[:, :, 10:18] -= 0.2
    passing[:, :50, 10:18] -= 0.2
    passing[:, 50:, 10:18] += 0.2
    assert float(balance_loss(dent, clean)) == pytest.approx(0.02)
    assert float(balance_loss(passing, clean)) == pytest.approx(0.0, abs=1e-6)
