"""The answering side: what it is asked it does, what it is fed it survives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.probe.answer import MAX_BURSTS, Answerer
from firmware_bridge.probe.messages import (
    Answer,
    BurstPart,
    BurstWanted,
    Probe,
    Report,
    ReportWanted,
    encode,
    parse,
)


def sent(answerer: Answerer, now: float) -> list[object]:
    out = []
    while (packet := answerer.next_packet(now)) is not None:
        answerer.done()
        out.append(parse(packet))
    return out


def test_a_probe_is_answered_with_how_long_it_was_held() -> None:
    answerer = Answerer(64)
    answerer.on_packet(encode(Probe(7, 1234, 40, 30)), 10.0)
    answerer.on_packet(encode(Probe(8, 1300, 500)), 10.1)
    assert sent(answerer, 10.25) == [Answer(7, 1234, 250, 40), Answer(8, 1300, 150, 64)]
    assert answerer.next_packet(11.0) is None


def test_a_burst_is_reported_by_place_and_span() -> None:
    answerer = Answerer(64)
    for place, now in ((1, 5.0), (2, 5.5), (5, 7.0)):
        answerer.on_packet(encode(BurstPart(place, 0, 3, 50)), now)
    answerer.on_packet(encode(ReportWanted(9, 77, 3)), 8.0)
    answerer.on_packet(encode(ReportWanted(10, 78, 4)), 8.0)
    assert sent(answerer, 8.0) == [Report(9, 77, 3, 3, 1, 5, 2000, 24), Report(10, 78, 4, 0, 0, 0, 0, 24)]


def test_a_burst_of_the_same_number_begins_anew() -> None:
    answerer = Answerer(64)
    for place, now in ((0, 1.0), (1, 2.0), (0, 50.0), (1, 51.0)):
        answerer.on_packet(encode(BurstPart(place, 0, 3)), now)
    answerer.on_packet(encode(ReportWanted(1, 0, 3)), 60.0)
    assert sent(answerer, 60.0) == [Report(1, 0, 3, 2, 0, 1, 1000, 24)]


def test_a_burst_that_is_wanted_comes_within_the_mtu() -> None:
    answerer = Answerer(32)
    answerer.on_packet(encode(BurstWanted(1, 0, 6, 3, 200)), 1.0)
    assert sent(answerer, 1.0) == [BurstPart(place, 1000, 6, 32) for place in range(3)]


@given(st.lists(st.binary(max_size=40) | st.builds(lambda *a: encode(BurstPart(*a)), *[st.integers(0, 255)] * 3)))
def test_nothing_that_comes_raises_or_piles_up(packets: list[bytes]) -> None:
    answerer = Answerer(64)
    for packet in packets:
        assert answerer.on_packet(packet, 1.0)
    assert len(answerer._bursts) <= MAX_BURSTS
    assert sum(answerer.counts.values()) <= len(packets)
