"""Profiles: what is wrong is named by file and key; every one that we ship loads and carries a packet."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

from firmware_bridge import profile as profile_module
from firmware_bridge import registry
from firmware_bridge.profile import AirSection, ModemProfile, PortSection, load_profile, profile_folder, profile_names
from firmware_bridge.registry import build_driver, find_kind, settings_of
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from tests.bridge.modems import heard, ready_pair, wait_for

MINIMAL = 'name = "mine"\ndriver = "micromodem"\n[air]\nmtu_bytes = 32\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def is_there(name: str) -> bool:
    """Whether the profile's driver is in this tree; in CI they all are."""
    module = registry._OURS[load_profile(name).driver].partition(":")[0]
    return bool(os.environ.get("CI")) or importlib.util.find_spec(module) is not None


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    for source in (path, str(path)):
        profile = load_profile(source)
        assert (profile.name, profile.driver, profile.port.baud) == ("mine", "micromodem", 9600)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL + "mtu = 3\n", ["mine.toml", "air.mtu", "mtu_bytes"]),
        (MINIMAL.replace("32", "4"), ["mine.toml", "air.mtu_bytes"]),
        ('name = "mine"\ndriver = "micromodem"\n', ["mine.toml", "air"]),
        (MINIMAL + '[port]\nflow = "some"\n', ["mine.toml", "port.flow"]),
        ("name = ", ["mine.toml"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load_profile(write(tmp_path, text))
    assert all(word in str(error.value) for word in words)


def test_an_unknown_name_lists_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no modem profile 'nonesuch'; there are: .*micromodem-psk"):
        load_profile("nonesuch")
    monkeypatch.setattr(profile_module, "profile_folder", lambda: tmp_path)
    with pytest.raises(ConfigError, match="there are: none"):
        load_profile("nonesuch")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load_profile(tmp_path / "absent.toml")


def test_bits_on_the_line() -> None:
    assert PortSection().bits_per_byte == 10
    assert PortSection(data_bits=7, parity="even", stop_bits=2).bits_per_byte == 11


def test_the_link_of_a_profile() -> None:
    air = AirSection(mtu_bytes=64, rate_bps=800, overhead_bytes=4, fixed_ms=150, turnaround_ms=20, delay_ms=700)
    info = ModemProfile(name="x", driver="y", air=air).link_info()
    assert info.airtime_s(16) == pytest.approx(0.15 + 20 * 8 / 800)
    assert (info.mtu_bytes, info.turnaround_s, info.delay_s, info.half_duplex) == (64, 0.02, 0.7, True)


def test_a_profile_is_a_value() -> None:
    with pytest.raises(ValidationError):
        load_profile("micromodem-psk").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_we_ship_loads_and_says_what_it_is(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert len(profile.description) > 10
    text = (profile_folder() / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("#"), "a comment that says where the figures are from"


@pytest.mark.parametrize("name", [name for name in profile_names() if is_there(name)])
def test_every_profile_we_ship_carries_a_packet(name: str) -> None:
    profile = load_profile(name)
    kind = find_kind(profile.driver)
    assert isinstance(settings_of(profile, kind.settings), kind.settings)
    build_driver(profile, Metrics(), Random(1))
    pair = ready_pair(profile)
    packet = bytes(range(min(33, profile.air.mtu_bytes)))
    assert pair.send("a", packet) is not None
    wait_for(pair, lambda: packet in heard(pair.b))
