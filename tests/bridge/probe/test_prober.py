"""A modem test against virtual modems in simulated time finds the figures that they were given."""

from __future__ import annotations

import pytest

from firmware_bridge import registry
from firmware_bridge.probe.figures import Figures, Way, figures_of, measured_profile, voice_fit
from firmware_bridge.probe.prober import Prober
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.channel.impairments import ChannelSpec
from gateway.errors import LinkError
from tests.bridge.probe.sim_carrier import SimCarrier
from tests.bridge.toy_modem import MODEM, toy_profile


@pytest.fixture(autouse=True)
def toy_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._OURS, "toy", f"{MODEM.driver.__module__}:MODEM")


def measured(
    truth: ModemProfile, believed: ModemProfile | None = None, spec: ChannelSpec | None = None, **how: float
) -> tuple[Figures, Prober]:
    """The figures that a test with the profile `believed` finds out about modems that are as in `truth`."""
    believed = truth if believed is None else believed
    pair = SimulatedPair(truth, spec, 5)
    for side in (pair.a, pair.b):
        side.driver.profile = believed
    carrier = SimCarrier(pair, **how)
    prober = Prober(carrier, carrier, believed)
    assert prober.find_peer(30.0)
    return figures_of(prober.measure(), believed, carrier.info, prober.voice_bytes), prober


def test_the_figures_of_the_profile_are_found() -> None:
    figures, _ = measured(toy_profile(115_200, rate_bps=1000.0, fixed_ms=150.0, turnaround_ms=0.0, delay_ms=400.0))
    assert figures.rate_bps == pytest.approx(1000, rel=0.03)
    assert figures.air is not None
    assert figures.air.fixed_s == pytest.approx(0.15, abs=0.02)
    assert figures.delay_s == pytest.approx(0.4, abs=0.03)
    assert figures.loss_there == figures.loss_back == 0.0
    assert figures.answered == figures.probes == 8
    assert figures.key_up_s == pytest.approx(0.0, abs=0.02)  # the toy says when a packet has left
    assert figures.throughput_bps == pytest.approx(64 * 8 / (0.15 + 64 * 8 / 1000), rel=0.05)


def test_a_profile_that_is_wrong_is_put_right() -> None:
    believed = toy_profile(115_200, rate_bps=9600.0, fixed_ms=0.0, turnaround_ms=0.0, delay_ms=0.0)
    truth = toy_profile(115_200, rate_bps=800.0, fixed_ms=100.0, turnaround_ms=0.0, delay_ms=700.0)
    figures, _ = measured(truth, believed)
    found = measured_profile(believed, figures, "found")
    assert found.air.rate_bps == pytest.approx(800, rel=0.05)
    assert found.air.fixed_ms == pytest.approx(100, abs=30)
    assert found.air.delay_ms == pytest.approx(700, abs=50)
    assert voice_fit(believed).row is not None
    assert voice_fit(found).row is not None
    assert voice_fit(found).row.delay_s > voice_fit(believed).row.delay_s + 0.6  # type: ignore[union-attr]


def test_loss_is_found_in_both_directions() -> None:
    figures, _ = measured(toy_profile(rate_bps=9600.0, fixed_ms=5.0), spec=ChannelSpec("x", loss=0.25))
    for loss in (figures.loss_there, figures.loss_back):
        assert loss is not None
        assert 0.08 < loss < 0.45
    assert 0 < figures.answered < figures.probes


def test_what_the_other_side_takes_its_time_for_does_not_count() -> None:
    quick, _ = measured(toy_profile())
    slow, _ = measured(toy_profile(), held_s=1.0)
    assert quick.round_trip_s is not None
    assert slow.round_trip_s == pytest.approx(quick.round_trip_s, abs=0.03)


def test_a_modem_that_is_slower_than_believed_is_not_given_up() -> None:
    believed = toy_profile(fixed_ms=0.0, rate_bps=9600.0, delay_ms=0.0)
    figures, _ = measured(toy_profile(fixed_ms=900.0, turnaround_ms=0.0), believed)
    assert figures.air is not None
    assert figures.air.fixed_s == pytest.approx(0.9, rel=0.1)
    assert voice_fit(measured_profile(believed, figures, "slow")).verdict.fit.value != "live"


def test_bit_errors_are_damage_not_answers() -> None:
    figures, prober = measured(toy_profile(rate_bps=9600.0, fixed_ms=5.0), spec=ChannelSpec("x", bit_error_rate=0.0004))
    assert prober.heard.damaged > 0
    assert not figures.has_integrity
    assert figures.loss_back is not None
    assert figures.loss_back > 0


def test_nobody_there_is_told_after_a_while_and_no_sooner() -> None:
    pair = SimulatedPair(toy_profile(), None, 1)
    carrier = SimCarrier(pair, answers=False)
    assert not Prober(carrier, carrier, toy_profile()).find_peer(20.0)
    assert 20.0 <= pair.now < 40.0


def test_a_slow_modem_that_loses_the_first_questions_is_asked_again_however_long_that_takes() -> None:
    pair = SimulatedPair(toy_profile(fixed_ms=12_000.0), None, 1)
    carrier, said = SimCarrier(pair), list[str]()
    send, sent = carrier.send, list[bytes]()

    def lose_two(data: bytes) -> int | None:
        sent.append(data)
        return 0 if len(sent) <= 2 else send(data)

    carrier.send = lose_two  # type: ignore[method-assign]
    assert Prober(carrier, carrier, pair.profile, say=said.append).find_peer(20.0)
    assert len(sent) == 3
    assert pair.now > 60.0
    assert said[0].startswith("a question and its answer may take")


def test_a_packet_too_small_for_the_test_is_told() -> None:
    profile = toy_profile(mtu_bytes=16)
    carrier = SimCarrier(SimulatedPair(profile))
    with pytest.raises(LinkError, match="carries 16 bytes, a test needs 24"):
        Prober(carrier, carrier, profile)


def test_lengths_keep_to_the_mtu_and_to_the_time() -> None:
    for profile, longest in ((toy_profile(), 64), (toy_profile(mtu_bytes=4096), 512)):
        carrier = SimCarrier(SimulatedPair(profile))
        assert Prober(carrier, carrier, profile).lengths()[-1] == longest
    slow = toy_profile(mtu_bytes=255, rate_bps=80.0)
    carrier = SimCarrier(SimulatedPair(slow))
    assert Prober(carrier, carrier, slow).lengths()[-1] < 64


def test_bursts_go_both_ways() -> None:
    profile = toy_profile()
    carrier = SimCarrier(SimulatedPair(profile))
    prober = Prober(carrier, carrier, profile)
    assert prober.find_peer(10.0)
    notes = prober.measure()
    assert [burst.way for burst in notes.bursts] == [Way.THERE] * 3 + [Way.BACK] * 3
    assert all(burst.received == burst.sent >= 3 for burst in notes.bursts)
