"""The modem and the water as a path: what arrives is what the modem made of it, and depends on time alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.models import build_model
from gateway.channel.spec_file import load_channel, load_channel_process, preset_folders, preset_names
from gateway.channel.waveform import WaveformModel, WaveformPath
from gateway.errors import ConfigError
from gateway.waveform.figures import Coding, airtime_s

SET = preset_folders()[0] / "cir" / "shallow-water.npz"
DATA = bytes(range(34))
PRESETS = [name for name in preset_names() if isinstance(load_channel(name).model, WaveformModel)]


def path(model: WaveformModel, seed: int = 1, start_s: float = 0.0) -> WaveformPath:
    return model.start(np.random.default_rng(seed), start_s)


def wrong_bits(received: bytes, sent: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(received, sent, strict=True))


def test_a_clear_packet_arrives_as_it_was_sent() -> None:
    found = path(WaveformModel(20.0, str(SET))).carry(DATA, 1.0, 1.4)
    assert found.received == DATA
    assert found.loss == 0.0
    assert found.snr_db == pytest.approx(20.0, abs=4.0)
    assert abs(found.doppler_hz) < 0.5
    assert found.one_probability is not None
    assert np.array_equal(np.packbits(np.array(found.one_probability) > 0.5), np.frombuffer(DATA, np.uint8))


def test_a_damaged_packet_arrives_damaged_with_bits_that_know_it() -> None:
    found = path(WaveformModel(3.0, str(SET), coding="none")).carry(DATA, 1.0, 1.4)
    assert found.received is not None
    assert len(found.received) == len(DATA)
    wrong = np.unpackbits(np.frombuffer(found.received, np.uint8) ^ np.frombuffer(DATA, np.uint8)).astype(bool)
    assert 3 < wrong.sum() < 60
    sureness = np.abs(np.array(found.one_probability) - 0.5)
    assert sureness[wrong].mean() < 0.7 * sureness[~wrong].mean()


def test_what_arrives_depends_on_time_alone() -> None:
    model = WaveformModel(4.0, str(SET), coding="none")
    often, seldom = path(model), path(model)
    for begin_s in np.arange(0.0, 5.0, 0.5):
        often.carry(DATA, begin_s, begin_s + 0.4)
    assert often.carry(DATA, 6.0, 6.4) == seldom.carry(DATA, 6.0, 6.4)
    later = path(model, start_s=1000.0)
    assert later.carry(DATA, 1006.0, 1006.4) == seldom.carry(DATA, 6.0, 6.4)
    assert seldom.carry(DATA, 6.5, 6.9) != seldom.carry(DATA, 6.0, 6.4)
    assert path(model, seed=2).carry(DATA, 6.0, 6.4) != seldom.carry(DATA, 6.0, 6.4)


def test_conditions_are_those_of_some_packet() -> None:
    found = path(WaveformModel(20.0)).conditions(12, 0.0, 0.3)
    assert found.received == bytes(12)


@pytest.mark.parametrize(
    ("model", "data", "cause"),
    [
        (WaveformModel(-15.0), DATA, "no_preamble"),
        (WaveformModel(20.0), bytes(256), "oversize"),
        (WaveformModel(20.0, checksum="crc"), bytes(254), "oversize"),
        (WaveformModel(3.0, coding="none", checksum="crc"), bytes(200), "bad_checksum"),
    ],
)
def test_what_is_lost_is_lost_for_a_reason(model: WaveformModel, data: bytes, cause: str) -> None:
    channel = Channel(ChannelSpec("x", model=model), np.random.default_rng(1))
    assert channel.send(data, 0.0) == ()
    assert channel.causes == {cause: 1}
    assert channel.stats.faded == 1


def test_with_a_checksum_packets_are_whole() -> None:
    model = WaveformModel(2.5, str(SET), checksum="crc")
    assert not model.damages_bits
    channel = Channel(ChannelSpec("x", model=model), np.random.default_rng(1))
    found = [delivery for n in range(40) for delivery in channel.send(DATA, n * 0.5)]
    assert 3 < len(found) < 38
    assert all(each.data == DATA and each.one_probability is None for each in found)
    assert channel.stats.bit_errors == 0
    assert set(channel.causes) <= {"bad_checksum", "bad_header", "no_preamble"}


def test_a_channel_hands_on_and_counts_what_the_modem_heard() -> None:
    spec = ChannelSpec("x", model=WaveformModel(4.0, str(SET), coding="none"))
    assert spec.damages_bits
    channel = Channel(spec, np.random.default_rng(1))
    found = [delivery for n in range(10) for delivery in channel.send(DATA, n * 0.5)]
    assert len(found) == channel.stats.delivered == 10
    assert channel.stats.bit_errors == sum(wrong_bits(each.data, DATA) for each in found) > 10
    assert all(len(each.one_probability or ()) == 8 * len(DATA) for each in found)


def test_a_table_is_a_model() -> None:
    model = build_model({"kind": "waveform", "snr_db": 5, "file": "x.npz", "coding": "none", "speed_m_s": -1.5})
    assert model == WaveformModel(5.0, "x.npz", coding="none", speed_m_s=-1.5)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "model.snr_db"),
        ({"snr_db": 200}, r"model.snr_db: got 200; needed: -20 to 60"),
        ({"snr_db": 5, "speed_m_s": 12}, "model.speed_m_s: got 12"),
        ({"snr_db": 5, "coding": "turbo"}, "model.coding"),
        ({"snr_db": 5, "tap_rate": 8000}, "model.tap_rate: unknown key"),
    ],
)
def test_a_wrong_table_is_named(table: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build_model({"kind": "waveform", **table})


def test_a_missing_set_is_told_when_the_path_starts_and_before_a_process_does(tmp_path: Path) -> None:
    text = '[model]\nkind = "waveform"\nsnr_db = 5\nfile = "gone.npz"\n'
    (tmp_path / "mine.toml").write_text(text)
    spec = load_channel(tmp_path / "mine.toml")
    assert spec.model == WaveformModel(5.0, str(tmp_path / "gone.npz")), "a path counts from the file's folder"
    with pytest.raises(ConfigError, match=r"gone.npz: no such file"):
        Channel(spec, np.random.default_rng(1))
    (tmp_path / "net.toml").write_text('endpoint = "tcp://127.0.0.1:5600"\n[channel]\nfile = "mine.toml"\n')
    with pytest.raises(ConfigError, match=r"gone.npz: no such file"):
        load_channel_process(tmp_path / "net.toml")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_count_as_much_air_time_as_the_waveform_takes(name: str) -> None:
    """Never less, and at most a symbol more: the rate is a straight line over the waveform's steps."""
    spec = load_channel(name)
    assert isinstance(spec.model, WaveformModel)
    more = 2 if spec.model.checksum == "crc" else 0
    assert spec.mtu_bytes is not None
    assert spec.mtu_bytes + more <= 255
    for n_bytes in range(1, spec.mtu_bytes + 1):
        exact = airtime_s(n_bytes + more, Coding(spec.model.coding))
        assert exact <= spec.airtime_s(n_bytes) < exact + 0.055


def test_the_packaged_presets_are_there() -> None:
    assert set(PRESETS) >= {"uwa-shallow", "uwa-ray-calm", "uwa-ray-edge", "uwa-ray-uncoded"}
