"""The vocoder's frame: perfect reconstruction by its basis, constant lag, bounded level."""

from __future__ import annotations

import torch

from gateway.codec.spec import HOP, SYNTHESIS_DELAY, WINDOW, CodecSpec
from gateway.codec.vocoder import BINS, Vocoder, overlap_add, synthesis_basis


def test_analysis_then_synthesis_is_the_identity_with_a_lag_of_240_samples() -> None:
    wave = torch.randn(1, HOP * 50, generator=torch.Generator().manual_seed(1))
    window = torch.hann_window(WINDOW)
    padded = torch.nn.functional.pad(wave, (SYNTHESIS_DELAY, 0))
    spectrum = torch.fft.rfft(padded.unfold(1, WINDOW, HOP) * window)
    frames = torch.cat([spectrum.real, spectrum.imag], dim=-1) @ synthesis_basis()
    samples, tail = overlap_add(frames, torch.zeros(1, SYNTHESIS_DELAY))
    assert samples.shape == wave.shape
    assert torch.allclose(samples[:, SYNTHESIS_DELAY:], wave[:, :-SYNTHESIS_DELAY], atol=1e-4)
    assert tail.shape == (1, SYNTHESIS_DELAY)


def test_overlap_add_in_chunks_is_the_same() -> None:
    frames = torch.randn(2, 30, WINDOW)
    whole, last = overlap_add(frames, torch.zeros(2, SYNTHESIS_DELAY))
    tail, parts = torch.zeros(2, SYNTHESIS_DELAY), []
    for part in frames.split([1, 2, 3, 8, 16], dim=1):
        samples, tail = overlap_add(part, tail)
        parts.append(samples)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)
    assert torch.allclose(tail, last, atol=1e-5)


def test_absurd_mels_stay_finite() -> None:
    torch.manual_seed(1)
    vocoder = Vocoder(CodecSpec(vocoder_width=32, vocoder_depth=2)).requires_grad_(False)
    assert vocoder.head.out_features == 2 * BINS
    for scale in (0.0, 1.0, 1e6):
        wave, _ = vocoder(scale * torch.randn(1, 80, 80), vocoder.initial_state(1))
        assert torch.isfinite(wave).all()
        assert wave.shape == (1, 80 * HOP)
