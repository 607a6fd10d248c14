"""The estimate against arithmetic by hand; tests/messages/test_service.py sets it against messages that were sent."""

from __future__ import annotations

import pytest

from gateway.errors import LocalProtocolError
from gateway.protocol.bulk_airtime import block_size, message_airtime


def test_a_message_without_loss_counts_every_byte() -> None:
    # 25 blocks of 9 (225 and 4 check bytes are 26), a quarter more of parity, two questions of 16 and answers of 16.
    estimate = message_airtime(225, rate_bps=80, mtu_bytes=20, extra_bytes=2, parity_share=0.25)
    assert (estimate.blocks, estimate.parity_blocks, estimate.block_bytes) == (26, 7, 9)
    assert estimate.bytes_on_air == 33 * 20 + 2 * (18 + 18)
    assert estimate.seconds == pytest.approx(estimate.bytes_on_air / 10)


def test_loss_and_turnaround_make_it_longer() -> None:
    def seconds(**figures: float) -> float:
        return message_airtime(225, rate_bps=80, mtu_bytes=20, **figures).seconds  # type: ignore[arg-type]

    assert seconds() < seconds(loss=0.3) < seconds(loss=0.6)
    assert seconds(turnaround_s=1.0) == pytest.approx(seconds() + 4)


def test_blocks_hold_whole_frames() -> None:
    assert [block_size(room) for room in (16, 18, 20, 64, 264, 1024)] == [6, 9, 9, 54, 255, 255]
    with pytest.raises(LocalProtocolError, match="packets of 15 bytes: a message needs 16"):
        block_size(15)
    with pytest.raises(LocalProtocolError, match=r"loss of 1\.0"):
        message_airtime(1, rate_bps=80, mtu_bytes=20, loss=1.0)
