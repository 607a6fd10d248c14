"""Air time by a measured table, in all that knows one, and EvoLogics' against what was measured."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.profile import load_profile
from gateway.airtimes import airtime_ms, check_airtimes
from gateway.channel.impairments import ChannelSpec
from gateway.channel.measured import EVOLOGICS_S2C_AIRTIME_MS
from gateway.protocol.live import LinkProfile

SHARED = Path(__file__).parents[2] / "shared" / "traces" / "measured" / "evologics_im_airtime.csv"
TABLE = ((1, 100.0), (11, 200.0), (21, 400.0))
PROFILES = ("evologics-s2c", "evologics-s2c-serial")


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("size", "measured_ms"), EVOLOGICS_S2C_AIRTIME_MS)
def test_the_evologics_profiles_are_within_2_percent_of_the_measurement(
    name: str, size: int, measured_ms: float
) -> None:
    assert 1000 * load_profile(name).link_info().airtime_s(size) == pytest.approx(measured_ms, rel=0.02)


@pytest.mark.parametrize("name", PROFILES)
def test_their_rule_of_thumb_is_near_the_table_where_voice_is(name: str) -> None:
    air = load_profile(name).air
    assert air.rate_bps is not None
    for size, measured_ms in EVOLOGICS_S2C_AIRTIME_MS[1:]:
        assert air.fixed_ms + size * 8000 / air.rate_bps == pytest.approx(measured_ms, rel=0.02)


@pytest.mark.skipif(
    not SHARED.is_file() and not os.environ.get("CI"), reason="the shared folder of measured tables is not here"
)
def test_the_table_shipped_is_the_one_measured() -> None:
    if not SHARED.is_file():
        pytest.skip("CI has no shared folder: the shipped table stands for itself")
    rows = list(csv.DictReader(SHARED.read_text().splitlines()))
    found = tuple((int(row["size_bytes"]), 1000 * float(row["airtime_s"])) for row in rows)
    assert [size for size, _ in found] == [size for size, _ in EVOLOGICS_S2C_AIRTIME_MS]
    assert [ms for _, ms in found] == pytest.approx([ms for _, ms in EVOLOGICS_S2C_AIRTIME_MS])


def test_lines_between_and_beyond() -> None:
    assert [airtime_ms(TABLE, n) for n in (1, 6, 11, 16, 21, 31)] == [100, 150, 200, 300, 400, 600]
    assert airtime_ms(TABLE, 0) == 90


@given(st.integers(0, 2000), st.integers(0, 100))
def test_longer_packets_never_take_less(n_bytes: int, more: int) -> None:
    assert airtime_ms(EVOLOGICS_S2C_AIRTIME_MS, n_bytes + more) >= airtime_ms(EVOLOGICS_S2C_AIRTIME_MS, n_bytes)


def test_channel_and_arithmetic_use_it() -> None:
    spec = ChannelSpec("x", rate_bps=800, airtimes_ms=TABLE)
    assert spec.airtime_s(16) == LinkProfile("x", 800, airtimes_ms=TABLE).airtime_s(16) == pytest.approx(0.3)
    with pytest.raises(ValueError, match=r"^airtimes_ms: needs rate_bps"):
        ChannelSpec("x", airtimes_ms=TABLE)


@pytest.mark.parametrize("table", [((1, 2.0),), ((1, 2.0), (1, 3.0)), ((1, 2.0), (2, 1.0)), ((1, -2.0), (2, 1.0))])
def test_tables_are_checked(table: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match=r"^airtimes_ms: needed"):
        check_airtimes(table)
