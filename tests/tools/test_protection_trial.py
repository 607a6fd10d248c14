"""Trials on 20,000 packets stay within chance of the calculation, and a wrong frame is never let pass."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.errors import RemoteProtocolError
from gateway.protocol.over_events import FramesArrived
from gateway.protocol.protection_file import load_protection
from gateway.tools.protection_trial import _compare, bit_theory, bit_trial, loss_theory, loss_trial

PACKETS = 20_000


@pytest.mark.parametrize("burst", [2.0, 8.0])
@pytest.mark.parametrize(
    "tool",
    [
        "none",
        "stage-one-repeat:distance=4",
        "two-byte-repeat:distance=1",
        "payload-repeat:distance=4",
        "reed-solomon:n=6,k=4",
        "reed-solomon:n=6,k=4,depth=2",
        "reed-solomon:n=8,k=5,depth=2",
    ],
)
def test_what_is_lost_is_what_theory_says(tool: str, burst: float) -> None:
    protection = load_protection(tool)
    channel = ChannelSpec("loss", loss=0.1, mean_burst=burst)
    found = loss_trial(protection, channel, packets=PACKETS, frames_per_packet=2, seed=4)
    theory = loss_theory(protection, 0.1, burst)
    # Losses come in bursts: as many independent events as there are bursts, each as large as one.
    for share, expected in ((found.lost, theory.lost), (found.partial, theory.partial)):
        spread = np.sqrt(max(expected, 1e-9) * 2 * burst / PACKETS)
        assert abs(share - expected) <= 4 * spread


def test_the_figures_of_the_design() -> None:
    figures = {"payload-repeat:distance=4": (1.3, 6.1), "reed-solomon:n=6,k=4": (4.5, 9.1), "none": (9.9, 10.2)}
    for tool, expected in figures.items():
        theory = [100 * loss_theory(load_protection(tool), 0.1, burst).lost for burst in (2, 8)]
        assert theory == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize(
    ("tool", "crc"), [("none", True), ("none", False), ("bit:strong_bits=8", False), ("robust-transparent", False)]
)
def test_bit_errors_left_are_what_theory_says(tool: str, crc: bool) -> None:
    protection = load_protection(tool)
    found = bit_trial(protection, 0.01, packets=4000, frames_per_packet=6, seed=2, crc=crc)
    theory = bit_theory(protection, 0.01, frames_per_packet=6, crc=crc)
    assert abs(found.lost - theory.lost) <= 4 * np.sqrt(theory.lost / 4000)
    used_bits = max(1.0, (1 - theory.lost) * 4000 * 6 * 12)
    for share, expected in ((found.strong, theory.strong), (found.weak, theory.weak)):
        assert abs(share - expected) <= 4 * np.sqrt(expected / used_bits * (24 if expected < 0.001 else 1)) + 1e-9


def test_soft_bits_leave_less_than_hard_ones() -> None:
    protection = load_protection("robust-transparent")
    hard, soft = (
        bit_trial(protection, 0.05, packets=300, frames_per_packet=2, seed=3, crc=False, soft=soft)
        for soft in (False, True)
    )
    assert hard.lost > 0.01
    assert soft.lost < hard.lost / 3
    assert soft.strong < hard.strong / 3


def test_trials_repeat_and_wrong_frames_fail_them() -> None:
    protection = load_protection("reed-solomon:n=4,k=3")
    channel = ChannelSpec("loss", loss=0.2)
    first, again = (loss_trial(protection, channel, packets=300, frames_per_packet=2, seed=9) for _ in range(2))
    assert first == again
    known = np.zeros(1, np.int64)
    _compare(FramesArrived(1, 0, (b"abc",)), [b"abc"], known)
    assert known[0] == 24
    with pytest.raises(RemoteProtocolError, match="frame 0 came out as"):
        _compare(FramesArrived(1, 0, (b"abd",)), [b"abc"], known)
