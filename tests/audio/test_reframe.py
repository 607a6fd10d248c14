"""Reblocking and the sample queue: nothing lost, nothing repeated, except as the policy says."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.base import to_float, to_int16
from gateway.audio.reframe import DropPolicy, Reframer, SampleQueue


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 30))
def test_frames_are_the_stream_cut_at_equal_lengths(sizes: list[int], frame: int) -> None:
    stream = np.arange(sum(sizes), dtype=np.float32)
    cuts = np.cumsum([0, *sizes])
    reframer = Reframer(frame)
    frames = [f for a, b in itertools.pairwise(cuts) for f in reframer.push(stream[a:b])]
    assert reframer.pending_samples == len(stream) % frame
    last = reframer.flush()
    whole = np.concatenate([*frames, *([] if last is None else [last]), np.zeros(0, np.float32)])
    assert all(len(f) == frame for f in frames)
    np.testing.assert_array_equal(whole[: len(stream)], stream)
    assert not whole[len(stream) :].any()
    assert len(whole) == -(-len(stream) // frame) * frame


def test_flush_leaves_a_fresh_reframer() -> None:
    reframer = Reframer(4)
    reframer.push(np.ones(3, np.float32))
    assert reframer.flush() is not None
    assert reframer.flush() is None
    assert reframer.pending_samples == 0
    with pytest.raises(ValueError, match="needs at least 1"):
        Reframer(0)


def test_frames_do_not_change_when_the_caller_reuses_its_block() -> None:
    block = np.ones(6, np.float32)
    reframer = Reframer(4)
    (frame,) = reframer.push(block)
    block[:] = 9
    assert frame.max() == 1
    assert reframer.push(block[:2])[0].tolist() == [1, 1, 9, 9]


@pytest.mark.parametrize("policy", list(DropPolicy))
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=30), st.integers(1, 12))
def test_queue_against_a_list(policy: DropPolicy, steps: list[tuple[bool, int]], capacity: int) -> None:
    queue, dropped, next_value = SampleQueue(capacity, policy), 0, 1
    model: list[int] = []
    for is_push, count in steps:
        if is_push:
            samples = list(range(next_value, next_value + count))
            next_value += count
            queue.push(np.array(samples, dtype=np.int16))
            everything = [*model, *samples]
            dropped += max(0, len(everything) - capacity)
            model = everything[:capacity] if policy is DropPolicy.NEWEST else everything[-capacity:]
        else:
            out = np.full(count, -1, dtype=np.int16)
            taken = queue.take_into(out)
            expected = model[:count]
            model = model[count:]
            assert taken == len(expected)
            assert out.tolist() == expected + [0] * (count - taken)
        assert len(queue) == len(model)
        assert queue.dropped_samples == dropped
    assert queue.take_all().tolist() == model
    assert len(queue) == 0


def test_clear_forgets_without_counting() -> None:
    queue = SampleQueue(4, DropPolicy.NEWEST)
    queue.push(np.ones(3, np.int16))
    queue.clear()
    assert (len(queue), queue.dropped_samples) == (0, 0)
    with pytest.raises(ValueError, match="at least 1"):
        SampleQueue(0, DropPolicy.NEWEST)


def test_two_threads_lose_nothing() -> None:
    queue, total = SampleQueue(1000, DropPolicy.NEWEST), 20_000
    got: list[int] = []
    done = threading.Event()

    def produce() -> None:
        sent = 0
        while sent < total:
            count = min(37, total - sent, queue.capacity - len(queue))
            queue.push((np.arange(sent, sent + count) % 30_000).astype(np.int16))
            sent += count
        done.set()

    thread = threading.Thread(target=produce)
    thread.start()
    while not (done.is_set() and len(queue) == 0):
        got.extend(queue.take_all().tolist())
    thread.join()
    assert queue.dropped_samples == 0
    assert got == [n % 30_000 for n in range(total)]


def test_conversion_is_exact_and_repairs() -> None:
    every = np.arange(-32768, 32768, dtype=np.int16)
    np.testing.assert_array_equal(to_int16(to_float(every)), every)
    odd = np.array([2.0, -2.0, np.nan, np.inf, -np.inf], dtype=np.float32)
    assert to_int16(odd).tolist() == [32767, -32768, 0, 32767, -32768]
