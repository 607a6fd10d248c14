"""Calculated error rates against closed forms and a draw."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.waveform.figures import Coding
from gateway.waveform.theory import _products_wrong, bit_error_rate, packet_error_rate, snr_of_ebn0_db


@pytest.mark.parametrize("snr", [0.1, 1.0, 5.0])
def test_one_product_is_differential_psk(snr: float) -> None:
    assert _products_wrong(snr, 1) == pytest.approx(0.5 * math.exp(-snr))
    assert bit_error_rate(10 * math.log10(snr), Coding.NONE) == pytest.approx(0.5 * math.exp(-snr))


def test_sums_of_products_against_a_draw() -> None:
    rng = np.random.default_rng(1)
    count, snr = 4, 0.8
    shape = (400_000, count)
    first, second = (
        np.sqrt(snr) + (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2) for _ in range(2)
    )
    wrong = np.mean((first * second.conj()).real.sum(axis=1) < 0)
    assert _products_wrong(snr, count) == pytest.approx(wrong, rel=0.03)


def test_published_points() -> None:
    """Binary DPSK needs 9.30 dB for 1e-4 (0.5 exp(-x)); the code gains 6 dB there, guard and rate left out."""
    assert bit_error_rate(9.30, Coding.NONE) == pytest.approx(1e-4, rel=0.05)
    assert bit_error_rate(3.2, Coding.CONVOLUTIONAL) < 1e-4 < bit_error_rate(2.9, Coding.CONVOLUTIONAL)
    assert snr_of_ebn0_db(10.0, Coding.NONE) == pytest.approx(10 - 1.38, abs=0.01)
    assert snr_of_ebn0_db(10.0, Coding.CONVOLUTIONAL) == pytest.approx(10 - 1.38 - 3.01, abs=0.01)


@pytest.mark.parametrize("coding", Coding)
def test_rates_fall_with_the_snr_and_stay_shares(coding: Coding) -> None:
    bits = [bit_error_rate(snr_db, coding) for snr_db in range(-20, 30)]
    packets = [packet_error_rate(snr_db, 34, coding) for snr_db in range(-20, 30)]
    assert bits == sorted(bits, reverse=True)
    assert packets == sorted(packets, reverse=True)
    assert all(0 <= p <= 0.5 for p in bits)
    assert all(0 <= p <= 1 for p in packets)
