"""The units of deploy/systemd: what systemd thinks of them, and that their example files load."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.bridge import load_bridge
from gateway.channel.spec_file import load_channel_process
from gateway.config import StationConfig, load_toml
from gateway.service.messages import SOCKET_NAME

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
BEATS_WITHIN_S = 2.5
"""The loops turn at least once a second, on a busy machine too."""


def service(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().split("[Service]")[1].split("[Install]")[0].splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (apt install systemd)")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def unit(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def runnable(unit: Path, tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    path = tmp_path / unit.name
    path.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()))
    return path


def test_there_are_three() -> None:
    assert [path.name for path in UNITS] == [
        "clarilink-bridge@.service",
        "clarilink-channel@.service",
        "clarilink@.service",
    ]


def test_systemd_finds_nothing_wrong(runnable: Path) -> None:
    instance = runnable.with_name(runnable.name.replace("@.", "@alpha."))
    instance.write_text(runnable.read_text())
    done = analyze("verify", "--man=no", str(instance))
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "clarilink" in line]
    assert about_it == []


def test_little_is_exposed(runnable: Path) -> None:
    done = analyze("security", "--offline=true", "--threshold=25", str(runnable))
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    found = re.search(r"Overall exposure level .*: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= 2.5


def test_started_watched_and_started_again(unit: Path) -> None:
    settings = service(unit)
    assert settings["Type"] == ["notify"]
    assert settings["Restart"] == ["always"]
    assert float(settings["RestartSec"][0]) <= 2
    assert float(settings["WatchdogSec"][0]) / 4 >= BEATS_WITHIN_S
    assert "StartLimitIntervalSec=0" in unit.read_text()
    for needed in ("NoNewPrivileges", "ProtectSystem", "MemoryMax", "SystemCallFilter", "RestrictAddressFamilies"):
        assert needed in settings
    assert settings["User"] == ["clarilink"]
    assert "%i.toml" in settings["ExecStart"][0]


def test_a_keying_watchdog_outlives_its_program() -> None:
    for name in ("clarilink@.service", "clarilink-bridge@.service"):
        assert service(FOLDER / name)["KillMode"] == ["mixed"]


def test_the_groups_that_units_ask_for_are_made() -> None:
    made = set(re.findall(r"(?m)^g (\w+)", (FOLDER / "clarilink.sysusers").read_text()))
    for path in UNITS:
        for line in service(path).get("SupplementaryGroups", []):
            assert set(line.split()) <= made


def test_the_example_files_load_and_fit_the_units() -> None:
    station = load_toml(FOLDER / "alpha.toml", StationConfig)
    assert station.control is not None
    assert station.control.socket == Path("/run/clarilink/alpha") / SOCKET_NAME
    settings = service(FOLDER / "clarilink@.service")
    assert settings["RuntimeDirectory"] == ["clarilink/%i"]
    assert "clarilink/%i" in settings["StateDirectory"][0]
    assert station.messages is not None
    assert station.messages.spool.is_relative_to("/var/lib/clarilink/alpha")
    assert load_channel_process(FOLDER / "satellite.toml").endpoint
    assert load_bridge(FOLDER / "modem.toml").endpoint


def test_units_are_plain_ini(unit: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
