"""The channel does what its figures say: exactly where it is arithmetic, within 5 % where it is chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.impairments import Channel, ChannelSpec, Delivery

PACKET = bytes(range(20))


def channel(seed: int = 1, start_s: float = 0.0, **figures: Any) -> Channel:
    return Channel(replace(ChannelSpec("test"), **figures), np.random.default_rng(seed), start_s)


def times(deliveries: tuple[Delivery, ...]) -> list[float]:
    return [round(delivery.at_s, 9) for delivery in deliveries]


def lost_of(model: Channel, packets: int) -> np.ndarray:
    return np.array([not model.send(PACKET, float(index)) for index in range(packets)])


def bursts(lost: np.ndarray) -> np.ndarray:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0]))))
    return edges[1::2] - edges[::2]


def test_the_default_is_perfect() -> None:
    model = channel()
    assert model.send(PACKET, 7.0) == (Delivery(7.0, PACKET),)
    assert model.send(b"", 7.0) == (Delivery(7.0, b""),)
    assert (model.stats.sent, model.stats.delivered, model.stats.bytes_delivered) == (2, 2, 20)


@pytest.mark.parametrize(("loss", "mean_burst"), [(0.1, 2.0), (0.05, 4.0), (0.3, 3.0), (0.5, 1.0)])
def test_gilbert_elliott_gives_the_loss_and_burst_asked_for(loss: float, mean_burst: float) -> None:
    lost = lost_of(channel(seed=5, loss=loss, mean_burst=mean_burst), 100_000)
    assert lost.mean() == pytest.approx(loss, rel=0.05)
    assert bursts(lost).mean() == pytest.approx(mean_burst, rel=0.05)


def test_independent_loss_comes_in_the_bursts_of_chance() -> None:
    lost = lost_of(channel(seed=2, loss=0.2), 100_000)
    assert lost.mean() == pytest.approx(0.2, rel=0.05)
    assert bursts(lost).mean() == pytest.approx(1 / 0.8, rel=0.05)


@pytest.mark.parametrize("mean_burst", [None, 3.0])
def test_a_loss_of_0_or_1_is_certain(mean_burst: float | None) -> None:
    assert not lost_of(channel(loss=0.0, mean_burst=mean_burst), 200).any()
    assert lost_of(channel(loss=1.0, mean_burst=None), 200).all()


def test_bit_errors_come_at_the_rate_asked_for_and_are_counted() -> None:
    model = channel(bit_error_rate=0.01)
    sent, flipped, first_bits = bytes(25), 0, 0
    for index in range(20_000):
        (delivery,) = model.send(sent, float(index))
        bits = np.unpackbits(np.frombuffer(delivery.data, np.uint8))
        flipped += int(bits.sum())
        first_bits += int(bits[0]) + int(bits[-1])
    assert flipped / (20_000 * 200) == pytest.approx(0.01, rel=0.05)
    assert first_bits / 40_000 == pytest.approx(0.01, rel=0.2)
    assert model.stats.bit_errors == flipped


def test_jitter_has_the_mean_asked_for_and_keeps_the_order() -> None:
    model = channel(delay_ms=100, jitter_ms=30)
    late = [model.send(PACKET, float(index))[0].at_s - index - 0.1 for index in range(20_000)]
    assert np.mean(late) == pytest.approx(0.030, rel=0.05)
    assert min(late) >= 0
    close = channel(delay_ms=100, jitter_ms=30)
    arrivals = [close.send(PACKET, index * 0.005)[0].at_s for index in range(2000)]
    assert arrivals == sorted(arrivals)


def test_jitter_reorders_where_that_is_asked_for() -> None:
    model = channel(jitter_ms=30, ordered=False)
    arrivals = [model.send(PACKET, index * 0.005)[0].at_s for index in range(2000)]
    assert arrivals != sorted(arrivals)


def test_a_packet_takes_its_air_time_and_the_next_waits() -> None:
    model = channel(rate_bps=800, overhead_bytes=5, delay_ms=50)
    first, second = model.send(PACKET, 0.0), model.send(PACKET, 0.0)
    assert times(first) == [0.3]
    assert times(second) == [0.55]
    assert first[0].airtime_s == pytest.approx(0.25)
    assert times(model.send(PACKET, 2.0)) == [2.3]
    assert model.burst_s == (2.0, 2.25)


def test_the_rate_is_reached_and_never_passed() -> None:
    model = channel(rate_bps=2400)
    arrivals = [model.send(PACKET, index * 0.01)[0].at_s for index in range(1000)]
    assert 1000 * 160 / arrivals[-1] == pytest.approx(2400, rel=0.01)
    assert np.diff(arrivals).min() >= 160 / 2400 - 1e-9


def test_a_full_queue_drops_the_newest() -> None:
    model = channel(rate_bps=160, queue_bytes=40)  # a second per packet; two may wait behind the one being sent
    assert [len(model.send(PACKET, 0.0)) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert model.stats.queue_drops == 2
    assert times(model.send(PACKET, 1.0)) == [4.0]
    assert model.send(PACKET, 1.5) == ()


def test_a_packet_above_the_mtu_is_dropped() -> None:
    model = channel(mtu_bytes=19)
    assert model.send(PACKET, 0.0) == ()
    assert len(model.send(PACKET[:19], 0.0)) == 1
    assert model.stats.oversize == 1


def test_duplicates_follow_their_original() -> None:
    model = channel(duplicate=0.25, jitter_ms=5)
    counts = []
    for index in range(20_000):
        arrived = model.send(PACKET, index * 0.1)
        assert all(delivery.data == PACKET for delivery in arrived)
        assert times(arrived) == sorted(times(arrived))
        counts.append(len(arrived))
    assert np.mean(counts) == pytest.approx(1.25, rel=0.02)
    assert model.stats.duplicated == sum(counts) - 20_000


def test_a_held_back_packet_lets_the_others_pass() -> None:
    model = channel(reorder=0.1, reorder_ms=250, delay_ms=10)
    delays = [model.send(PACKET, index * 0.1)[0].at_s - index * 0.1 for index in range(5000)]
    held = np.isclose(delays, 0.26)
    assert np.isclose(np.array(delays)[~held], 0.01).all()
    assert held.mean() == pytest.approx(0.1, rel=0.1)
    assert model.stats.reordered == held.sum()


def test_an_outage_counts_from_the_start_and_loses_whatever_it_touches() -> None:
    model = channel(start_s=100.0, outages_s=((10.0, 12.0),), rate_bps=160)
    heard = [bool(model.send(PACKET, 100.0 + when)) for when in (0.0, 8.5, 9.5, 11.9, 13.0)]
    assert heard == [True, True, False, False, True]
    assert model.stats.outage_lost == 2


def test_key_up_comes_before_each_burst_only() -> None:
    model = channel(half_duplex=True, turnaround_ms=500, rate_bps=160)
    assert times(model.send(PACKET, 0.0)) == [1.5]
    assert times(model.send(PACKET, 1.0)) == [2.5]
    assert times(model.send(PACKET, 5.0)) == [6.5]
    assert model.burst_s == (5.0, 6.5)


def test_a_time_that_goes_back_counts_as_the_last() -> None:
    model = channel()
    model.send(PACKET, 5.0)
    assert times(model.send(PACKET, 3.0)) == [5.0]


def test_switching_one_impairment_on_leaves_the_others_alone() -> None:
    plain = lost_of(channel(seed=9, loss=0.3, mean_burst=2.0), 500)
    mixed = channel(seed=9, loss=0.3, mean_burst=2.0, bit_error_rate=0.1, jitter_ms=3, duplicate=0.5)
    assert (lost_of(mixed, 500) == plain).all()


EVERYTHING = ChannelSpec(
    "everything",
    rate_bps=1200,
    queue_bytes=300,
    overhead_bytes=3,
    mtu_bytes=60,
    delay_ms=270,
    jitter_ms=40,
    loss=0.1,
    mean_burst=2,
    bit_error_rate=0.01,
    duplicate=0.05,
    reorder=0.05,
    reorder_ms=400,
    half_duplex=True,
    turnaround_ms=20,
    outages_s=((3.0, 4.0),),
)


@given(
    st.lists(st.tuples(st.binary(max_size=64), st.floats(0, 0.5)), max_size=60),
    st.integers(0, 2**32),
)
def test_the_same_seed_and_calls_give_the_same_bytes(packets: list[tuple[bytes, float]], seed: int) -> None:
    one, two = (Channel(EVERYTHING, np.random.default_rng(seed)) for _ in range(2))
    now_s = 0.0
    for data, gap_s in packets:
        now_s += gap_s
        arrived = one.send(data, now_s)
        assert arrived == two.send(data, now_s)
        assert all(delivery.at_s >= now_s + 0.27 and len(delivery.data) == len(data) for delivery in arrived)
    stats = one.stats
    assert stats == two.stats
    assert stats.sent == len(packets)
    assert stats.sent == stats.delivered + stats.lost + stats.outage_lost + stats.queue_drops + stats.oversize


def test_seeds_differ() -> None:
    one, two = (lost_of(channel(seed=seed, loss=0.5), 100) for seed in (1, 2))
    assert (one != two).any()


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"loss": 1.5}, "loss: got 1.5; needed: 0 to 1"),
        ({"loss": float("nan")}, "loss: got nan"),
        ({"rate_bps": 0}, "rate_bps: got 0"),
        ({"delay_ms": -1}, "delay_ms: got -1"),
        ({"queue_bytes": 10}, "queue_bytes: needs rate_bps"),
        ({"turnaround_ms": 10}, "turnaround_ms: needs half_duplex"),
        ({"reorder": 0.1}, "reorder and reorder_ms"),
        ({"loss": 0.9, "mean_burst": 2}, "a loss of 0.9 needs 9 or more"),
        ({"outages_s": ((3.0, 2.0),)}, r"outages_s: got \[3, 2\]"),
    ],
)
def test_impossible_figures_are_named(figures: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ChannelSpec("test"), **figures)
