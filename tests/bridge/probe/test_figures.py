"""Arithmetic of the modem test: lines through points, profiles out of figures, the verdict on voice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.probe.figures import (
    BurstResult,
    Figures,
    Fit,
    Notes,
    RoundTrip,
    Way,
    figures_of,
    fit_line,
    measured_profile,
    voice_fit,
)
from tests.bridge.toy_modem import toy_profile

positive = st.floats(1e-4, 1.0)


@given(positive, positive, st.lists(st.integers(10, 500), min_size=2, max_size=6, unique=True))
def test_a_line_is_found_again(fixed_s: float, byte_s: float, lengths: list[int]) -> None:
    fit = fit_line([(n, fixed_s + n * byte_s, 1 + n % 3) for n in lengths])
    assert fit is not None
    assert fit.seconds(100) == pytest.approx(fixed_s + 100 * byte_s, rel=1e-6)
    assert fit.worst_s < 1e-6


@given(st.lists(st.tuples(st.integers(10, 500), st.floats(0, 10), st.integers(1, 20)), min_size=1, max_size=8))
def test_no_part_of_a_fit_is_below_zero(points: list[tuple[int, float, int]]) -> None:
    fit = fit_line(points)
    assert fit is not None
    assert fit.fixed_s >= 0
    assert fit.byte_s >= 0
    assert all(abs(fit.seconds(n) - s) <= fit.worst_s + 1e-9 for n, s, _ in points)


def test_nothing_measured_is_none_everywhere() -> None:
    profile = toy_profile()
    figures = figures_of(Notes((), 5, (), 0), profile, profile.link_info(), 26)
    assert (figures.air, figures.round_trip_s, figures.delay_s, figures.loss_there) == (None, None, None, None)
    assert figures.throughput_bps is None
    assert measured_profile(profile, figures, "same").air == profile.air


def test_figures_of_some_notes() -> None:
    profile = toy_profile()  # 20 ms key-up
    trips = tuple(RoundTrip(26, seconds) for seconds in (1.0, 1.2, 5.0))
    bursts = (
        BurstResult(Way.THERE, 20, 10, 9, 0.2),
        BurstResult(Way.THERE, 60, 10, 9, 0.4),
        BurstResult(Way.BACK, 60, 10, 5, 0.4),
        BurstResult(Way.BACK, 60, 5, 1, None),
    )
    figures = figures_of(Notes(trips, 4, bursts, 0), profile, profile.link_info(), 26)
    assert figures.air is not None
    assert figures.air.fixed_s == pytest.approx(0.1)
    assert figures.rate_bps == pytest.approx(8 / 0.005)
    assert figures.round_trip_s == 1.2
    assert figures.delay_s == pytest.approx(0.6 - 0.23 - 0.02)
    assert figures.loss_there == pytest.approx(0.1)
    assert figures.loss_back == pytest.approx(0.6)
    assert figures.throughput_bps == pytest.approx(1200)


def test_the_written_profile_keeps_what_the_modem_adds_apart_and_errs_on_the_slow_side() -> None:
    figures = Figures(Fit(0.1, 0.01, 0.005), 1.0, 1.0, 26, 0.03, 0.2, 0.0, 0.0, 8, 8, 700.0, False)
    air = measured_profile(toy_profile(overhead_bytes=4), figures, "x").air
    assert air.rate_bps == pytest.approx(800)
    assert air.overhead_bytes == 4
    assert air.fixed_ms == pytest.approx(100 + 5 - 40)
    assert (air.turnaround_ms, air.delay_ms, air.has_integrity) == (30.0, 200.0, False)
    for n in (10, 60):
        assert measured_profile(toy_profile(), figures, "x").link_info().airtime_s(n) >= 0.1 + 0.01 * n
    table = ((1, 10.0), (60, 20.0))
    assert measured_profile(toy_profile(airtimes_ms=table), figures, "x").link_info().airtime_s(60) >= 0.7
    nothing = Figures(None, None, None, 26, None, None, None, None, 0, 8, None, False)
    assert measured_profile(toy_profile(airtimes_ms=table), nothing, "x").air.airtimes_ms == table
    tight = Figures(Fit(0.0, 0.01, 0.0), None, None, 26, None, None, None, None, 0, 8, None, False)
    assert measured_profile(toy_profile(overhead_bytes=4), tight, "x").air.overhead_bytes == 0


def test_voice_fits_fits_in_longer_packets_or_not_at_all() -> None:
    fits = voice_fit(toy_profile())
    assert fits.row is not None
    assert (fits.verdict.fit.value, fits.row.frames_per_packet) == ("live", 6)
    longer = voice_fit(toy_profile(fixed_ms=600.0, mtu_bytes=128))
    assert longer.row is not None
    assert longer.row.frames_per_packet > 6
    assert longer.verdict.fit.value == "too slow"
    assert voice_fit(toy_profile(fixed_ms=9000.0)).row is None
