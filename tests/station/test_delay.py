"""The delay budget: parts that add up, and what each of them hangs on."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.paced import NullOutput
from gateway.clock import ManualClock
from gateway.control.snapshot import DelayView
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics
from gateway.protocol.live import CHECKSUM, NO_PROTECTION, packet_bytes
from gateway.protocol.protection_file import load_protection
from gateway.station.delay import ComputingMeter, OverPlan, delay_view
from gateway.station.speaker import Speaker

PLAIN = OverPlan(6, load_protection("none"), NO_PROTECTION)
LINK = LinkInfo("wire", 1000)


def budget(plan: OverPlan = PLAIN, link: LinkInfo = LINK, **more: float) -> DelayView:
    given = {
        "codec_ms": 255.0,
        "cushion_ms": 60.0,
        "input_ms": 50.0,
        "output_ms": 60.0,
        "block_ms": 20.0,
    }
    return delay_view(plan, link, **{**given, **more})


def test_an_over_on_a_wire() -> None:
    view = budget()
    assert (view.codec_ms, view.packet_ms, view.cushion_ms) == (255, 400, 60)
    assert view.sound_ms == (50 - 20) + 60 + 10 + 10  # cards, half a block, a turn
    assert view.air_ms == view.link_ms == view.keying_ms == view.protection_ms == 0
    assert view.total_ms == 255 + 400 + 60 + 110


def test_a_slow_half_duplex_link_counts_its_first_packet() -> None:
    link = LinkInfo("water", 64, 727, half_duplex=True, turnaround_s=0.1, overhead_bytes=14, delay_s=0.667)
    view = budget(OverPlan(6, PLAIN.guard, CHECKSUM), link)
    first = packet_bytes(6, CHECKSUM, session=True)
    assert view.air_ms == pytest.approx(1000 * (first + 14) * 8 / 727, abs=0.1)
    assert (view.keying_ms, view.link_ms) == (100, 667)


def test_repairs_are_waited_for() -> None:
    view = budget(OverPlan(6, load_protection("reed-solomon:n=6,k=4"), NO_PROTECTION))
    assert view.protection_ms == load_protection("reed-solomon:n=6,k=4").delay_packets * 480 > 0


def test_suppression_moves_frames_to_the_end_of_a_later_block() -> None:
    assert budget(suppression_ms=22).total_ms - budget().total_ms == 40
    assert budget(suppression_ms=20).total_ms - budget().total_ms == 20
    assert budget(suppression_ms=22, block_ms=10).total_ms - budget(block_ms=10).total_ms == 30


def test_keying_takes_time_only_beyond_what_fills_the_first_packet() -> None:
    assert budget(keyed_ms=600).keying_ms == 0
    assert budget(keyed_ms=700).keying_ms == 700 - 655


@given(
    frames=st.integers(1, 24),
    figures=st.fixed_dictionaries(
        {
            name: st.floats(0, 3000)
            for name in ("codec_ms", "cushion_ms", "input_ms", "output_ms", "suppression_ms", "computing_ms")
        }
    ),
    rate=st.none() | st.floats(50, 1e6),
)
def test_parts_are_never_negative_and_add_up(frames: int, figures: dict[str, float], rate: float | None) -> None:
    view = budget(OverPlan(frames, PLAIN.guard, NO_PROTECTION), LinkInfo("any", 1000, rate), **figures)
    parts = [value for name, value in dataclasses.asdict(view).items() if name != "total_ms"]
    assert min(parts) >= 0
    assert view.total_ms == pytest.approx(sum(parts), abs=0.06)


def test_computing_is_a_mean_of_late() -> None:
    meter = ComputingMeter()
    assert meter.computing_ms == 0
    meter.encoded(0.1)
    meter.decoded(0.01)
    assert meter.computing_ms == pytest.approx(110)
    for _ in range(50):
        meter.encoded(0.02)
    assert meter.computing_ms == pytest.approx(30, abs=0.1)


def test_the_speaker_tells_what_its_card_tells() -> None:
    class Card(NullOutput):
        @property
        def latency_s(self) -> float:
            return 0.06

        @property
        def text(self) -> str:
            return "headset, ALSA"

    speaker = Speaker(Card(ManualClock(), Metrics()))
    assert (speaker.latency_s, speaker.text) == (0.06, "headset, ALSA")
