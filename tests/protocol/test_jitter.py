"""The jitter buffer: bounded delay, order, concealment, and no exception whatever arrives when."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.frames import PartialFrame
from gateway.protocol.jitter import Conceal, JitterBuffer, JitterConfig, Play, Playout, Silence

FRAME_S = 0.08


def code(index: int) -> bytes:
    return index.to_bytes(3, "big")


def buffer(cushion_s: float = 0.0, cap_s: float = 1.2, packet_s: float = 0.48, **more: float) -> JitterBuffer:
    return JitterBuffer(JitterConfig(packet_s, cushion_s, cap_s, **more))


def put(jitter: JitterBuffer, first: int, count: int, now_s: float) -> None:
    for index in range(first, first + count):
        jitter.put(index, code(index), now_s)


def run(
    jitter: JitterBuffer, packets: int, arrival_s: Callable[[int], float | None], per_packet: int = 6
) -> tuple[list[Playout], float]:
    """Packets against a steady playout clock, ended at the last one: the answers and the largest delay seen."""
    arrivals = sorted((at, n) for n in range(packets) if (at := arrival_s(n)) is not None)
    steps, largest_s, sent, now_s = [], 0.0, 0, 0.0
    while not jitter.finished:
        while sent < len(arrivals) and arrivals[sent][0] <= now_s:
            put(jitter, arrivals[sent][1] * per_packet, per_packet, arrivals[sent][0])
            sent += 1
            if sent == len(arrivals):
                jitter.end(packets * per_packet)
        largest_s = max(largest_s, jitter.counters().delay_s)
        steps.append(jitter.pop(now_s))
        now_s += FRAME_S
    return steps, largest_s


def played(steps: list[Playout]) -> list[int]:
    return [step.index for step in steps if isinstance(step, Play)]


def test_plays_in_order_after_the_cushion() -> None:
    jitter = buffer(cushion_s=0.1)
    assert jitter.pop(0.0) == Silence()
    for index in (1, 0, 2):
        jitter.put(index, code(index), 0.0)
    assert jitter.pop(0.09) == Silence()
    assert [jitter.pop(0.1 + k * FRAME_S) for k in range(3)] == [Play(k, code(k)) for k in range(3)]


def test_ends_where_the_over_ends() -> None:
    jitter = buffer()
    put(jitter, 0, 2, 0.0)
    jitter.end(4)
    steps = [jitter.pop(k * FRAME_S) for k in range(6)]
    assert steps == [Play(0, code(0)), Play(1, code(1)), Conceal(2), Conceal(3), Silence(), Silence()]
    assert jitter.finished
    jitter.end(9)
    put(jitter, 4, 1, 1.0)
    assert jitter.pop(1.0) == Silence()
    assert jitter.counters().late == 1


def test_an_over_that_is_whole_does_not_wait_for_the_cushion() -> None:
    jitter = buffer(cushion_s=0.7)
    put(jitter, 0, 2, 0.0)
    jitter.end(2)
    assert jitter.pop(0.0) == Play(0, code(0))
    waits = buffer(cushion_s=0.7)
    put(waits, 1, 1, 0.0)
    waits.end(4)
    assert waits.pop(0.0) == Silence()


def test_an_over_that_ends_without_a_frame_is_finished() -> None:
    jitter = buffer()
    jitter.end()
    assert jitter.finished
    assert jitter.pop(0.0) == Silence()


def test_an_end_before_the_frames_leaves_nothing_behind() -> None:
    jitter = buffer()
    put(jitter, 1, 1, 0.0)
    jitter.end(0)
    assert jitter.pop(0.0) == Silence()
    put(jitter, 0, 1, 0.0)
    assert jitter.finished
    assert jitter.counters().late == 2


def test_an_end_of_unknown_place_drains_what_is_here() -> None:
    jitter = buffer()
    put(jitter, 40, 3, 0.0)
    jitter.end()
    assert played([jitter.pop(k * FRAME_S) for k in range(5)]) == [40, 41, 42]
    assert jitter.finished


def test_a_lost_frame_is_concealed_at_its_place_and_too_late_after_it() -> None:
    jitter = buffer()
    for index in (0, 1, 4):
        jitter.put(index, code(index), 0.0)
    jitter.put(4, b"xyz", 0.0)
    steps = [jitter.pop(k * FRAME_S) for k in range(5)]
    assert steps == [Play(0, code(0)), Play(1, code(1)), Conceal(2), Conceal(3), Play(4, code(4))]
    jitter.put(2, code(2), 0.4)
    counters = jitter.counters()
    assert (counters.played, counters.concealed, counters.late, counters.duplicate) == (3, 2, 1, 1)


def test_a_late_packet_is_played_late_and_not_lost() -> None:
    jitter = buffer()
    put(jitter, 0, 1, 0.0)
    assert jitter.pop(0.0) == Play(0, code(0))
    assert [jitter.pop(0.08), jitter.pop(0.16)] == [Conceal(1), Conceal(2)]
    put(jitter, 1, 2, 0.2)
    assert [jitter.pop(0.24), jitter.pop(0.32)] == [Play(1, code(1)), Play(2, code(2))]
    assert jitter.counters().late == 0


def test_a_lost_packet_costs_its_own_time_and_no_delay() -> None:
    steps, _ = run(buffer(cushion_s=0.1), 10, lambda n: None if n == 4 else n * 0.48)
    first = next(k for k, step in enumerate(steps) if isinstance(step, Play))
    assert steps[first + 24 : first + 30] == [Conceal(k) for k in range(24, 30)]
    assert all(step.index == k for k, step in enumerate(steps[first:-1]) if isinstance(step, Play))
    assert len(played(steps)) == 54


def test_a_long_gap_goes_silent_and_a_new_start_has_a_new_cushion() -> None:
    jitter = buffer(cushion_s=0.1, conceal_limit_s=0.32)
    put(jitter, 0, 1, 0.0)
    steps = [jitter.pop(0.1 + k * FRAME_S) for k in range(20)]
    assert [type(step) for step in steps] == [Play] + [Conceal] * 4 + [Silence] * 15
    put(jitter, 40, 3, 1.75)
    assert jitter.pop(1.80) == Silence()
    assert jitter.pop(1.88) == Play(40, code(40))
    assert jitter.counters().concealed == 4


def test_no_arrivals_time_out_and_a_later_frame_revives() -> None:
    jitter = buffer(time_out_s=2.0)
    put(jitter, 0, 1, 0.0)
    finished_at = next(k * FRAME_S for k in range(100) if jitter.pop(k * FRAME_S) and jitter.finished)
    assert 2.0 <= finished_at <= 2.0 + FRAME_S
    put(jitter, 375, 2, 30.0)
    assert not jitter.finished
    assert jitter.pop(30.0) == Play(375, code(375))


def test_a_burst_beyond_the_cap_is_skipped() -> None:
    jitter = buffer(cap_s=0.48)
    put(jitter, 0, 100, 0.0)
    assert jitter.counters().delay_s == pytest.approx(0.48)
    assert jitter.counters().skipped == 94
    assert jitter.pop(0.0) == Play(94, code(94))


def test_a_burst_within_the_cushion_starts_early_to_keep_the_cap() -> None:
    jitter = buffer(cushion_s=0.3, cap_s=0.8)
    put(jitter, 0, 10, 0.0)
    assert played([jitter.pop(k * FRAME_S) for k in range(10)]) == list(range(10))


def test_a_jump_beyond_the_cap_is_not_filled_with_concealment() -> None:
    jitter = buffer(cap_s=0.48)
    put(jitter, 0, 2, 0.0)
    assert played([jitter.pop(0.0), jitter.pop(0.08)]) == [0, 1]
    put(jitter, 100, 2, 0.1)
    assert jitter.pop(0.16) == Play(100, code(100))


def test_ticks_that_stopped_do_not_make_the_speech_old() -> None:
    jitter = buffer(cap_s=0.48)
    put(jitter, 0, 6, 0.0)
    jitter.pop(0.0)
    put(jitter, 6, 1, 2.0)
    assert jitter.pop(2.0) == Play(6, code(6))
    assert jitter.counters().skipped == 5


def test_delay_from_a_stall_is_given_back() -> None:
    """The link stops for 2 s and delivers all at once: the delay stays below the cap and comes down again."""
    jitter = buffer(cushion_s=0.1, cap_s=1.2)
    steps, largest_s = run(jitter, 200, lambda n: max(n * 0.48, 22.0) if 20 / 0.48 <= n * 1.0 < 46 else n * 0.48)
    assert largest_s <= 1.2 + 1e-9
    places = [k - step.index for k, step in enumerate(steps) if isinstance(step, Play)]
    assert max(places) - places[0] >= 6
    assert abs(places[-1] - places[0]) <= 2


@pytest.mark.parametrize("drift_ppm", [-200, 0, 200])
def test_an_hour_of_drift_keeps_the_delay_bounded(drift_ppm: int) -> None:
    """45,000 frames from a clock that runs fast (+) or slow (-): nine frames' worth, absorbed one at a time."""
    jitter = buffer(cushion_s=0.1, cap_s=1.2)
    steps, largest_s = run(jitter, 7500, lambda n: 0.05 + n * 0.48 * (1 - drift_ppm * 1e-6))
    counters = jitter.counters()
    # A packet, the cushion, and the slack of the trim rule: far below the cap.
    assert largest_s <= 0.48 + 0.1 + 3 * FRAME_S
    assert counters.late == 0
    assert counters.skipped + counters.concealed <= (12 if drift_ppm else 0)
    assert len(played(steps)) == 45_000 - counters.skipped
    assert played(steps) == sorted(set(played(steps)))


def test_the_last_short_packet_comes_early_and_costs_no_frame() -> None:
    """Played from 3.48 s on: between 5.48 and 7.48 s nothing comes but the over's end, three frames at once (8.8)."""
    jitter = buffer(cushion_s=3.0, cap_s=9.0)
    sent_s = [(index // 6 + 1) * 0.48 for index in range(66)] + [5.52] * 3
    steps, index = [], 0
    for tick in range(150):
        now_s = 0.48 + tick * FRAME_S
        while index < len(sent_s) and sent_s[index] <= now_s:
            jitter.put(index, code(index), now_s)
            index += 1
            if index == len(sent_s):
                jitter.end(len(sent_s))
        steps.append(jitter.pop(now_s))
    assert played(steps) == list(range(len(sent_s)))
    assert jitter.counters().skipped == 0


def test_loss_and_jitter_for_ten_minutes_never_creep() -> None:
    rng = random.Random(3)
    fate = [None if n and rng.random() < 0.1 else n * 0.48 + rng.expovariate(1 / 0.05) for n in range(1250)]
    jitter = buffer(cushion_s=0.1, cap_s=1.2)
    steps, largest_s = run(jitter, 1250, lambda n: fate[n])
    arrived = 6 * sum(at is not None for at in fate)
    counters = jitter.counters()
    assert largest_s <= 1.2 + 1e-9
    assert counters.played >= 0.97 * arrived
    assert counters.played + counters.late + counters.skipped == arrived
    assert len(steps) * FRAME_S <= 1250 * 0.48 + 1.2 + 1.0


happenings = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "pop", "pop", "pop", "end"]),
        st.integers(-3, 60),
        st.integers(1, 12),
        st.sampled_from([0.0, 0.001, 0.03, 0.08, 0.08, 0.3, 2.5, 7.0]),
    ),
    max_size=150,
)


@settings(deadline=None)
@given(happenings, st.floats(0, 0.5), st.floats(0, 1), st.booleans())
def test_anything_may_happen(
    happenings: list[tuple[str, int, int, float]], cushion_s: float, room_s: float, ends: bool
) -> None:
    cap_s = 0.48 + cushion_s + room_s
    jitter = buffer(cushion_s=cushion_s, cap_s=cap_s)
    now_s, base, puts, last = 0.0, 0, 0, -1
    arrived: dict[int, list[float]] = {}
    for what, index, count, step_s in happenings:
        now_s += step_s
        if what == "put":
            base += index // 4  # wanders on, with repeats, gaps and steps back
            for place in range(base + index % 7, base + index % 7 + count):
                jitter.put(place, code(place & 0xFFFF), now_s)
                arrived.setdefault(place, []).append(now_s)
                puts += 1
        elif what == "end" and ends:
            jitter.end(base if index % 2 else None)
        else:
            step = jitter.pop(now_s)
            if isinstance(step, Play):
                assert step.index > last
                assert step.frame == code(step.index & 0xFFFF)
                assert any(now_s - at <= cap_s + 1e-5 for at in arrived[step.index])
                last = step.index
        counters = jitter.counters()
        assert counters.delay_s <= cap_s + 1e-5
        waiting = puts - counters.played - counters.late - counters.duplicate - counters.skipped
        assert 0 <= waiting * FRAME_S <= counters.delay_s + 1e-5


def test_impossible_configurations_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match=r"hard cap 0\.5 s: needs at least packet 0\.48 s \+ cushion 0\.1 s"):
        JitterConfig(0.48, 0.1, 0.5)
    with pytest.raises(LocalProtocolError, match="hard cap"):
        JitterConfig(0.48, -0.1, 1.0)
    with pytest.raises(LocalProtocolError, match="positive"):
        JitterConfig(0.0, 0.1, 1.0)


@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_with_a_drifting_sender_keeps_its_delay(ppm: int) -> None:
    """Clause 8.8: 200 ppm are 0.72 s in an hour; delay stays, and the difference is made up by single frames."""
    cushion_s, packets = 0.1, 7500
    rng = random.Random(3)
    jitter = buffer(cushion_s=cushion_s, cap_s=1.5)
    arrivals = [(n + 1) * 0.48 * (1 + ppm * 1e-6) + rng.uniform(0, 0.06) for n in range(packets)]
    waits, steps, sent, tick = [], [], 0, 0
    while sent < packets:
        now_s = tick * FRAME_S
        while sent < packets and arrivals[sent] <= now_s:
            put(jitter, 6 * sent, 6, arrivals[sent])
            sent += 1
        step = jitter.pop(now_s)
        steps.append(step)
        if isinstance(step, Play):
            waits.append(now_s - arrivals[step.index // 6] - step.index % 6 * FRAME_S)
        tick += 1
    counters = jitter.counters()
    lost_frames = 3600 * abs(ppm) * 1e-6 / FRAME_S  # what the clocks differ by
    assert counters.skipped <= lost_frames + 2
    assert counters.concealed <= lost_frames + 2
    assert counters.skipped + counters.concealed >= lost_frames - 3  # the difference has to go somewhere
    assert counters.late == 0
    last, first = waits[-3000:], waits[:3000]
    assert max(last) <= max(first) + FRAME_S + 1e-6
    assert max(waits) <= cushion_s + 0.06 + 3 * FRAME_S
    assert min(waits) >= -1e-6


def test_a_whole_frame_replaces_a_partial_one_before_it_is_played() -> None:
    coarse = PartialFrame(b"\x12\x30\x00")
    jitter = buffer(cushion_s=0.2)
    jitter.put(0, coarse, 0.0)
    jitter.put(1, coarse, 0.0)
    jitter.put(0, b"\x12\x34\x56", 0.1)
    jitter.put(0, coarse, 0.1)  # and never the other way round
    assert jitter.pop(0.2) == Play(0, b"\x12\x34\x56")
    assert jitter.pop(0.28) == Play(1, coarse)
    jitter.put(1, b"\x12\x34\x56", 0.3)
    assert jitter.counters().duplicate == 2
    assert jitter.counters().late == 1


def test_an_earlier_packet_that_comes_within_the_cushion_does_not_put_off_the_later_one() -> None:
    """Recovered frames of a packet lost at the very start: what came first is played when it would have been."""
    jitter = buffer(cushion_s=2.0, cap_s=3.0)
    put(jitter, 6, 6, 0.0)
    put(jitter, 0, 6, 1.0)
    assert jitter.pop(1.51) == Silence()
    steps = [jitter.pop(1.52 + k * FRAME_S) for k in range(12)]
    assert played(steps) == list(range(12))
    # Too late to be played before: it is played at once, and the rest after it.
    late = buffer(cushion_s=2.0, cap_s=3.0)
    put(late, 6, 6, 0.0)
    put(late, 0, 6, 1.9)
    assert late.pop(1.9) == Play(0, code(0))
