"""Figures of one over against what was put in: delays within 10 ms, shares within 3 %, onsets within 30 ms."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.base import FloatArray
from gateway.codec import Codec
from gateway.field_report import measure
from tests.field_report.made_up import RATE, heard_of, speech

SAID = speech(8.0)


def lag_of(said: FloatArray, heard: FloatArray, low_s: float = -5.0, high_s: float = 10.0) -> measure.Lag | None:
    return measure.lag(measure.envelopes(said), measure.envelopes(heard), low_s, high_s)


@pytest.mark.parametrize("lead_s", [0.0, 0.0123, 0.4, 1.75])
def test_a_known_delay_is_found_within_10_ms_though_the_waveform_is_another(lead_s: float) -> None:
    found = lag_of(SAID, heard_of(SAID, lead_s))
    assert found is not None
    assert found.lag_s == pytest.approx(lead_s, abs=0.010)
    assert found.similarity > 0.6


def test_a_beginning_that_was_never_heard_is_a_negative_lag() -> None:
    found = lag_of(SAID, heard_of(SAID)[int(2.4 * RATE) :])
    assert found is not None
    assert found.lag_s == pytest.approx(-2.4, abs=0.010)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_delay_is_found_with_losses_and_noise(share: float) -> None:
    rng = np.random.default_rng(3)
    heard = heard_of(SAID, 0.7)
    for begin in range(0, len(heard), 6 * 1280):
        if rng.random() < share:
            heard[begin : begin + 6 * 1280] = 0
    heard = heard + (0.01 * rng.standard_normal(len(heard))).astype(np.float32)
    found = lag_of(SAID, heard)
    assert found is not None
    assert found.lag_s == pytest.approx(0.7, abs=0.015)


def test_another_speech_is_not_alike_and_silence_is_nothing() -> None:
    other = lag_of(SAID, heard_of(speech(8.0, seed=77)))
    assert other is None or other.similarity < measure.LEAST_SIMILARITY
    assert lag_of(SAID, np.zeros(RATE, np.float32)) is None
    assert lag_of(np.zeros(0, np.float32), SAID) is None


def test_a_delay_that_steps_in_the_middle_is_seen_where_it_steps() -> None:
    heard = heard_of(SAID, 0.5)
    cut = int(4.5 * RATE)
    stepped = np.concatenate([heard[:cut], np.zeros(int(0.2 * RATE), np.float32), heard[cut:]])
    course = measure.lag_over_time(measure.envelopes(SAID), measure.envelopes(stepped), 0.55)
    early = [lag for at, lag in course if at < 2.5]
    late = [lag for at, lag in course if at > 5.5]
    assert early
    assert late
    assert np.median(early) == pytest.approx(0.5, abs=0.015)
    assert np.median(late) == pytest.approx(0.7, abs=0.015)


def test_onset_is_where_speech_begins_and_no_click_is_one() -> None:
    quiet = np.zeros(RATE, np.float32)
    quiet[3000:3200] = 0.5  # 12 ms: the key
    pcm = np.concatenate([quiet, SAID])
    assert measure.onset_s(measure.envelopes(pcm)) == pytest.approx(1.3, abs=0.08)
    assert measure.onset_s(measure.envelopes(np.zeros(RATE, np.float32))) is None


def test_shares_by_frames_weigh_only_speech() -> None:
    levels = measure.envelopes(SAID)
    speaks = measure.level_steps(levels)
    frames = len(speaks) // 16
    per_frame = speaks[: frames * 16].reshape(frames, 16).sum(axis=1)
    loud, silent = int(np.argmax(per_frame)), int(np.argmin(per_frame))
    whole = measure.delivered_by_frames(levels, 0, frames + 1, (), ())
    assert whole is not None
    assert whole.delivered == 1.0
    assert whole.speech_s == pytest.approx(0.005 * speaks.sum())
    without = measure.delivered_by_frames(levels, 0, frames + 1, ((loud, loud + 1),), ((silent, silent + 1),))
    assert without is not None
    assert without.concealed == pytest.approx(per_frame[loud] / speaks.sum())
    assert without.absent == pytest.approx(per_frame[silent] / speaks.sum())
    late = measure.delivered_by_frames(levels, frames // 2, frames, (), ())
    assert late is not None
    assert late.absent == pytest.approx(speaks[: frames // 2 * 16].sum() / speaks.sum(), abs=0.03)
    assert measure.delivered_by_frames(np.zeros((11, 50)), 0, 3, (), ()) is None


def test_shares_by_sound_find_a_known_gap() -> None:
    heard = heard_of(SAID, 0.3)
    heard[int((0.3 + 3.0) * RATE) : int((0.3 + 5.0) * RATE)] = 0
    levels = measure.envelopes(SAID)
    found = measure.delivered_by_sound(levels, measure.envelopes(heard), 0.3)
    speaks = measure.level_steps(levels)
    assert found is not None
    assert found.delivered == pytest.approx(1 - speaks[600:1000].sum() / speaks.sum(), abs=0.06)


def test_places_of_frames_in_what_was_heard() -> None:
    # First heard frame 4; 6 and 7 never played; half a second of waiting before frame 8.
    assert measure.places_s(4, ((6, 8),), ((8, 8000),), [4, 5, 8, 9]) == pytest.approx([0.0, 0.08, 0.66, 0.74])


def test_no_delay_is_invented_where_the_decoder_makes_nothing_alike(small_codec: Codec) -> None:
    """Weights made up at random: either the true delay, some 20 ms, or none."""
    heard = small_codec.decode(small_codec.encode(SAID[: 2 * RATE]))
    found = lag_of(SAID[: 2 * RATE], heard)
    assert found is None or found.similarity < measure.LEAST_SIMILARITY or abs(found.lag_s) < 0.05
