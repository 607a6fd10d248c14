"""The whole of `clarilink modem-test` on pseudo-terminals: measures, and tells what is wrong when nothing answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import registry
from firmware_bridge.driver import ModemStatus, StatusChanged
from firmware_bridge.probe.diagnosis import Stage
from firmware_bridge.probe.tool import AnswerThread, NothingAnswers, ProbeOptions, Side, run_test
from firmware_bridge.profile import load_profile
from firmware_bridge.sim.pair import VirtualStations
from gateway.clock import ManualClock
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


class SlowRunner:
    """Dials for a long time, then is ready: the news of it comes when the status has changed already."""

    failure = None

    def __init__(self, clock: ManualClock, ready_s: float) -> None:
        self._clock, self._ready_s = clock, ready_s
        self._news = [StatusChanged(ModemStatus.READY, "in a call")]

    @property
    def status(self) -> ModemStatus:
        return ModemStatus.READY if self._clock.now() >= self._ready_s else ModemStatus.STARTING

    def next_event(self, timeout_s: float) -> StatusChanged | None:
        self._clock.sleep(timeout_s)
        return self._news.pop() if self._news and self.status is ModemStatus.READY else None


@pytest.mark.parametrize(("ready_s", "stage"), [(2.0, None), (60.05, None), (200.0, Stage.MODEM)])
def test_a_modem_that_takes_long_is_ready_when_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ready_s: float, stage: Stage | None
) -> None:
    (tmp_path / "toy.toml").write_text(PROFILE.format(baud=19200))
    side = Side(str(tmp_path / "a"), load_profile(tmp_path / "toy.toml"))
    clock = ManualClock()
    monkeypatch.setattr(side, "_clock", clock)
    monkeypatch.setattr(side, "runner", SlowRunner(clock, ready_s))
    side.received_bytes = 10
    said: list[str] = []
    assert side.wait_ready(45.0, said.append) is stage
    assert any("in a call" in line for line in said) == (stage is None)
