"""The path in one process: repeatable, honest about delay and loss, whatever the input."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel, preset_folders, preset_names
from gateway.channel.waveform import WaveformModel
from gateway.codec import Codec
from gateway.codec.level import active_level_db
from gateway.errors import ConfigError
from gateway.protocol.protection_file import load_protection
from gateway.protocol.protection_file import preset_names as protection_names
from gateway.tools.loopback import LoopbackOptions, human_report, run_loopback

CLEAN = ChannelSpec("clean")
SHALLOW = preset_folders()[0] / "cir" / "shallow-water.npz"


def test_a_clean_channel_gives_what_the_codec_gives(small_codec: Codec, speechlike: np.ndarray) -> None:
    result = run_loopback(small_codec, speechlike, CLEAN)
    expected = small_codec.decode(small_codec.encode(speechlike))[: len(speechlike)]
    assert np.array_equal(result.heard, expected)
    assert result.concealed == ()
    assert result.report.voice_bps == 300.0
    assert result.report.frames_played == result.report.frames_sent == 39


def test_a_talker_whom_the_station_has_heard_before_has_his_level(small_codec: Codec, speechlike: np.ndarray) -> None:
    quiet = speechlike * np.float32(0.02)
    level_db = active_level_db(quiet)
    known = run_loopback(small_codec, quiet, CLEAN, LoopbackOptions(level_db=level_db)).heard
    expected = small_codec.decode(small_codec.encode(quiet, level_db=level_db))[: len(quiet)]
    assert np.array_equal(known, expected)
    assert not np.array_equal(known, run_loopback(small_codec, quiet, CLEAN).heard)


@pytest.mark.parametrize("lookahead", [0, 1, 2])
@pytest.mark.parametrize("frames_per_packet", [1, 6])
def test_delay_is_codec_plus_packet_plus_little(
    small_codec: Codec, speechlike: np.ndarray, lookahead: int, frames_per_packet: int
) -> None:
    options = LoopbackOptions(lookahead=lookahead, frames_per_packet=frames_per_packet)
    report = run_loopback(small_codec, speechlike, CLEAN, options).report
    assert report.mouth_to_ear_ms_median is not None
    least = report.algorithmic_delay_ms + (frames_per_packet - 1) * 80
    assert least <= report.mouth_to_ear_ms_median <= least + 80 + 120


def needs_shared_responses(spec: ChannelSpec) -> None:
    """Skip where the impulse responses of the shared folder are not at hand; they are not part of this project."""
    assert spec.model is not None
    try:
        spec.model.check_files()
    except ConfigError as error:
        pytest.skip(f"needs ../shared/traces/uwa_cirset_ray ({error})")


def test_bits_wrong_by_the_waveform_are_mended_with_its_soft_bits(small_codec: Codec, speechlike: np.ndarray) -> None:
    """A real over through modem and water: bare packets mostly fail their check, those with bit protection do not."""
    spec = ChannelSpec("sea", model=WaveformModel(10.0, str(SHALLOW), coding="none"))
    bare = run_loopback(small_codec, speechlike, spec).report
    guarded = run_loopback(
        small_codec, speechlike, spec, LoopbackOptions(protection=load_protection("robust-transparent"))
    ).report
    assert bare.packets_dropped > bare.packets_sent / 2
    assert guarded.packets_dropped == 0
    assert guarded.frames_played == guarded.frames_sent


@pytest.mark.parametrize("name", preset_names())
def test_every_packaged_channel_carries_speech_and_repeats(
    small_codec: Codec, speechlike: np.ndarray, name: str
) -> None:
    spec = load_channel(name)
    if name.startswith("uwa-ray-"):
        needs_shared_responses(spec)
    first, again = (run_loopback(small_codec, speechlike, spec) for _ in range(2))
    assert np.array_equal(first.heard, again.heard)
    report = first.report
    assert report.frames_played + report.frames_concealed > 0
    assert len(first.heard) == len(speechlike)
    assert {k: v for k, v in report.as_dict().items() if k != "real_time_factor"} == {
        k: v for k, v in again.report.as_dict().items() if k != "real_time_factor"
    }


def test_loss_costs_frames_but_no_delay(small_codec: Codec) -> None:
    pcm = (0.1 * np.random.default_rng(1).standard_normal(16_000 * 60)).astype(np.float32)
    clean = run_loopback(small_codec, pcm, CLEAN).report
    lossy = run_loopback(small_codec, pcm, load_channel("loss-10-burst-2")).report
    assert 3 <= lossy.packets_lost <= 30
    assert lossy.frames_concealed >= 3 * lossy.packets_lost  # after 1 s of it there is silence
    assert lossy.mouth_to_ear_ms_median is not None
    assert clean.mouth_to_ear_ms_max is not None
    assert lossy.mouth_to_ear_ms_median <= clean.mouth_to_ear_ms_max + 80


@pytest.mark.parametrize("samples", [0, 1, 1279, 1280, 1281])
def test_very_short_speech(small_codec: Codec, samples: int) -> None:
    result = run_loopback(small_codec, np.full(samples, 0.1, np.float32), CLEAN)
    assert len(result.heard) == samples
    assert "packets" in human_report(result.report)


def test_nothing_gets_through_a_dead_channel(small_codec: Codec, speechlike: np.ndarray) -> None:
    result = run_loopback(small_codec, speechlike, ChannelSpec("dead", loss=1.0))
    assert not result.heard.any()
    assert result.report.packets_lost == result.report.packets_sent
    assert "nothing was played" in human_report(result.report)


def test_bit_errors_are_caught_by_the_checksum(small_codec: Codec) -> None:
    pcm = (0.1 * np.random.default_rng(1).standard_normal(16_000 * 20)).astype(np.float32)
    report = run_loopback(small_codec, pcm, ChannelSpec("noisy", bit_error_rate=0.003)).report
    assert report.packets_dropped > 3
    assert report.counters["rx.dropped.bad_crc"] == report.packets_dropped


def test_report_is_json(small_codec: Codec, speechlike: np.ndarray) -> None:
    names = json.loads(json.dumps(run_loopback(small_codec, speechlike, CLEAN).report.as_dict()))
    assert {"voice_bps", "on_air_bps", "packets_sent", "packets_lost", "packets_late", "frames_concealed"} <= set(names)
    assert {"algorithmic_delay_ms", "mouth_to_ear_ms_median", "real_time_factor"} <= set(names)


def noise(seconds: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(int(16_000 * seconds))).astype(np.float32)


@pytest.mark.parametrize("name", [*protection_names(), "payload-repeat", "stage-one-repeat:distance=15"])
def test_protection_changes_nothing_on_a_clean_channel(small_codec: Codec, speechlike: np.ndarray, name: str) -> None:
    options = LoopbackOptions(protection=load_protection(name))
    result = run_loopback(small_codec, speechlike, CLEAN, options)
    plain = run_loopback(small_codec, speechlike, CLEAN)
    assert np.array_equal(result.heard, plain.heard)
    assert result.report.frames_played == result.report.frames_sent
    assert result.report.frames_recovered == result.report.frames_coarse == result.report.packets_late == 0
    assert result.report.protection in human_report(result.report)


@pytest.mark.parametrize("name", ["payload-repeat:distance=3", "reed-solomon:n=8,k=4"])
def test_what_is_recovered_is_played_in_its_place_as_if_nothing_was_lost(small_codec: Codec, name: str) -> None:
    pcm = noise(20)
    clean = run_loopback(small_codec, pcm, CLEAN)
    lossy = ChannelSpec("lossy", loss=0.08, mean_burst=1)
    chosen = load_protection(name)
    saved = run_loopback(small_codec, pcm, lossy, LoopbackOptions(protection=chosen, seed=2))
    assert saved.report.packets_lost >= 2
    assert saved.report.frames_recovered >= 6
    assert saved.concealed == ()
    assert np.array_equal(saved.heard, clean.heard)
    delay_ms = chosen.delay_packets * 480
    assert saved.report.mouth_to_ear_ms_max is not None
    assert clean.report.mouth_to_ear_ms_max is not None
    assert saved.report.mouth_to_ear_ms_max <= clean.report.mouth_to_ear_ms_max + delay_ms + 20


def test_coarse_frames_stand_in_for_lost_ones(small_codec: Codec) -> None:
    lossy = ChannelSpec("lossy", loss=0.1, mean_burst=1.2)
    options = LoopbackOptions(protection=load_protection("stage-one-repeat:distance=3"), seed=1)
    report = run_loopback(small_codec, noise(30), lossy, options).report
    assert report.packets_lost >= 3
    assert report.frames_coarse >= 12
    assert report.frames_concealed <= 6


def test_bit_protection_uses_packets_that_a_checksum_would_drop(small_codec: Codec) -> None:
    noisy = ChannelSpec("noisy", bit_error_rate=0.01)
    options = LoopbackOptions(protection=load_protection("robust-transparent"))
    report = run_loopback(small_codec, noise(20), noisy, options).report
    assert report.packets_dropped == 0
    assert report.frames_concealed == 0
    assert report.frames_played == report.frames_sent
    plain = run_loopback(small_codec, noise(20), noisy).report
    assert plain.packets_dropped > 20
