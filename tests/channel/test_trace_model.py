"""Replay: the fates of a recording, again and again the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.channel.impairments import Channel, ChannelSpec, Delivery
from gateway.channel.spec_file import load_channel, load_channel_process
from gateway.errors import ConfigError
from gateway.traces import Direction, Outcome, TraceHeader, TraceRecord, TraceWriter
from gateway.traces.load import load_trace
from gateway.traces.statistics import fit_path

LIVE = ChannelSpec("live", delay_ms=270, jitter_ms=40, loss=0.2, mean_burst=3, duplicate=0.05, ordered=False)


def send_all(channel: Channel, times: list[float]) -> list[tuple[Delivery, ...]]:
    """What became of each, of several copies the earliest first."""
    sent = [channel.send(f"packet {number}".encode(), at_s) for number, at_s in enumerate(times)]
    return [tuple(sorted(arrived, key=lambda one: one.at_s)) for arrived in sent]


def live_times(n: int) -> list[float]:
    """Overs of packets every 0.48 s, every third with a second packet at the same time, pauses of some seconds."""
    times, now = [], 1000.0
    for number in range(n):
        times += [now] * (2 if number % 3 == 0 else 1)
        now += 0.48 if number % 20 else 7.3
    return times


def record(folder: Path, times: list[float], outcomes: list[tuple[Delivery, ...]]) -> Path:
    with TraceWriter(folder / "live.trace", TraceHeader("alpha")) as writer:
        for number, (at_s, arrived) in enumerate(zip(times, outcomes, strict=True)):
            what = Outcome.DELIVERED if arrived else Outcome.LOST
            delay_s = arrived[0].at_s - at_s if arrived else None
            row = TraceRecord(at_s, Direction.TX, what, None, "alpha", "bravo", number, size=9, delay_s=delay_s)
            writer.write(row)
            for copy in arrived[1:]:
                writer.write(
                    TraceRecord(
                        at_s, Direction.TX, Outcome.COPY, None, "alpha", "bravo", number, delay_s=copy.at_s - at_s
                    )
                )
    return writer.path


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float], list[tuple[Delivery, ...]]]:
    folder = tmp_path_factory.mktemp("live")
    times = live_times(1500)
    outcomes = send_all(Channel(LIVE, np.random.default_rng(5), times[0]), times)
    return record(folder, times, outcomes), times, outcomes


def channel_file(path: Path, more: str = "") -> Path:
    target = path.with_name("replay.toml")
    target.write_text(f'[model]\nkind = "trace"\nfile = "{path.name}"\n{more}', encoding="utf-8")
    return target


def replay(path: Path, times: list[float], more: str = "", seed: int = 1) -> list[tuple[Delivery, ...]]:
    return send_all(Channel(load_channel(channel_file(path, more)), np.random.default_rng(seed), times[0]), times)


def fates(outcomes: list[tuple[Delivery, ...]]) -> list[bool]:
    return [bool(arrived) for arrived in outcomes]


def test_a_recorded_run_is_replayed_to_the_same_deliveries(
    live: tuple[Path, list[float], list[tuple[Delivery, ...]]],
) -> None:
    path, times, outcomes = live
    again = replay(path, times)
    assert [[one.data for one in arrived] for arrived in again] == [
        [one.data for one in arrived] for arrived in outcomes
    ]
    for then, now in zip(outcomes, again, strict=True):
        assert [one.at_s for one in now] == pytest.approx([one.at_s for one in then], abs=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_times(
    live: tuple[Path, list[float], list[tuple[Delivery, ...]]],
) -> None:
    path, times, _ = live
    assert replay(path, times, seed=7) == replay(path, times, seed=7)


def test_packets_sent_a_little_later_or_earlier_meet_the_same_fates(
    live: tuple[Path, list[float], list[tuple[Delivery, ...]]],
) -> None:
    path, times, outcomes = live
    rng = np.random.default_rng(3)
    moved = [at_s + 0.01 * float(rng.random()) for at_s in times]
    moved[0] = times[0]
    assert fates(replay(path, sorted(moved))) == fates(outcomes)


def test_it_wraps_or_stops(live: tuple[Path, list[float], list[tuple[Delivery, ...]]]) -> None:
    path, times, outcomes = live
    lap_s = times[-1] - times[0] + 0.48
    twice = [*times, *(at_s + lap_s for at_s in times)]
    assert fates(replay(path, twice)) == fates(outcomes) * 2
    stopped = Channel(load_channel(channel_file(path, 'end = "stop"')), np.random.default_rng(1), times[0])
    assert fates(send_all(stopped, twice)) == fates(outcomes) + [False] * len(times)
    assert stopped.causes["trace ended"] == len(times)


def test_offset_window_and_speed(live: tuple[Path, list[float], list[tuple[Delivery, ...]]]) -> None:
    path, times, outcomes = live
    later = [at_s for at_s in times if at_s >= times[0] + 50]
    skipped = len(times) - len(later)
    shifted = [at_s - later[0] + times[0] for at_s in later]
    more = f"offset_s = {later[0] - times[0]!r}"
    assert fates(replay(path, shifted, more)) == fates(outcomes)[skipped:]
    inside = sum(at_s < later[0] + 30 for at_s in later)
    window = fates(
        replay(path, [*shifted[:inside], *(at_s + 30 for at_s in shifted[:inside])], more + "\nwindow_s = 30")
    )
    assert window == fates(outcomes)[skipped : skipped + inside] * 2
    fast = [times[0] + (at_s - times[0]) / 10 for at_s in times]
    assert fates(replay(path, fast, "speed = 10")) == fates(outcomes)


def test_by_packet_pays_no_heed_to_time(live: tuple[Path, list[float], list[tuple[Delivery, ...]]]) -> None:
    path, times, outcomes = live
    assert fates(replay(path, [times[0] + 0.001 * n for n in range(len(times))], 'by = "packet"')) == fates(outcomes)


def test_a_random_offset_follows_the_seed(live: tuple[Path, list[float], list[tuple[Delivery, ...]]]) -> None:
    path, times, outcomes = live
    runs = [fates(replay(path, times[:400], f'offset_s = "random"\nseed = {seed}')) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert fates(outcomes)[:400] not in runs


def test_delays_that_were_not_recorded_are_drawn_from_those_that_were(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "a.trace") as writer:
        for number in range(200):
            delay_s = None if number % 2 else 0.25 + number / 1000
            writer.write(TraceRecord(number, Direction.TX, Outcome.DELIVERED, sequence=number, delay_s=delay_s))
    times = [float(number) for number in range(200)]
    delays = [arrived[0].at_s - at_s for arrived, at_s in zip(replay(writer.path, times), times, strict=True)]
    assert 0.25 <= min(delays) <= max(delays) <= 0.45
    assert len({round(delay, 6) for delay in delays[1::2]}) > 10
    assert delays != [a[0].at_s - at for a, at in zip(replay(writer.path, times, seed=2), times, strict=True)]


def test_delivery_opportunities_let_bytes_out_in_turn(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "a.trace") as writer:
        for at_ms in (0, 10, 20, 30, 40):
            writer.write(TraceRecord(at_ms / 1000, Direction.TX, Outcome.OPPORTUNITY, size=1500))
    channel = Channel(load_channel(channel_file(writer.path)), np.random.default_rng(1), 0.0)
    sizes = [(0.001, 1000), (0.001, 500), (0.001, 1500), (0.0305, 3000), (0.2, 100)]
    arrivals = [channel.send(bytes(size), at_s)[0].at_s for at_s, size in sizes]
    # At 10 ms 1000 + 500, at 20 ms the third, the fourth needs 40 ms and the next lap (50 ms long) at 50 ms.
    assert arrivals == pytest.approx([0.010, 0.010, 0.020, 0.050, 0.200])


def test_it_drives_a_channel_process_file(live: tuple[Path, list[float], list[tuple[Delivery, ...]]]) -> None:
    path = live[0]
    net = path.with_name("net.toml")
    net.write_text(
        'endpoint = "tcp://127.0.0.1:5600"\n[channel.model]\nkind = "trace"\nfile = "live.trace"\n', encoding="utf-8"
    )
    spec = load_channel_process(net).default
    assert fates(send_all(Channel(spec, np.random.default_rng(1), live[1][0]), live[1])) == fates(live[2])


def test_the_fit_of_a_replay_is_that_of_the_trace(live: tuple[Path, list[float], list[tuple[Delivery, ...]]]) -> None:
    fit = fit_path(load_trace(live[0]).direction())
    assert (fit.packets, fit.lost) == (len(live[1]), fates(live[2]).count(False))
    assert fit.duplicated == pytest.approx(0.05, rel=0.4)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('direction = "alpha > brave"', r"model.file: .*live.trace: no direction 'alpha > brave'; did you mean"),
        ("offset_s = 1e9", r"model.offset_s: 1e\+09 leaves nothing"),
        ("offset_s = -1", "model.offset_s: got -1; needed"),
        ("window_s = 0", "model.window_s: got 0"),
        ("speed = 0", "model.speed: got 0"),
        ("sped = 1", "model.sped: unknown key"),
        ('end = "begin"', "model.end"),
    ],
)
def test_mistakes_are_named(
    live: tuple[Path, list[float], list[tuple[Delivery, ...]]], more: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"replay.toml: .*{message}"):
        load_channel(channel_file(live[0], more))


def test_a_missing_file_and_a_trace_without_fates_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model.file: .*none.trace: cannot read: No such file"):
        load_channel(channel_file(tmp_path / "none.trace"))
    with TraceWriter(tmp_path / "sent.trace") as writer:
        writer.write(TraceRecord(1.0, Direction.TX, Outcome.SENT))
    with pytest.raises(ConfigError, match=r"no packet whose fate is known.*trace join"):
        load_channel(channel_file(writer.path))
