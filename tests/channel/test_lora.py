"""LoRa against its maker's figures and against symbols counted through a simulated receiver."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.channel.impairments import Channel
from gateway.channel.lora import (
    LoraModel,
    LoraRadio,
    airtime_s,
    least_snr_db,
    sensitivity_dbm,
    symbol_bit_errors,
)
from gateway.channel.spec_file import load_channel
from gateway.channel.vhf import Motion

PRESETS = {7: "lora-sf7", 9: "lora-sf9", 10: "lora-sf10", 12: "lora-sf12"}


@pytest.mark.parametrize(
    ("spreading", "coding", "n_bytes", "expected_ms"),
    [(7, 1, 10, 41.216), (7, 1, 22, 56.576), (9, 1, 10, 144.384), (12, 1, 10, 991.232), (10, 4, 51, 886.784)],
)
def test_air_time_as_the_makers_calculator_says(spreading: int, coding: int, n_bytes: int, expected_ms: float) -> None:
    assert 1000 * airtime_s(spreading, 125e3, coding, n_bytes) == pytest.approx(expected_ms, abs=0.01)


@pytest.mark.parametrize(
    ("spreading", "snr_db", "dbm"), [(7, -7.5, -124.5), (8, -10, -127), (10, -15, -132), (12, -20, -137)]
)
def test_sensitivity_by_spreading_factor(spreading: int, snr_db: float, dbm: float) -> None:
    assert least_snr_db(spreading) == snr_db
    assert sensitivity_dbm(spreading, 125e3) == pytest.approx(dbm, abs=0.6)


def test_bit_errors_of_a_simulated_receiver() -> None:
    """SF7: the largest of 128 correlations decides; half the bits of a wrong symbol are wrong."""
    rng = np.random.default_rng(1)
    for snr_db in (-12.0, -10.0):
        energy = 128 * 10 ** (snr_db / 10)
        outputs = (rng.standard_normal((20_000, 128)) + 1j * rng.standard_normal((20_000, 128))) / math.sqrt(2)
        outputs[:, 0] += math.sqrt(energy)
        wrong = np.mean(np.argmax(np.abs(outputs), axis=1) != 0) * 64 / 127
        theory = symbol_bit_errors(7, np.array([10 ** (snr_db / 10)]))[0]
        assert theory == pytest.approx(wrong, rel=0.2)


@pytest.mark.parametrize("spreading", range(7, 13))
def test_the_least_snr_is_where_packets_begin_to_fail(spreading: int) -> None:
    model = LoraModel(spreading)
    least_db = least_snr_db(spreading)
    assert model.packet_loss(np.array([least_db]), 22) < 0.05
    assert model.packet_loss(np.array([least_db - 4]), 22) > 0.9


def test_coding_4_8_corrects_what_4_5_only_finds() -> None:
    at_db = np.array([-8.5])
    plain, strong = (LoraModel(7, coding).packet_loss(at_db, 22) for coding in (1, 4))
    assert strong < plain / 5


@pytest.mark.parametrize(("spreading", "name"), PRESETS.items())
def test_presets_are_on_the_air_as_long_as_a_chip(spreading: int, name: str) -> None:
    spec = load_channel(name)
    model = spec.model
    assert isinstance(model, LoraModel)
    assert (model.spreading, model.radio) == (spreading, LoraRadio())
    for n_bytes in range(10, 60):
        step_s = (4 + model.coding) * 2**spreading / 125e3  # the chip sends in blocks of this
        expected_s = airtime_s(spreading, 125e3, model.coding, n_bytes)
        assert spec.airtime_s(n_bytes) == pytest.approx(expected_s, abs=0.55 * step_s)


@pytest.mark.parametrize("name", PRESETS.values())
def test_presets_carry_most_of_what_fits_the_air(name: str) -> None:
    channel = Channel(load_channel(name), np.random.default_rng(2))
    arrived = [bool(channel.send(bytes(22), 2.0 * i)) for i in range(3000)]
    assert 0.6 < np.mean(arrived) < 0.99
    assert set(channel.causes) == {"too weak"}


def test_a_packet_in_a_fade_is_too_weak() -> None:
    path = LoraModel(motion=Motion(30.0)).start(np.random.default_rng(1), 0.0)
    found = path.conditions(22, 0.0, 0.05)
    assert (found.loss, found.cause) == (1.0, "too weak")


def test_a_table_of_the_radio_keeps_the_other_figures_of_lora() -> None:
    from gateway.channel.models import build_model

    model = build_model({"kind": "lora", "radio": {"power_dbm": 20}})
    assert model == LoraModel(radio=LoraRadio(power_dbm=20))


def test_figures_out_of_range() -> None:
    with pytest.raises(ValueError, match="spreading: got 13"):
        LoraModel(13)
    with pytest.raises(ValueError, match="coding: got 0"):
        LoraModel(coding=0)
