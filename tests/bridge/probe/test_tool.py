"""The whole of `clarilink modem-test` on pseudo-terminals: measures, and tells what is wrong when nothing answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import registry
from firmware_bridge.probe.tool import AnswerThread, NothingAnswers, ProbeOptions, Side, run_test
from firmware_bridge.profile import load_profile
from firmware_bridge.sim.pair import VirtualStations
from gateway.errors import ConfigError
from tests.bridge.toy_modem import MODEM

PROFILE = """
name = "toy"
driver = "toy"
[port]
baud = {baud}
[air]
mtu_bytes = 64
rate_bps = 9600
delay_ms = 20
"""


@pytest.fixture(autouse=True)
def toy_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._OURS, "toy", f"{MODEM.driver.__module__}:MODEM")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[VirtualStations]:
    (tmp_path / "toy.toml").write_text(PROFILE.format(baud=19200))
    profile = load_profile(tmp_path / "toy.toml")
    with VirtualStations(profile, [str(tmp_path / "a"), str(tmp_path / "b")], seed=3, kind=MODEM) as stations:
        yield stations


def options(tmp_path: Path, **more: object) -> ProbeOptions:
    whole = {"peer": str(tmp_path / "b"), "wait_s": 5.0, "budget_s": 5.0} | more
    return ProbeOptions(str(tmp_path / "a"), str(tmp_path / "toy.toml"), **whole)  # type: ignore[arg-type]


def test_a_pair_is_measured_and_written_down(pair: VirtualStations, tmp_path: Path) -> None:
    said: list[str] = []
    report, profile = tmp_path / "report.json", tmp_path / "found.toml"
    run_test(options(tmp_path, report=report, write_profile=profile), said.append)
    found = json.loads(report.read_text())
    assert found["live"]["fits"]
    assert found["figures"]["loss_there"] == found["figures"]["loss_back"] == 0
    # Slower than 9600 on a busy machine perhaps, never faster but for the clocks of a few packets.
    assert found["figures"]["rate_bps"] is None or found["figures"]["rate_bps"] < 11_000
    assert load_profile(profile).air.delay_ms >= 15
    assert "Live voice fits" in "\n".join(said)
    assert any("ready" in line for line in said)


def test_with_the_other_side_answering_by_itself(pair: VirtualStations, tmp_path: Path) -> None:
    other = Side(str(tmp_path / "b"), load_profile(tmp_path / "toy.toml"))
    other.start()
    assert other.wait_ready(10.0, lambda _: None) is None
    heard: list[str] = []
    answers = AnswerThread(other, heard.append)
    answers.start()
    try:
        run_test(options(tmp_path, peer=None), lambda _: None)
    finally:
        answers.stop()
        other.runner.stop()
    assert any("probe" in line for line in heard)
    assert answers.answerer.counts["bursts_sent"] == 3


def test_a_modem_at_another_rate_is_found_there(pair: VirtualStations, tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(PROFILE.format(baud=9600))
    with pytest.raises(NothingAnswers, match=r"does not answer at 9600 baud, but it does at 19200"):
        run_test(options(tmp_path, peer=None, wait_s=2.0), lambda _: None)


def test_a_modem_that_hangs_a_looped_line_and_a_dead_air_are_told_apart(pair: VirtualStations, tmp_path: Path) -> None:
    for fault, told in (
        (lambda: pair.cut(), "nothing of it comes to"),
        (lambda: pair.unplug("a"), "not there"),
    ):
        fault()
        with pytest.raises(NothingAnswers, match=told):
            run_test(options(tmp_path, wait_s=2.0), lambda _: None)


def test_files_that_cannot_be_written_are_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(PROFILE.format(baud=9600))
    with pytest.raises(ConfigError, match="folder"):
        run_test(options(tmp_path, write_profile=tmp_path / "no" / "x.toml"), lambda _: None)
