"""Packets of messages fit the link and take it for no longer than voice may wait; answers are waited for in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import MessagesSection
from gateway.errors import LocalProtocolError
from gateway.messages.pace import Pace
from gateway.protocol.bulk_packets import Addressee
from gateway.protocol.bulk_receive import ANSWER_SLOTS
from gateway.protocol.carriage import Carriage


@pytest.mark.parametrize(
    ("rate_bps", "mtu", "room"), [(80, 64, 18), (10, 64, 18), (300, 64, 62), (300, 1024, 73), (1e6, 1024, 264)]
)
def test_packets_are_as_long_as_two_seconds_allow(tmp_path: Path, rate_bps: float, mtu: int, room: int) -> None:
    section = MessagesSection(spool=tmp_path)
    pace = Pace.of(section, mtu_bytes=mtu, rate_bps=rate_bps, carriage=Carriage(2), overhead_bytes=0, turnaround_s=0.0)
    assert pace.room_bytes == room


def test_a_link_with_too_short_packets_is_one_clear_error(tmp_path: Path) -> None:
    section = MessagesSection(spool=tmp_path)
    with pytest.raises(LocalProtocolError, match="packets of 14 bytes: a message needs 16"):
        Pace.of(section, mtu_bytes=16, rate_bps=80, carriage=Carriage(2), overhead_bytes=0, turnaround_s=0.0)


def test_an_answer_is_waited_for_until_the_last_slot(tmp_path: Path) -> None:
    """At 800 bit/s with 4 bytes of link's own a packet takes 10 ms a byte, after 0.2 s of turning around."""
    pace = Pace.of(
        MessagesSection(spool=tmp_path, round_trip_s=3.0),
        mtu_bytes=64,
        rate_bps=800,
        carriage=Carriage(2),
        overhead_bytes=4,
        turnaround_s=0.2,
    )
    assert pace.airtime_s(20) == pytest.approx((20 + 2 + 4) * 8 / 800)
    assert pace.slot_s == pytest.approx(0.2 + pace.airtime_s(40))
    one, all_of_a_group = pace.answer_wait_s(Addressee.STATION), pace.answer_wait_s(Addressee.GROUP)
    assert one == pytest.approx(0.2 + pace.airtime_s(16) + pace.slot_s + 3.0)
    assert all_of_a_group - one == pytest.approx((ANSWER_SLOTS - 1) * pace.slot_s)
