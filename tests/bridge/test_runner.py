"""A modem at work on real pseudo-terminals: unplugged and plugged again, flooded, stuck, keyed, and always stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.driver import (
    Lines,
    ModemDriver,
    ModemEvent,
    ModemStatus,
    Outgoing,
    PacketHeard,
    PacketLost,
    PacketSent,
    StatusChanged,
)
from firmware_bridge.drivers.transparent import TransparentDriver
from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.port import Port
from firmware_bridge.profile import ModemProfile, PortSection, load_profile
from firmware_bridge.raw_log import Mark, read_log
from firmware_bridge.runner import ModemRunner
from gateway.errors import ConfigError, LinkError
from tests.bridge.wires import PATIENCE_S, Device, TcpWire, until

PROFILE = load_profile("direct-115200")
FRAMER = CobsFramer(PROFILE.air.mtu_bytes)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "modem")
    yield made
    made.unplug()


@pytest.fixture
def runner(device: Device) -> Iterator[ModemRunner]:
    made = ModemRunner(TransparentDriver(PROFILE), str(device.path))
    yield made
    made.stop()
    assert made.failure is None


def ready(runner: ModemRunner) -> bool:
    return runner.wait_for(ModemStatus.READY, PATIENCE_S)


def heard(runner: ModemRunner) -> bytes:
    """The next packet; other events are passed over."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        event = runner.next_event(0.5)
        if isinstance(event, PacketHeard):
            return event.data
    raise AssertionError("nothing heard")


def test_packets_both_ways(device: Device, runner: ModemRunner) -> None:
    device.plug()
    runner.start()
    assert ready(runner)
    assert runner.can_send()
    assert runner.send(b"over") == 1
    assert FRAMER.feed(device.read_until(FRAMER.encode(b"over"))) == [b"over"]
    until(lambda: runner.waiting == 0)
    device.write(FRAMER.encode(b"roger"))
    assert heard(runner) == b"roger"


def test_a_port_that_is_not_there_is_said_and_waited_for(device: Device, runner: ModemRunner) -> None:
    runner.start()
    until(lambda: "not there" in runner.status_text)
    assert runner.status is ModemStatus.NO_PORT
    assert not runner.can_send()
    assert runner.send(b"kept") == 1
    device.plug()
    assert FRAMER.feed(device.read_until(FRAMER.encode(b"kept"))) == [b"kept"]


def test_unplugged_and_plugged_again_while_talking(device: Device, runner: ModemRunner) -> None:
    device.plug()
    runner.start()
    assert ready(runner)
    told: list[int] = []
    sent: set[bytes] = set()
    arrived: list[bytes] = []
    number = 0
    for round_ in range(3):
        for _ in range(10):
            packet = number.to_bytes(2, "big") * 10
            if runner.send(packet) is not None:
                sent.add(packet)
                number += 1
            arrived += FRAMER.feed(device.read())
            time.sleep(0.002)
        device.unplug()
        until(lambda: runner.status is ModemStatus.NO_PORT)
        assert "unplugged" in runner.status_text or "not there" in runner.status_text
        if round_ < 2:
            accepted = runner.send(b"said while unplugged")
            assert accepted is not None
            sent.add(b"said while unplugged")
        device.plug()
        assert ready(runner)

    def all_gone() -> bool:
        arrived.extend(FRAMER.feed(device.read()))
        event = runner.next_event()
        while event is not None:
            told.extend([event.number] if isinstance(event, PacketSent) else [])
            assert not isinstance(event, PacketLost)
            event = runner.next_event()
        return len(told) == number + 2

    until(all_gone)
    assert len(set(told)) == len(told), "each accepted packet ends once"
    assert b"said while unplugged" in arrived
    device.write(FRAMER.encode(b"still heard", after_silence=True))
    assert heard(runner) == b"still heard"


def test_garbage_floods_and_half_frames(device: Device, runner: ModemRunner) -> None:
    device.plug()
    runner.start()
    assert ready(runner)
    noise = Random(3)
    for _ in range(20):
        device.write(noise.randbytes(5000))
    device.write(FRAMER.encode(b"after the flood", after_silence=True))
    while heard(runner) != b"after the flood":
        pass
    device.write(FRAMER.encode(b"never whole")[:6])
    time.sleep(0.05)
    assert runner.send(b"we go on") is not None
    device.read_until(FRAMER.encode(b"we go on"))
    device.write(FRAMER.encode(b"next", after_silence=True))
    assert heard(runner) == b"next"


def test_a_peer_that_never_reads_stops_nobody(device: Device, runner: ModemRunner) -> None:
    fast = ModemProfile.model_validate({**PROFILE.model_dump(), "port": {"baud": 4_000_000}})
    stuck = ModemRunner(TransparentDriver(fast), str(device.path))
    device.plug()
    stuck.start()
    assert ready(stuck)
    refused = 0
    accepted = 0
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and refused < 400:
        if stuck.send(bytes(1000)) is None:
            refused += 1
            time.sleep(0.001)
        else:
            refused, accepted = 0, accepted + 1
    assert refused == 400, "the queue fills up in the end"
    assert not stuck.can_send()
    begun = time.monotonic()
    stuck.stop()
    assert time.monotonic() - begun < PATIENCE_S / 2
    assert stuck.status is ModemStatus.STOPPED
    ended = 0
    while (event := stuck.next_event()) is not None:
        ended += isinstance(event, PacketSent | PacketLost)
    assert ended == accepted


def test_a_runner_stops_with_port_and_without(device: Device) -> None:
    for plug in (False, True):
        if plug:
            device.plug()
        runner = ModemRunner(TransparentDriver(PROFILE), str(device.path))
        runner.start()
        time.sleep(0.1)
        runner.stop()
        assert runner.send(b"late") is None
        begun = time.monotonic()
        while runner.next_event(PATIENCE_S) is not None:
            pass
        assert time.monotonic() - begun < PATIENCE_S, "nobody waits for a modem that has stopped"


def test_a_runner_never_started_stops(device: Device) -> None:
    ModemRunner(TransparentDriver(PROFILE), str(device.path)).stop()


def test_several_addresses_are_tried_in_turn(tmp_path: Path, device: Device) -> None:
    device.plug()
    made = ModemRunner(TransparentDriver(PROFILE), [str(tmp_path / "absent"), str(device.path)])
    made.start()
    assert ready(made)
    made.stop()
    with pytest.raises(ConfigError, match="needed"):
        ModemRunner(TransparentDriver(PROFILE), "http://x")


def test_tcp_is_connected_again_when_it_was_cut() -> None:
    wire = TcpWire()
    runners = [ModemRunner(TransparentDriver(PROFILE), end) for end in wire.ends]
    try:
        for one in runners:
            one.start()
            assert ready(one)
        runners[0].send(b"over tcp")
        assert heard(runners[1]) == b"over tcp"
        opened = runners[1]._metrics.counter("modem.port_opened")
        wire.hang_up(1)
        until(lambda: runners[1]._metrics.counter("modem.port_opened") > opened)
        assert ready(runners[1])

        def gets_through() -> bool:
            runners[0].send(b"again")
            event = runners[1].next_event(0.1)
            return isinstance(event, PacketHeard) and event.data == b"again"

        until(gets_through)
    finally:
        for one in runners:
            one.stop()
        wire.close()


def test_the_raw_log_has_every_byte(device: Device, tmp_path: Path) -> None:
    device.plug()
    log = tmp_path / "raw.log"
    runner = ModemRunner(TransparentDriver(PROFILE), str(device.path), raw_log=log)
    runner.start()
    assert ready(runner)
    runner.send(b"over")
    got = device.read_until(FRAMER.encode(b"over"))
    device.write(FRAMER.encode(b"roger"))
    assert heard(runner) == b"roger"
    runner.stop()
    records = list(read_log(log))
    assert b"".join(record.data for record in records if record.mark is Mark.TO_MODEM) == got
    assert b"".join(record.data for record in records if record.mark is Mark.FROM_MODEM) == FRAMER.encode(b"roger")
    assert [record.text for record in records if record.mark is Mark.NOTE] == [f"open {device.path}", "closed"]


@dataclass(frozen=True)
class Line:
    is_on: bool


@dataclass
class SlowKeyer:
    """Keys `delay_s` before data; off as soon as it is released."""

    delay_s: float
    on_s: float | None = None
    output: list[Line] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def key(self, now: float) -> None:
        if self.on_s is None:
            self.on_s = now
            self.output.append(Line(True))

    def release(self, now: float) -> None:
        if self.on_s is not None:
            self.on_s = None
            self.output.append(Line(False))

    def may_send(self, now: float) -> bool:
        return self.on_s is not None and now >= self.on_s + self.delay_s

    def sending_until(self, now: float, end_s: float) -> None:
        self.ends.append(end_s - now)

    def hold_over(self, now: float) -> None:
        self.key(now)

    def end_over(self, now: float) -> None:
        self.release(now)

    def tick(self, now: float) -> None: ...

    def next_deadline(self) -> float | None:
        return None if self.on_s is None else self.on_s + self.delay_s

    def take_output(self) -> list[Line]:
        output, self.output = self.output, []
        return output


def test_the_key_is_on_before_data_and_off_after_it(device: Device) -> None:
    device.plug()
    switched: list[tuple[float, bool]] = []
    keyer = SlowKeyer(0.2)
    runner = ModemRunner(
        TransparentDriver(PROFILE),
        str(device.path),
        keyer=keyer,
        key_line=lambda is_on: switched.append((time.monotonic(), is_on)),
    )
    runner.start()
    assert ready(runner)
    assert switched == []
    runner.send(b"keyed")
    device.read_until(FRAMER.encode(b"keyed"))
    arrived_s = time.monotonic()
    until(lambda: len(switched) == 2)
    assert [is_on for _, is_on in switched] == [True, False]
    assert arrived_s - switched[0][0] >= 0.19
    assert keyer.ends[-1] == pytest.approx(len(FRAMER.encode(b"keyed", after_silence=True)) * 10 / 115_200, rel=0.2)
    runner.stop()


def test_losing_the_port_and_stopping_unkey(device: Device) -> None:
    device.plug()
    switched: list[bool] = []
    runner = ModemRunner(TransparentDriver(PROFILE), str(device.path), keyer=SlowKeyer(60.0), key_line=switched.append)
    runner.start()
    assert ready(runner)
    runner.send(b"never sent")
    until(lambda: switched == [True])
    device.unplug()
    until(lambda: switched == [True, False])
    device.plug()
    until(lambda: switched == [True, False, True])
    runner.stop()
    assert switched == [True, False, True, False]


class FakePort(Port):
    """Control lines without hardware; takes 3 bytes at a time."""

    def __init__(self, address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> None:
        super().__init__(address)
        self.now = Lines(cts=True, dcd=False)
        self.told: list[tuple[str, bool] | bytes] = [("rts", rts), ("dtr", dtr)]
        self.fails = False

    def read(self) -> bytes:
        if self.fails:
            raise LinkError("torn out")
        return b""

    def write(self, data: bytes) -> int:
        self.told.append(data[:3])
        return min(3, len(data))

    def lines(self) -> Lines:
        return self.now

    @property
    def has_lines(self) -> bool:
        return True

    def set_line(self, line: str, is_on: bool) -> None:
        self.told.append((line, is_on))

    def _file(self) -> int:
        return self._woken

    def _close(self) -> None: ...


class LinesDriver(ModemDriver):
    """Writes, switches, writes; remembers lines and what was taken."""

    def __init__(self) -> None:
        super().__init__(PROFILE)
        self.seen: list[Lines] = []
        self.taken: list[int] = []

    def _start(self, now: float) -> None:
        self._write(b"abcdef")
        self._set_line("dtr", False)
        self._write(b"gh")
        self._set_status(ModemStatus.READY, "ready")

    def _parse(self, now: float) -> None: ...

    def _is_free(self, now: float) -> bool:
        return False

    def _transmit(self, packet: Outgoing, now: float) -> None: ...

    def _lines_changed(self, before: Lines, now: float) -> None:
        self.seen.append(self._lines)

    def _bytes_written(self, now: float) -> None:
        self.taken.append(self._written_bytes)


def test_lines_and_bytes_keep_their_order_and_written_tells_what_was_taken() -> None:
    made: list[FakePort] = []

    def open_fake(address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> Port:
        made.append(FakePort(address, section, rts=rts, dtr=dtr))
        return made[-1]

    driver = LinesDriver()
    runner = ModemRunner(driver, "/dev/fake", open_with=open_fake)
    runner.start()
    until(lambda: len(driver.taken) == 3)
    assert made[0].told == [("rts", True), ("dtr", True), b"abc", b"def", ("dtr", False), b"gh"]
    assert driver.taken == [3, 6, 8]
    made[0].now = Lines(cts=True, dcd=True)
    until(lambda: driver.seen == [Lines(cts=True, dcd=True)])
    made[0].fails = True
    until(lambda: len(made) == 2)
    runner.stop()
    events: list[ModemEvent] = []
    while (event := runner.next_event()) is not None:
        events.append(event)
    assert StatusChanged(ModemStatus.NO_PORT, "torn out") in events


@pytest.mark.parametrize("rests_on", [False, True])
def test_a_line_that_keys_rests_when_the_port_is_opened(rests_on: bool) -> None:
    made: list[FakePort] = []

    def open_fake(address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> Port:
        made.append(FakePort(address, section, rts=rts, dtr=dtr))
        return made[-1]

    keyer = SlowKeyer(0.0, output=[Line(rests_on)])
    runner = ModemRunner(TransparentDriver(PROFILE), "/dev/fake", keyer=keyer, key_line="rts", open_with=open_fake)
    runner.start()
    until(lambda: made)
    assert made[0].told[:2] == [("rts", rests_on), ("dtr", True)]
    runner.hold_over()
    until(lambda: ("rts", True) in made[0].told[1:])
    runner.stop()
    assert made[0].told[-1] == ("rts", rests_on)


class BrokenDriver(LinesDriver):
    def _tick(self, now: float) -> None:
        raise RuntimeError("a bug")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_driver_with_a_bug_ends_the_runner_and_is_told() -> None:
    runner = ModemRunner(BrokenDriver(), "/dev/fake", open_with=FakePort)
    runner.start()
    until(lambda: runner.failure is not None)
    assert str(runner.failure) == "a bug"
    begun = time.monotonic()
    while runner.next_event(PATIENCE_S) is not None:
        pass
    runner.stop()
    assert time.monotonic() - begun < PATIENCE_S
