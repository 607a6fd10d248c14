"""`clarilink airtime`: every kind of file gives its links; figures and verdicts are those of the arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.channel.spec_file import load_channel
from gateway.codec import Codec
from gateway.errors import ConfigError
from gateway.protocol.live import NO_PROTECTION, live_row
from gateway.tools.airtime_table import as_json, load_plans, profile_of_channel, text
from gateway.tools.loopback import LoopbackOptions, run_loopback

CONFIGS = Path(__file__).parents[2] / "configs"


def printed(name: str, protection: str | None = None, everything: bool = False) -> str:
    return text(load_plans(CONFIGS / name), protection, everything=everything)


def test_the_acoustic_modem() -> None:
    out = printed("channel/acoustic-1km.toml")
    assert "727 bit/s, 14 bytes (154 ms) on top of every packet, at most 64 bytes" in out
    assert "verdict: live: packets of 6 frames (480 ms) take 79 % of link acoustic-1km" in out
    assert next(line for line in out.splitlines() if line.startswith("none")).split()[1:4] == ["5", "to", "19"]
    assert sum(line.strip().endswith("<- configured") for line in out.splitlines()) == 1
    assert [line.split()[0] for line in out.splitlines() if " bps " in line] == [str(n) for n in range(1, 25)]


def test_janus_is_for_recorded_messages_only() -> None:
    out = printed("channel/janus-like.toml")
    assert "verdict: buffered only: " in out
    assert "recorded messages: 6 s of speech take 101 s, 155 s where 30 % of all packets are lost" in out
    assert as_json(load_plans(CONFIGS / "channel/janus-like.toml"))[0]["message_s"] == pytest.approx(101, abs=0.6)
    assert as_json(load_plans(CONFIGS / "channel/acoustic-1km.toml"))[0]["message_s"] is None
    assert " live" not in [line[-5:] for line in out.splitlines()]


def test_a_net_file_tells_of_each_path() -> None:
    plans = load_plans(CONFIGS / "net" / "lossy-satellite.toml")
    assert [plan.title for plan in plans] == ["between all stations", "from alpha to bravo"]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_every_station_file_has_a_table(path: Path) -> None:
    (plan,) = load_plans(path)
    out = text((plan,))
    assert plan.title in out
    assert ("channel process tells" in out) == ('"zeromq-channel"' in path.read_text())


@pytest.mark.parametrize("path", sorted((CONFIGS / "channel").glob("*.toml")), ids=lambda path: path.name)
def test_every_channel_file_has_a_table(path: Path) -> None:
    (plan,) = load_plans(path)
    assert plan.profile.name in text((plan,))
    assert (plan.always.name == "crc") == load_channel(path).damages_bits


def test_a_modem_profile_and_a_station_with_it_have_the_same_figures() -> None:
    (modem,) = load_plans(CONFIGS / "modem" / "transparent-9600.toml")
    (station,) = load_plans(CONFIGS / "station-modem-a.toml")
    assert modem.profile == station.profile
    assert (modem.profile.rate_bps, modem.profile.turnaround_s) == (9600, 0.04)
    assert modem.always == station.always == NO_PROTECTION
    assert "modem transparent-9600: modem:transparent-9600" in text((modem,))


@pytest.mark.parametrize("path", sorted((CONFIGS / "modem").glob("*.toml")), ids=lambda path: path.name)
def test_every_modem_profile_has_a_table(path: Path) -> None:
    (plan,) = load_plans(path)
    assert plan.profile.name in text((plan,))


def test_a_station_behind_an_emulated_channel_has_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[station]\nname = "x"\nid = 7\n[link]\nkind = "memory"\n[channel]\npreset = "acoustic-1km"\n')
    (plan,) = load_plans(file)
    assert (plan.profile.rate_bps, plan.profile.mtu_bytes) == (727, 64)
    assert plan.profile.delay_s == pytest.approx(0.667)


def test_other_protections_on_demand() -> None:
    assert "protection two-byte-repeat d=2\n" in printed("channel/geo.toml", "two-byte-repeat d=2")
    assert "protection crc + payload-repeat d=4\n" in printed("channel/bit-errors-1pct.toml", "payload-repeat d=4")
    assert "protection bit golay 12/24\n" in printed("channel/bit-errors-1pct.toml", "bit golay 12/24")
    assert printed("channel/geo.toml", everything=True).count("\nprotection ") == 9  # 8 tables and the summary's head
    with pytest.raises(ConfigError, match="no protection 'rain'; known: none, stage-one-repeat"):
        printed("channel/geo.toml", "rain")


def test_rows_as_json() -> None:
    plans = json.loads(json.dumps(as_json(load_plans(CONFIGS / "channel" / "acoustic-1km.toml"))))
    rows = {(row["protection"], row["frames_per_packet"]): row for row in plans[0]["rows"]}
    assert len(rows) == 8 * 24
    assert rows["none", 6]["airtime_ms"] == 374.1
    assert rows["none", 6]["verdict"] == "live"
    assert rows["none", 20]["verdict"] == "over the MTU"


@pytest.mark.parametrize("content", ["[station\n", "bogus = 1\n", None])
def test_bad_files_are_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "bad.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.toml: "):
        load_plans(file)


@pytest.mark.parametrize("frames", [5, 6, 12])
def test_the_delay_is_what_a_run_through_the_channel_takes(
    small_codec: Codec, speechlike: np.ndarray, frames: int
) -> None:
    spec = load_channel("acoustic-1km")
    options = LoopbackOptions(frames_per_packet=frames, cushion_s=0.06, cap_s=4.0, seed=2, lookahead=2)
    report = run_loopback(small_codec, speechlike, spec, options).report
    row = live_row(profile_of_channel(spec), frames, NO_PROTECTION, 0.06)
    assert report.mouth_to_ear_ms_median == pytest.approx(1000 * row.delay_s, abs=30)  # ticks of 10 ms, jitter
