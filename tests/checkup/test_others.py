"""Bridge, channel process, channel, modem and protection files."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.checkup.findings import Findings, Level
from gateway.checkup.others import check_bridge, check_channel, check_modem, check_net, check_protection
from gateway.checkup.surroundings import Surroundings

CONFIGS = Path(__file__).parents[2] / "configs"
QUICK = Surroundings(quick=True)


def test_a_slow_modem_is_a_warning_with_advice() -> None:
    findings = Findings(CONFIGS / "modem" / "iridium-sbd.toml")
    check_modem(findings)
    (found,) = findings.all
    assert found.level is Level.WARNING
    assert "stations need [messages]" in found.todo


def test_a_modem_with_wrong_settings(tmp_path: Path) -> None:
    text = (CONFIGS / "modem" / "kiss-1200.toml").read_text().replace("[settings]", "[settings]\nspeeed = 3", 1)
    (tmp_path / "m.toml").write_text(text)
    findings = Findings(tmp_path / "m.toml")
    check_modem(findings)
    assert [one.level for one in findings.all] == [Level.PROBLEM]
    assert "speeed" in findings.all[0].text


def test_a_net_tells_the_same_once() -> None:
    findings = Findings(CONFIGS / "net" / "mission2012.toml")
    check_net(findings, QUICK)
    (found,) = findings.all
    assert "between all stations and 20 more" in found.text


def test_a_bridge_with_two_mistakes(tmp_path: Path) -> None:
    text = 'endpoint = "tcp://0.0.0.0:5700"\n[modem]\nprofile = "kiss-1200"\nport = "/dev/none"\nbaud = 9\n'
    findings = Findings(tmp_path / "b.toml")
    check_bridge(tomllib.loads(text), findings, QUICK)
    assert next(one.key for one in findings.all if one.level is Level.PROBLEM) == "modem.baud"
    good = text.replace("0.0.0.0", "127.0.0.1").replace("baud = 9\n", "")
    findings = Findings(tmp_path / "b.toml")
    (tmp_path / "b.toml").write_text(good)
    check_bridge(tomllib.loads(good), findings, QUICK)
    assert [one.level for one in findings.all] == [Level.OK]


def test_channels_and_protections(tmp_path: Path) -> None:
    for check, text in ((check_channel, "loss = 3"), (check_protection, '[protection]\nkind = "none-such"')):
        (tmp_path / "x.toml").write_text(text)
        findings = Findings(tmp_path / "x.toml")
        check(findings)
        assert [one.level for one in findings.all] == [Level.PROBLEM]
