"""Curves of modems at the points that define them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.acoustic_modem import AcousticModem, ModemKind


def test_a_packet_modem_at_its_three_points() -> None:
    curve = AcousticModem(half_db=4, width_db=2)
    assert [curve.packet_success(snr) for snr in (3, 4, 5)] == pytest.approx([0.1, 0.5, 0.9])
    assert curve.packet_success(-1e6) == curve.packet_success(-math.inf) == 0
    assert curve.packet_success(1e6) == 1


def test_fsk_at_a_published_point() -> None:
    """Proakis, figure 5.4-5: noncoherent orthogonal binary FSK needs 13.35 dB of Eb/N0 for one wrong bit in 10^5."""
    curve = AcousticModem(ModemKind.FSK, bit_rate_bps=100)
    at_13_35_db = np.array([10**1.335 * 100 / 4000])
    assert curve.bit_error_rate(at_13_35_db, 4) == pytest.approx(1e-5, rel=0.03)
    assert curve.bit_error_rate(np.zeros(3), 4) == 0.5
    assert curve.bit_error_rate(np.array([0.0, 1e9]), 4) == pytest.approx(0.25)


@given(st.floats(-30, 30), st.floats(0.01, 10), st.floats(1, 5000))
def test_more_signal_is_never_worse(snr_db: float, more_db: float, rate: float) -> None:
    curve = AcousticModem(ModemKind.FSK, bit_rate_bps=rate)
    weak, strong = (np.array([10 ** (level / 10)]) for level in (snr_db, snr_db + more_db))
    assert curve.bit_error_rate(strong, 4) <= curve.bit_error_rate(weak, 4)
    assert curve.packet_success(snr_db + more_db) >= curve.packet_success(snr_db)


@pytest.mark.parametrize("key", ["width_db", "bit_rate_bps"])
def test_figures_are_checked(key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: got 0; needed: above 0"):
        AcousticModem(**{key: 0.0})
