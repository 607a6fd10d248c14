"""`clarilink bench --channel`: how much of the delay through a channel process is the emulator's own, and how fast
simulated time runs.

Rule: real sockets and processes; what is measured is the time between the arrival that the channel's figures ask for
and the packet in a station's hands, so a busy machine and the stations' own tardiness count against the emulator. On a
machine with other work `chrt -r 5` (as root) leaves that work out.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

import numpy as np

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig, load_channel
from gateway.clock import SystemClock
from gateway.errors import LinkError
from gateway.links.channel_process import ChannelProcess
from gateway.links.crowd import Crowd
from gateway.logs import configure_logging

DELAY_S = 0.25
PACKET_EVERY_S = 0.48
"""As live voice of six frames a packet."""
_HEAD = struct.Struct("!d")
PACKET_BYTES = 26
START_S = 20.0
QUIET_S = 3.0
"""Nothing has come for so long: nothing more is coming."""
SIMULATED = {"satellite": "lossy-satellite", "acoustic": "acoustic-1km"}


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """Added delay: arrival less sending less what the channel's figures ask for, of all packets received. `late_ms`:
    handed to the socket after it was due, as the process itself knows it."""

    stations: int
    packets: int
    missing: int
    added_ms_p50: float
    added_ms_p99: float
    added_ms_max: float
    late_ms_p99: float
    cpu_share: float


def measure_jitter(stations: int = 50, seconds: float = 10.0, spec: ChannelSpec | None = None) -> ChannelFigures:
    """Every station sends a packet each 480 ms, all hear all, over a channel that delays by `DELAY_S` or is `spec`
    (without jitter, or that counts as the emulator's). Raises LinkError where they do not come together."""
    channel = ChannelSpec("bench", delay_ms=1000 * DELAY_S) if spec is None else spec
    asked_s = channel.delay_ms / 1000 + channel.airtime_s(PACKET_BYTES)
    config = ChannelProcessConfig("tcp://127.0.0.1:*", channel, statistics_s=1.0)
    with _served(config) as (endpoint, asking):
        receiving, sending = multiprocessing.Pipe(duplex=False)
        names = [f"station-{index:02d}" for index in range(stations)]
        client = multiprocessing.get_context("spawn").Process(
            target=_crowd, args=(endpoint, names, seconds, asked_s, sending), daemon=True
        )
        client.start()
        sending.close()
        try:
            if not receiving.poll(START_S + seconds + 60):
                raise LinkError(f"{stations} stations did not come together at {endpoint}")
            added_s, expected = receiving.recv()
        finally:
            client.join(5.0)
            client.kill()
        asking.send("figures")
        late_s, cpu_share = asking.recv()
    added_ms = 1000 * np.asarray(added_s)
    if not len(added_ms):
        raise LinkError(f"nothing was heard through {endpoint}")
    p50, p99 = np.percentile(added_ms, [50, 99])
    return ChannelFigures(
        stations,
        len(added_ms),
        expected - len(added_ms),
        round(float(p50), 2),
        round(float(p99), 2),
        round(float(added_ms.max()), 2),
        round(1000 * late_s[len(late_s) * 99 // 100], 2),
        round(cpu_share, 3),
    )


@contextmanager
def _served(config: ChannelProcessConfig) -> Iterator[tuple[str, Connection]]:
    """A channel process in a process of its own: its endpoint, and a pipe that answers one question."""
    ours, theirs = multiprocessing.Pipe()
    served = multiprocessing.get_context("spawn").Process(target=_serve, args=(config, theirs), daemon=True)
    served.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise LinkError("the channel process did not start")
        yield ours.recv(), ours
    finally:
        ours.close()
        served.join(5.0)
        served.kill()


def _serve(config: ChannelProcessConfig, pipe: Connection) -> None:
    configure_logging("error", "console")
    process = ChannelProcess(config)
    pipe.send(process.endpoint)
    clock = SystemClock()
    begun_s, begun_cpu_s = clock.now(), _cpu_s()

    def stop_when_asked() -> None:
        try:
            pipe.recv()
            pipe.send((process.late_s(), (_cpu_s() - begun_cpu_s) / (clock.now() - begun_s)))
            pipe.recv()
        except EOFError:
            pass
        process.stop()

    threading.Thread(target=stop_when_asked, daemon=True).start()
    gc.freeze()
    process.run()


def _crowd(endpoint: str, names: list[str], seconds: float, asked_s: float, pipe: Connection) -> None:
    gc.freeze()
    clock = SystemClock()
    with Crowd(endpoint, names) as crowd:
        crowd.join(START_S)
        begin_s = clock.now() + 0.5
        end_s = begin_s + seconds
        due = sorted((begin_s + PACKET_EVERY_S * index / len(names), index) for index in range(len(names)))
        turn, sent = 0, 0
        added_s: list[float] = []
        last_s = end_s + asked_s
        while clock.now() < last_s + QUIET_S:
            at_s, index = due[turn % len(due)]
            at_s += PACKET_EVERY_S * (turn // len(due))
            if at_s < end_s and clock.now() >= at_s:
                data = _HEAD.pack(clock.now()).ljust(PACKET_BYTES, b".")
                crowd.send(index, data)
                sent += 1
                turn += 1
            for data, heard_s in crowd.heard(min(0.05, max(0.0, at_s - clock.now())) if at_s < end_s else 0.05):
                last_s = max(last_s, heard_s)
                added_s.append(heard_s - _HEAD.unpack_from(data)[0] - asked_s)
    pipe.send((added_s, sent * (len(names) - 1)))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def simulated_time_factor(channel: str, seconds: float = 3600.0, repeats: int = 3) -> float:
    """How many times faster than real a conversation of two stations without sound runs; a median."""
    from gateway.tools.packet_study import (  # brings the codec: not for those measured above
        ConversationOptions,
        converse,
    )

    clock, spec, factors = SystemClock(), load_channel(channel), []
    for _ in range(repeats):
        begun_s = clock.now()
        simulated_s = converse(spec, options=ConversationOptions(seconds=seconds)).simulated_s
        factors.append(simulated_s / (clock.now() - begun_s))
    return round(median(factors))


def channel_figures() -> dict[str, float]:
    """Stable names for JSON."""
    found = measure_jitter()
    return {
        "channel_stations": found.stations,
        "channel_packets": found.packets,
        "channel_missing": found.missing,
        "channel_added_ms_p50": found.added_ms_p50,
        "channel_added_ms_p99": found.added_ms_p99,
        "channel_added_ms_max": found.added_ms_max,
        "channel_late_ms_p99": found.late_ms_p99,
        "channel_cpu_share": found.cpu_share,
        **{f"simulated_factor_{name}": simulated_time_factor(preset) for name, preset in SIMULATED.items()},
    }
