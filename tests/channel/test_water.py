"""Sound in the sea, held against published values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.water import (
    Noise,
    decibels,
    relaxation_db_per_km,
    simple_sound_speed_m_s,
    snr_db,
    sound_speed_m_s,
    spreading_db,
    thorp_db_per_km,
    transmission_loss_db,
)

MACKENZIE = {
    10: (1442.42, 1483.78, 1515.95, 1540.36),
    1000: (1458.73, 1500.08, 1532.24, 1556.65),
    2000: (1475.53, 1516.83, 1548.94, 1573.30),
    5000: (1527.95, 1568.41, 1599.69, 1623.21),
}
"""By depth, at 0, 10, 20 and 30 degrees C and 30 ppt: examples printed with it at gorbatschow.github.io/SonarDocs
(sound_speed_sea_mackenzie)."""

THORP_TABLE = {
    640: 0.03615,
    1280: 0.08538,
    2560: 0.16469,
    5120: 0.38326,
    10240: 1.19919,
    20480: 4.16885,
    40960: 12.81169,
    81920: 27.26378,
}
"""dB a kilometre by Hz: Weinberg, "Generic Sonar Model", NUSC TD 5971D (1985), table 7, as the tests of the Under Sea
Modeling Library quote it."""

SEA_STATE_NOISE = {1: (2, 50.0), 2: (5, 55.0), 3: (8.5, 61.5), 4: (13.5, 64.5), 5: (19, 66.5)}
"""Beaufort force: (middle of its winds in knots, dB re 1 uPa^2/Hz at 1 kHz), from the reading of Wenz's and Knudsen's
curves in a US Navy sonar course (slideplayer.com/slide/7687332)."""


def test_sound_speed_at_the_published_check_value() -> None:
    # MBARI's Sndspd: "CHECKVALUE: SVEL=1718.774 M/S @ S=40, T=40 DEG C, Z=10000 m".
    assert sound_speed_m_s(40, 40, 10_000) == pytest.approx(1718.774, abs=1e-3)


@pytest.mark.parametrize("depth", MACKENZIE)
def test_sound_speed_is_the_published_table(depth: int) -> None:
    found = [sound_speed_m_s(temperature, 30, depth) for temperature in (0, 10, 20, 30)]
    assert found == pytest.approx(MACKENZIE[depth], abs=0.01)


def test_the_two_formulas_of_sound_speed_agree_where_both_hold() -> None:
    for temperature in (2, 10, 20, 30):
        for salinity in (30, 35, 40):
            for depth in (0, 100, 900):
                plain = simple_sound_speed_m_s(temperature, salinity, depth)
                assert sound_speed_m_s(temperature, salinity, depth) == pytest.approx(plain, abs=1.0)


def test_relaxation_is_the_published_table() -> None:
    for hertz, published in THORP_TABLE.items():
        assert relaxation_db_per_km(hertz / 1000) == pytest.approx(published, rel=0.01)


def test_absorption_is_near_the_published_table() -> None:
    """Its two later terms add up to 10 %: at the low end the constant, at the high end viscosity."""
    for hertz, published in THORP_TABLE.items():
        assert published < thorp_db_per_km(hertz / 1000) < 1.10 * published


@given(st.floats(0.1, 200), st.floats(1.001, 3))
def test_absorption_grows_with_frequency(frequency_khz: float, factor: float) -> None:
    assert thorp_db_per_km(factor * frequency_khz) > thorp_db_per_km(frequency_khz)


def test_spreading() -> None:
    assert spreading_db(1000, 2) == pytest.approx(60)
    assert spreading_db(1000, 1) == pytest.approx(30)
    assert spreading_db(0.1) == 0
    assert transmission_loss_db(2000, 10, 1.5) == pytest.approx(49.52 + 2 * 1.187, abs=0.01)


@pytest.mark.parametrize("beaufort", SEA_STATE_NOISE)
def test_wind_noise_is_near_the_published_levels(beaufort: int) -> None:
    knots, published = SEA_STATE_NOISE[beaufort]
    assert Noise(knots * 0.5144, 0).spectrum_db(1) == pytest.approx(published, abs=2.5)


def test_wind_noise_falls_as_published_above_a_few_kilohertz() -> None:
    """17 dB a decade read from the curves in the course above; -5 dB an octave measured (Reeder, JASA 129, 64)."""
    calm = Noise(8, 0)
    assert 14 < calm.spectrum_db(2) - calm.spectrum_db(20) < 19


def test_noise_has_the_published_shape() -> None:
    """Wenz: turbulence below 10 Hz, traffic to some 200 Hz, wind to 50 kHz and more, then heat."""
    noise = Noise(5, 0.5)
    louder = {f: max(noise.parts_db(f), key=lambda part, f=f: noise.parts_db(f)[part]) for f in (0.003, 0.06, 5, 500)}
    assert list(louder.values()) == ["turbulence", "shipping", "wind", "thermal"]
    # Mellen's thermal noise at 100 kHz: 25 dB re 1 uPa^2/Hz (Wenz, figure 13; Acoustics Today, January 2007, p. 28).
    assert noise.parts_db(100)["thermal"] == pytest.approx(25)
    # Stojanovic (WUWNet 2006): about 50 - 18 log f over the middle of the spectrum, without wind.
    for frequency_khz in (0.3, 1, 3, 10, 30):
        assert Noise(0, 0.5).spectrum_db(frequency_khz) == pytest.approx(50 - 18 * math.log10(frequency_khz), abs=5)


def test_noise_of_a_band_is_the_integral_of_its_spectrum() -> None:
    noise = Noise(5, 0.5)
    narrow = noise.band_db(25, 0.001)
    assert narrow == pytest.approx(noise.spectrum_db(25), abs=0.01)
    halves = [noise.band_db(22.5, 5), noise.band_db(27.5, 5)]
    assert noise.band_db(25, 10) == pytest.approx(decibels(sum(10 ** (half / 10) for half in halves)), abs=0.01)
    assert Noise(5, 0.5, more_db=12).band_db(25, 5) == pytest.approx(12 + noise.band_db(25, 5))


@given(st.floats(1, 40), st.floats(0, 30), st.floats(0, 30), st.floats(0, 1), st.floats(0, 1))
def test_more_wind_or_ships_are_never_quieter(f: float, wind: float, more: float, ships: float, busier: float) -> None:
    plain = Noise(wind, ships).spectrum_db(f)
    assert Noise(min(60, wind + more), ships).spectrum_db(f) >= plain
    assert Noise(wind, max(ships, busier)).spectrum_db(f) >= plain - 1e-9


@given(st.floats(10, 9000), st.floats(1.01, 4), st.floats(8, 40), st.floats(1, 2))
def test_snr_falls_with_range_and_rises_with_the_source(r: float, factor: float, f: float, k: float) -> None:
    noise = Noise()
    near = snr_db(r, 185, noise, f, 4, k)
    assert snr_db(factor * r, 185, noise, f, 4, k) < near
    assert snr_db(r, 188, noise, f, 4, k) == pytest.approx(near + 3)
    assert snr_db(r, 185, Noise(15), f, 4, k) < near


@pytest.mark.parametrize(("key", "value"), [("shipping", 1.5), ("shipping", -1), ("wind_m_s", -1), ("wind_m_s", 99)])
def test_noise_figures_are_checked(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{key}: got"):
        Noise(**{key: value})
