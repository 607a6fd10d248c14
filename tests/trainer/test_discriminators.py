"""Critics can learn to tell two sounds apart, and their losses say who wins."""

from __future__ import annotations

import pytest
import torch

from gateway.trainer.discriminators import PERIODS, RESOLUTIONS, Critics, critics_loss, deception_loss, matching_loss


def tones(count: int) -> torch.Tensor:
    """(count, 4800): harmonic tones of many pitches."""
    t = torch.arange(4800) / 16_000
    pitch = torch.linspace(90, 260, count)[:, None]
    return sum(torch.sin(2 * torch.pi * pitch * k * t) / k for k in range(1, 12)) * 0.1  # type: ignore[return-value]


def test_every_critic_scores_and_keeps_its_layers() -> None:
    judged = Critics(4)(tones(2))
    assert len(judged) == len(PERIODS) + len(RESOLUTIONS)
    assert all(scores.shape[0] == 2 and len(kept) == 4 for scores, kept in judged)


def test_losses_at_the_extremes() -> None:
    sure_real, sure_made = [(torch.full((1, 3), 2.0), [])], [(torch.full((1, 3), -2.0), [])]
    assert critics_loss(sure_real, sure_made).item() == 0.0
    assert critics_loss(sure_made, sure_real).item() == pytest.approx(6.0)
    assert deception_loss(sure_real).item() == 0.0
    assert deception_loss(sure_made).item() == pytest.approx(3.0)


def test_matching_is_nothing_for_the_same_sound_and_teaches_the_made_one_only() -> None:
    critics = Critics(4)
    real, made = tones(2), (tones(2) + 0.05 * torch.randn(2, 4800)).requires_grad_()
    assert matching_loss(critics(real), critics(real)).item() == 0.0
    loss = matching_loss(critics(real), critics(made))
    loss.backward()
    assert loss.item() > 0
    assert made.grad is not None
    assert torch.isfinite(made.grad).all()


def test_critics_learn_to_tell_noise_from_tones() -> None:
    torch.manual_seed(0)
    critics = Critics(4)
    optimizer = torch.optim.AdamW(critics.parameters(), lr=5e-3)
    real = tones(4)
    first = last = 0.0
    for step in range(60):
        made = real.std() * torch.randn(4, 4800)
        loss = critics_loss(critics(real), critics(made))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = (loss.item() if step == 0 else first), loss.item()
    assert last < 0.5 < first
