"""`clarilink bench --serial`: what the serial shell makes of a line, and what it costs while nothing happens.

Rule: a pair of pseudo-terminals joined by a thread that lets bytes through at the line's rate stands for the cable, so
that the figures are those of ports, runner and driver, not of hardware.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import threading
import tty
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

from firmware_bridge.driver import ModemStatus
from firmware_bridge.link import ModemLink
from firmware_bridge.profile import AirSection, ModemProfile, PortSection
from gateway.clock import SystemClock
from gateway.errors import LinkError
from gateway.metrics import Metrics

BAUDS = (1200, 9600, 19_200, 57_600, 115_200, 230_400, 460_800, 921_600)
PACKET_BYTES = 200
STEP_S = 0.01
"""A station waits this long for a packet in each turn."""
_BURST_S = 0.004
_READ_BYTES = 4096


class Cable:
    """Two pseudo-terminals, `ends`, whose bytes pass to each other at `baud` (None: at once); a `with` block.

    `is_read` False: what the first end writes is not taken off it, as by a modem that has stopped.
    """

    def __init__(self, baud: int | None = None) -> None:
        self._clock = SystemClock()
        self._bytes_per_s = None if baud is None else baud / 10
        self._masters, self._slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for slave in self._slaves:
            tty.setraw(slave)
        for master in self._masters:
            os.set_blocking(master, False)
        self.ends = tuple(os.ttyname(slave) for slave in self._slaves)
        self.is_read = True
        self.passed_bytes = 0
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Unplug both ends, for good; nothing if done already."""
        if not self._stopping:
            self._stopping = True
            os.write(self._wake_write, b"x")
            self._thread.join()
            for file in (*self._masters, *self._slaves, self._wake_read, self._wake_write):
                os.close(file)

    def inject(self, end: int, data: bytes) -> None:
        """Bytes that nobody wrote, to be read at an end."""
        os.write(self._masters[end], data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        free_s = [0.0, 0.0]
        while not self._stopping:
            now = self._clock.now()
            waits = [self._masters[one] for one in (0, 1) if free_s[one] <= now and (self.is_read or one == 1)]
            held_s = [free_s[one] - now for one in (0, 1) if free_s[one] > now]
            timeout_s = min(held_s, default=None if self.is_read else 0.05)
            ready, _, _ = select.select([*waits, self._wake_read], [], [], timeout_s)
            for one in (0, 1):
                if self._masters[one] in ready:
                    free_s[one] = self._pass(one, free_s[one])

    def _pass(self, one: int, free_s: float) -> float:
        """Hand on what the line carries in a few milliseconds; returns when it is free again."""
        rate = self._bytes_per_s
        size = _READ_BYTES if rate is None else max(1, int(rate * _BURST_S))
        try:
            data = os.read(self._masters[one], size)
        except OSError:
            return self._clock.now() + _BURST_S
        with contextlib.suppress(BlockingIOError):  # nobody reads at the other end: gone
            os.write(self._masters[1 - one], data)
        self.passed_bytes += len(data)
        if rate is None:
            return 0.0
        now = self._clock.now()
        # A thread that comes late catches up, a line that was idle does not.
        return (free_s if now - free_s < 0.1 else now) + len(data) / rate


@dataclass(frozen=True, slots=True)
class SerialFigures:
    """`line_share`: payload and framing that arrived in a second, as a share of what the line carries."""

    baud: int
    line_share: float
    payload_bps: float


def direct_profile(baud: int) -> ModemProfile:
    """A cable between two transparent ends."""
    air = AirSection(mtu_bytes=1024, overhead_bytes=5, half_duplex=False, has_integrity=True, queue_packets=32)
    return ModemProfile(name=f"cable-{baud}", driver="transparent", port=PortSection(baud=baud), air=air)


def measure_throughput(baud: int, seconds: float = 2.0) -> SerialFigures:
    """As many packets as fit through one direction of a line of `baud`. Raises LinkError if nothing arrives."""
    clock, profile = SystemClock(), direct_profile(baud)
    with Cable(baud) as cable:
        sender, receiver = (ModemLink(profile, end, metrics=Metrics()) for end in cable.ends)
        with sender, receiver:
            first_s = last_s = None
            packets = first_bytes = last_bytes = 0
            # Not before the line is full: the first packets only fill it.
            end_s = clock.now() + seconds + 3 * PACKET_BYTES * 10 / baud
            while clock.now() < end_s:
                while sender.runner is not None and sender.runner.waiting < profile.air.queue_packets:
                    sender.send(os.urandom(PACKET_BYTES))
                if receiver.receive(0.005) is None:
                    continue
                while receiver.receive(0.0) is not None:
                    packets += 1
                packets += 1
                last_s, last_bytes = clock.now(), receiver.metrics.counter("modem.bytes_read")
                if first_s is None:
                    first_s, first_bytes, packets = last_s, last_bytes, 0
    if first_s is None or last_s is None or last_s <= first_s:
        raise LinkError(f"nothing came through a line of {baud} baud in {seconds:g} s")
    lasted_s = last_s - first_s
    share = (last_bytes - first_bytes) / lasted_s / (baud / 10)
    return SerialFigures(baud, round(share, 4), round(packets * PACKET_BYTES * 8 / lasted_s, 1))


def measure_idle(seconds: float = 3.0) -> float:
    """Share of a core that this process uses while a modem link waits for packets as a station does."""
    clock = SystemClock()
    with Cable() as cable, ModemLink(direct_profile(115_200), cable.ends[0], metrics=Metrics()) as link:
        assert link.runner is not None
        link.runner.wait_for(ModemStatus.READY, 2.0)
        before, begin_s = _cpu_s(), clock.now()
        while clock.now() < begin_s + seconds:
            link.receive(STEP_S)
        return round((_cpu_s() - before) / (clock.now() - begin_s), 4)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def serial_figures(bauds: Sequence[int] = BAUDS, seconds: float = 1.0, repeats: int = 3) -> dict[str, float]:
    """Medians, for machines are shared, by stable names for JSON: `serial_line_share_BAUD`, `serial_idle_cpu_share`."""
    shares = {
        f"serial_line_share_{baud}": median(measure_throughput(baud, seconds).line_share for _ in range(repeats))
        for baud in bauds
    }
    return {**shares, "serial_idle_cpu_share": measure_idle()}
