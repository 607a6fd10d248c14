"""The wait before an over: as configured, or as learnt from jitter and from each talker's redundancy."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.playout_delay import TALKERS_KNOWN, PlayoutDelay, repair_packets
from gateway.protocol.cushion import AdaptiveCushion, CushionRules
from gateway.protocol.packets import ParityPacket, Repeat, RepeatScheme, VoicePacket
from gateway.protocol.protection import Protection, ProtectionKind

PACKET_S = 0.48
NONE = Protection()
FRAMES = (b"\x11\x22\x33",) * 6


def learning(protection: Protection = NONE) -> PlayoutDelay:
    return PlayoutDelay(0.06, 1.5, protection, AdaptiveCushion(CushionRules(0.06, 1.5)))


def test_an_over_is_buffered_as_configured() -> None:
    jitter, repair_s = PlayoutDelay(0.2, 1.5, NONE).of_over(6, source=5)
    assert (jitter.packet_s, jitter.cushion_s, jitter.hard_cap_s, repair_s) == (PACKET_S, 0.2, 1.5, 0.0)


def test_the_cap_holds_a_packet_of_whatever_length() -> None:
    jitter, _ = PlayoutDelay(0.2, 0.5, NONE).of_over(12, source=5)
    assert jitter.hard_cap_s == pytest.approx(0.96 + 0.2)


def test_repairs_are_waited_for_on_top() -> None:
    repeats = Protection(ProtectionKind.PAYLOAD_REPEAT, distance=3)
    jitter, repair_s = PlayoutDelay(0.2, 1.5, repeats).of_over(6, source=None)
    assert repair_s == pytest.approx(3 * PACKET_S)
    assert (jitter.cushion_s, jitter.hard_cap_s) == pytest.approx((0.2 + repair_s, 1.5 + repair_s))


def test_a_talkers_redundancy_is_learnt_where_the_cushion_is() -> None:
    delay = learning()
    delay.learn_repairs(5, 4)
    assert delay.of_over(6, source=5).repair_s == pytest.approx(4 * PACKET_S)
    assert delay.of_over(6, source=6).repair_s == 0
    assert delay.of_over(6, source=None).repair_s == 0
    delay.learn_repairs(5, 0)  # it has switched it off
    assert delay.of_over(6, source=5).repair_s == 0
    fixed = PlayoutDelay(0.06, 1.5, NONE)
    fixed.learn_repairs(5, 4)
    assert fixed.of_over(6, source=5).repair_s == 0


def test_what_is_configured_is_the_least_wait_for_repairs() -> None:
    delay = learning(Protection(ProtectionKind.PAYLOAD_REPEAT, distance=3))
    delay.learn_repairs(5, 1)
    assert delay.of_over(6, source=5).repair_s == pytest.approx(3 * PACKET_S)


def test_the_talker_heard_longest_ago_is_forgotten() -> None:
    delay = learning()
    for source in range(TALKERS_KNOWN):
        delay.learn_repairs(source, 2)
    delay.learn_repairs(0, 2)
    delay.learn_repairs(999, 2)
    waits = {source: delay.of_over(6, source).repair_s for source in (0, 1, 2, 999)}
    assert waits[1] == 0
    assert min(waits[0], waits[2], waits[999]) > 0


def test_the_cushion_is_learnt_between_overs() -> None:
    delay, rng = learning(), np.random.default_rng(2)
    for n in range(40):
        delay.arrived(6 * n, 6, n * PACKET_S + float(rng.uniform(0, 0.3)))
        assert delay.cushion_s == 0.06
    changed = delay.over_ended()
    assert changed == delay.cushion_s
    assert 0.2 < changed <= 0.32
    assert delay.of_over(6, source=5).jitter.cushion_s == changed


def test_a_steady_link_changes_nothing() -> None:
    delay = learning()
    for n in range(40):
        delay.arrived(6 * n, 6, n * PACKET_S)
    assert delay.over_ended() is None
    fixed = PlayoutDelay(0.06, 1.5, NONE)
    fixed.arrived(0, 6, 0.0)
    assert fixed.over_ended() is None
    assert fixed.cushion_s == 0.06


def test_how_far_redundancy_reaches_back() -> None:
    repeat = Repeat(RepeatScheme.PAYLOAD, 3, FRAMES)
    assert repair_packets(VoicePacket(1, 0, False, FRAMES)) == 0
    assert repair_packets(VoicePacket(1, 9, False, FRAMES, repeat=repeat)) == 3
    assert repair_packets(ParityPacket(1, 0, 4, 2, 2, 0, None, bytes(18))) == 8  # 4 members, every other packet
