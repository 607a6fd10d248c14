"""The report and the profile say what was measured, and the profile is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.probe.figures import BurstResult, Figures, Fit, Notes, RoundTrip, Way, measured_profile
from firmware_bridge.probe.report import json_report, profile_text, text_report
from firmware_bridge.profile import ModemProfile
from gateway.config import parse_toml
from tests.bridge.toy_modem import toy_profile

NOTES = Notes((RoundTrip(26, 1.0),), 2, (BurstResult(Way.THERE, 24, 4, 4, 0.3),), 1)
FIGURES = Figures(Fit(0.1, 0.01, 0.005), 1.0, 1.1, 26, 0.03, 0.2, 0.0, 0.25, 1, 2, 700.0, False)
NOTHING = Figures(None, None, None, 26, None, None, None, None, 0, 8, None, False)


def read(text: str) -> ModemProfile:
    return parse_toml(text, ModemProfile, Path("x.toml"))


def test_the_text_says_all_figures_in_words() -> None:
    profile = toy_profile()
    text = text_report(profile, FIGURES, NOTES, measured_profile(profile, FIGURES, "x"))
    for told in (
        "1.00 s, at most 1.10 s (26 bytes both ways, 1 of 2 answered)",
        "100 ms + 10.00 ms a byte (800 bit/s)",
        "key-up       30 ms, by the profile 20 ms",
        "delay        200 ms",
        "throughput   700 bit/s",
        "lost         there 0 %, back 25 %; 1 damaged",
        "Live voice fits: frames_per_packet",
    ):
        assert told in text


def test_what_was_not_measured_is_said() -> None:
    profile = toy_profile(fixed_ms=9000.0)
    text = text_report(profile, NOTHING, Notes((), 8, (), 0), profile)
    assert "none of 8 probes was answered" in text
    assert "no burst came through" in text
    assert "there not measured" in text
    assert "Live voice does not fit" in text


def test_the_profile_is_one_and_says_what_is_measured() -> None:
    text = profile_text(toy_profile(), FIGURES, "mine", "2026-01-01")
    assert read(text) == measured_profile(toy_profile(), FIGURES, "mine")
    marked = {line.split()[0] for line in text.splitlines() if line.endswith("# measured")}
    assert marked == {"rate_bps", "overhead_bytes", "fixed_ms", "turnaround_ms", "delay_ms", "has_integrity"}
    tabled = toy_profile(airtimes_ms=((1, 10.0), (60, 20.0)))
    assert read(profile_text(tabled, NOTHING, "mine", "2026-01-01")).air.airtimes_ms == ((1, 10.0), (60, 20.0))
    unmarked = profile_text(toy_profile(), NOTHING, "mine", "2026-01-01")
    assert [line.split()[0] for line in unmarked.splitlines() if line.endswith("# measured")] == ["has_integrity"]


def test_too_fast_to_measure_is_no_limit() -> None:
    fast = Figures(Fit(0.001, 0.0, 0.0), 0.1, 0.1, 26, None, 0.0, 0.0, 0.0, 8, 8, 9e5, True)
    text = profile_text(toy_profile(), fast, "fast", "2026-01-01")
    assert read(text).air.rate_bps is None
    assert "too fast" in text


plain = st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.text("abcdefghijklmnop_-1é .", min_size=1, max_size=8)


@given(
    st.dictionaries(keys, plain | st.lists(plain, max_size=3) | st.dictionaries(keys, plain, max_size=3), max_size=5)
)
def test_any_settings_survive(settings: dict[str, object]) -> None:
    profile = toy_profile().model_copy(update={"settings": settings, "description": 'with "quotes" \\ and more'})
    again = read(profile_text(profile, FIGURES, "mine", "2026-01-01"))
    assert again.settings == settings
    assert again.description == profile.description


def test_json_has_stable_names_and_can_be_written() -> None:
    profile = toy_profile()
    found = json_report(profile, "/dev/x", FIGURES, NOTES, measured_profile(profile, FIGURES, "x"))
    again = json.loads(json.dumps(found))
    assert again["figures"]["rate_bps"] == pytest.approx(800)
    assert again["bursts"][0] == {"way": "there", "length": 24, "sent": 4, "received": 4, "spacing_s": 0.3}
    assert again["live"]["fits"] is True
    assert again["air"]["delay_ms"] == 200.0
