"""The underwater path: levels, echoes, fading and outcome put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gateway.channel.acoustic_modem import AcousticModem, ModemKind
from gateway.channel.conditions import Conditions
from gateway.channel.impairments import Channel, ChannelSpec, Delivery
from gateway.channel.models import build_model
from gateway.channel.underwater import UnderwaterModel
from gateway.channel.water import Noise, decibels, snr_db

OPEN = UnderwaterModel(range_m=2000, frequency_khz=12, bandwidth_khz=4, spreading=2, source_level_db=170)
SHALLOW = UnderwaterModel(range_m=1000, water_depth_m=30, source_depth_m=8, receiver_depth_m=20, window_ms=200)


def met(model: UnderwaterModel, count: int, every_s: float = 5.0, seed: int = 1, n_bytes: int = 20) -> list[Conditions]:
    path = model.start(np.random.default_rng(seed), 100.0)
    return [path.conditions(n_bytes, 100 + i * every_s, 100 + i * every_s + 0.3) for i in range(count)]


def test_open_water_means_what_the_sonar_equation_says() -> None:
    expected = snr_db(2000, 170, Noise(5, 0.5), 12, 4, exponent=2)
    assert decibels(OPEN.taps(2000).mean_snr) == pytest.approx(expected, abs=1e-6)
    found = met(replace(OPEN, drift_m_s=0.5), 4000)
    assert decibels(np.mean([10 ** ((c.snr_db or 0) / 10) for c in found])) == pytest.approx(expected, abs=0.2)


def test_sound_takes_its_time() -> None:
    assert met(OPEN, 1)[0].delay_s == pytest.approx(2000 / OPEN.sound_speed_m_s)
    assert OPEN.usual_delay_s == met(OPEN, 1)[0].delay_s
    straight = (1000**2 + 12**2) ** 0.5 / SHALLOW.sound_speed_m_s
    assert met(SHALLOW, 1)[0].delay_s == pytest.approx(straight)


def test_the_fading_of_one_way_is_rices() -> None:
    """Power over its mean against the non-central chi-square with a Rice factor of 5 dB."""
    model = replace(OPEN, rice_db=5, drift_m_s=0.02)
    mean = OPEN.taps(2000).mean_snr
    powers = [10 ** ((met(model, 1, seed=seed)[0].snr_db or 0) / 10) / mean for seed in range(1500)]
    k = 10**0.5
    rice = stats.ncx2(2, 2 * k, scale=1 / (2 * (1 + k)))
    assert stats.kstest(powers, rice.cdf).pvalue > 0.02
    assert stats.kstest(powers, "expon").pvalue < 0.001


def test_many_echoes_fade_less_than_one() -> None:
    """A wide band tells echoes apart, a narrow one does not: with it the level swings more."""

    def swing_db(bandwidth_khz: float) -> float:
        model = replace(SHALLOW, bandwidth_khz=bandwidth_khz)
        return float(np.std([c.snr_db for c in met(model, 400, every_s=30)]))

    assert swing_db(0.1) > 1.5 * swing_db(8)


def test_a_short_window_hears_its_own_echoes_as_noise() -> None:
    wide, narrow = SHALLOW.taps(1000), replace(SHALLOW, window_ms=1.0).taps(1000)
    assert wide.late == 0
    assert narrow.late > 10
    assert narrow.mean_snr < wide.mean_snr / 10
    # An echo that leaves the window as the range shrinks does so gradually.
    model = replace(SHALLOW, window_ms=10)
    levels = [decibels(model.taps(float(range_m)).mean_snr) for range_m in range(200, 3000, 5)]
    assert max(abs(np.diff(levels))) < 1.0


@settings(max_examples=30, deadline=None)
@given(st.floats(50, 4000), st.floats(1.2, 3))
def test_further_is_never_clearer_in_open_water(range_m: float, factor: float) -> None:
    assert OPEN.taps(range_m * factor).mean_snr < OPEN.taps(range_m).mean_snr


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 20), st.floats(1, 20), st.floats(1, 20))
def test_wind_noise_and_level_count_as_they_should(wind: float, more: float, db: float) -> None:
    plain = replace(SHALLOW, wind_m_s=wind).taps(1000).mean_snr
    assert replace(SHALLOW, wind_m_s=wind + more).taps(1000).mean_snr < plain
    assert replace(SHALLOW, wind_m_s=wind, noise_db=db).taps(1000).mean_snr < plain
    louder = replace(SHALLOW, wind_m_s=wind, source_level_db=SHALLOW.source_level_db + db).taps(1000)
    assert louder.mean_snr == pytest.approx(plain * 10 ** (db / 10))


def test_a_rougher_sea_fades_faster() -> None:
    calm, rough = replace(SHALLOW, wind_m_s=2).taps(1000), replace(SHALLOW, wind_m_s=12).taps(1000)
    assert rough.spread_hz.max() > 3 * calm.spread_hz.max()
    assert calm.spread_hz.max() < 5


def test_doppler_of_a_vessel_that_sails_out_and_back() -> None:
    model = replace(OPEN, range_m=500, until_m=560, speed_m_s=2.0)
    found = met(model, 8, every_s=10)
    shift = 2 * 12_000 / model.sound_speed_m_s
    signs = [round((c.doppler_hz or 0) / shift) for c in found]
    assert signs == [-1, -1, -1, 1, 1, 1, -1, -1]
    ranges = [c.delay_s * model.sound_speed_m_s for c in found]
    assert ranges == pytest.approx([500, 520, 540, 560, 540, 520, 500, 520])
    too_fast = met(replace(model, most_speed_m_s=1.5), 3)
    assert [(c.loss, c.cause) for c in too_fast] == [(1.0, "doppler")] * 3


def test_slow_swell_moves_the_level_by_its_deviation() -> None:
    model = replace(OPEN, slow_db=4, rice_db=60)
    firsts = [met(model, 1, seed=seed)[0].snr_db for seed in range(800)]
    assert np.std(firsts) == pytest.approx(4, rel=0.1)


def test_loss_follows_the_curve_of_a_packet_modem() -> None:
    mean_db = decibels(OPEN.taps(2000).mean_snr)
    for offset, share in ((0, 0.5), (1, 0.1), (-1, 0.9)):
        modem = AcousticModem(half_db=mean_db + offset, width_db=2)
        found = met(replace(OPEN, rice_db=60, modem=modem), 1)[0]
        assert 1 - found.loss == pytest.approx(share, abs=0.01)
        assert found.bit_error_rate == 0


def test_fsk_loses_packets_or_hands_on_their_bits() -> None:
    weak = replace(OPEN, source_level_db=147, rice_db=60)
    lost = met(replace(weak, modem=AcousticModem(ModemKind.FSK, bit_rate_bps=1000)), 1, n_bytes=10)[0]
    bits = replace(weak, modem=AcousticModem(ModemKind.FSK_BITS, bit_rate_bps=1000))
    found = met(bits, 1, n_bytes=10)[0]
    assert 0.001 < found.bit_error_rate < 0.3
    assert found.loss == 0
    assert lost.loss == pytest.approx(1 - (1 - found.bit_error_rate) ** 80)
    assert bits.damages_bits
    assert not weak.damages_bits
    longer = met(replace(bits, modem=AcousticModem(ModemKind.FSK, bit_rate_bps=1000)), 1, n_bytes=40)[0]
    assert longer.loss > lost.loss


def test_the_same_seed_gives_the_same_deliveries_to_the_byte() -> None:
    spec = ChannelSpec("x", rate_bps=800, model=replace(SHALLOW, slow_db=3, modem=AcousticModem(half_db=48)))

    def run(seed: int) -> list[Delivery]:
        channel = Channel(spec, np.random.default_rng(seed))
        return [got for index in range(300) for got in channel.send(bytes([index % 256]) * 12, index * 0.9)]

    assert run(5) == run(5)
    assert 30 < len(run(5)) < 270
    assert run(5) != run(6)


def test_what_a_packet_meets_does_not_depend_on_who_else_was_sent() -> None:
    often, rarely = (SHALLOW.start(np.random.default_rng(3), 0.0) for _ in range(2))
    for tenth in range(1, 200):
        often.conditions(20, tenth / 10, tenth / 10 + 0.05)
    assert often.conditions(20, 50.0, 50.5) == rarely.conditions(20, 50.0, 50.5)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rang_m": 5}, "model.rang_m: unknown key of model 'underwater'; did you mean range_m"),
        ({"wind_m_s": 99}, "wind_m_s: got 99; needed: 0 to 60"),
        ({"frequency_khz": 10, "bandwidth_khz": 30}, "bandwidth_khz: got 30; the band must stay above 0"),
        ({"water_depth_m": 5}, "source_depth_m: got 10; needed: within the 5 m of water"),
        ({"speed_m_s": 2}, "speed_m_s: needs until_m"),
        ({"bottom": "mud"}, "model.bottom"),
        ({"modem": {"kind": "fks"}}, "model.modem.kind"),
        ({"modem": {"width_db": 0}}, "width_db: got 0"),
        ({"range_m": -1}, "range_m: got -1"),
    ],
)
def test_mistakes_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_model({"kind": "underwater", **table})
