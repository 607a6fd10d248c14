"""The script of a modem's set-up: one command at a time, time-outs, silence, refusals, probes."""

from __future__ import annotations

from firmware_bridge.driver import ModemStatus, Outgoing, PacketLost, PacketSent, StatusChanged, Write
from firmware_bridge.drivers.scripted import ScriptedDriver, Step
from firmware_bridge.profile import AirSection, ModemProfile

PROFILE = ModemProfile(name="fake", driver="fake", air=AirSection(mtu_bytes=16))


class Scripted(ScriptedDriver):
    """Two steps; `a` answers the step under way, `r` refuses it, `t` takes a packet, `b` is busy, `B` boots."""

    _reply_s = 1.0
    _pause_s = 4.0
    _idle_s = 10.0

    def _script(self) -> list[Step]:
        return [Step("one", b"1"), Step("two", b"2", quiet_s=0.5)]

    def _probe(self) -> Step | None:
        return Step("probe", b"?")

    def _parse(self, now: float) -> None:
        said, self._inbox = bytes(self._inbox), bytearray()
        for byte in said.decode():
            self._heard_at = now
            match byte:
                case "a" if self._step is not None:
                    self._answered(now)
                case "r":
                    self._refused(now)
                case "t":
                    self._done()
                case "b":
                    self._busy(now, 2.0)
                case "l":
                    self._busy(now, 10.5)
                case "B":
                    self._modem_restarted(now, "booted")

    def _transmit(self, packet: Outgoing, now: float) -> None:
        self._write(b"S" + packet.data)
        self._wait_until = now + 3.0


class Bench:
    """A driver under a clock that jumps from deadline to deadline."""

    def __init__(self) -> None:
        self.driver, self.now = Scripted(PROFILE), 0.0
        self.driver.port_opened(0.0)
        self.written: list[tuple[float, bytes]] = []
        self.events: list[object] = []
        self._collect()

    def _collect(self) -> None:
        self.written += [(self.now, item.data) for item in self.driver.take_output() if isinstance(item, Write)]
        self.events += self.driver.take_events()

    def until(self, when: float) -> None:
        for _ in range(1000):
            due = self.driver.next_deadline()
            if due is None or due > when:
                self.now = when
                return
            assert due >= self.now, "a deadline in the past"
            self.now = due
            self.driver.tick(self.now)
            self._collect()
        raise AssertionError("a driver that never rests")

    def say(self, data: bytes) -> None:
        self.driver.receive_data(data, self.now)
        self._collect()

    def send(self, data: bytes) -> int | None:
        number = self.driver.send(data, self.now)
        self._collect()
        return number

    def ready(self) -> None:
        self.say(b"a")
        self.until(self.now + 0.5)
        self.say(b"a")
        self.written.clear()


def test_one_command_at_a_time_each_after_its_silence() -> None:
    bench = Bench()
    assert bench.written == [(0.0, b"1")]
    bench.until(0.2)
    bench.say(b"a")
    assert len(bench.written) == 1
    bench.until(0.8)
    assert bench.written[1:] == [(0.7, b"2")]
    assert bench.driver.status is ModemStatus.STARTING
    bench.say(b"a")
    assert (bench.driver.status, bench.driver.status_text) == (ModemStatus.READY, "ready")


def test_a_modem_that_never_answers_is_asked_on_for_ever() -> None:
    bench = Bench()
    bench.until(37.5)
    times = [when for when, _ in bench.written]
    assert times == [0, 1, 2, 7, 12, 17, 22, 27, 32, 37]
    assert bench.driver.status is ModemStatus.SILENT
    assert bench.driver.status_text == "no answer to one; asking again every 5 s"
    assert bench.driver.metrics.counter("modem.silences") == 1
    bench.say(b"a")
    assert bench.driver.status_text == "answers again"
    bench.until(bench.now + 0.5)
    bench.say(b"a")
    assert bench.driver.status is ModemStatus.READY


def test_a_late_answer_to_an_earlier_try_will_do() -> None:
    bench = Bench()
    bench.until(1.5)
    bench.say(b"a")
    bench.until(2.2)
    assert [data for _, data in bench.written] == [b"1", b"1", b"2"]


def test_what_the_modem_declines_is_asked_twice_and_named() -> None:
    bench = Bench()
    bench.say(b"r")
    bench.say(b"r")
    bench.until(0.6)
    bench.say(b"a")
    assert bench.driver.status_text == "ready (declined: one)"
    assert [data for _, data in bench.written] == [b"1", b"1", b"2"]


def test_a_packet_without_an_answer_makes_the_modem_silent_and_is_kept() -> None:
    bench = Bench()
    bench.ready()
    assert bench.send(b"p") == 1
    bench.until(bench.now + 3.0)
    assert bench.driver.status is ModemStatus.SILENT
    assert bench.driver.waiting == 1
    bench.ready()
    bench.say(b"t")
    assert bench.events[-1] == PacketSent(1)


def test_a_busy_modem_gets_the_packet_again_after_a_while() -> None:
    bench = Bench()
    bench.ready()
    begun = bench.now
    bench.send(b"p")
    bench.say(b"b")
    bench.until(begun + 4)
    assert bench.written == [(begun, b"Sp"), (begun + 2.0, b"Sp")]


def test_a_wait_that_ends_while_the_modem_is_probed() -> None:
    bench = Bench()
    bench.ready()
    begun = bench.now
    bench.send(b"p")
    bench.say(b"l")
    bench.until(begun + 10.8)
    assert bench.written == [(begun, b"Sp"), (begun + 10.0, b"?")]
    bench.say(b"a")
    assert bench.written[2:] == [(begun + 10.8, b"Sp")]


def test_a_packet_that_is_refused_for_ever_is_given_up() -> None:
    bench = Bench()
    bench.ready()
    bench.send(b"p")
    for _ in range(20):
        bench.say(b"b")
        bench.until(bench.now + 2.0)
    assert [event for event in bench.events if isinstance(event, PacketLost)] == [
        PacketLost(1, "the modem refused it 20 times")
    ]
    assert len(bench.written) == 20


def test_an_idle_modem_is_probed_and_found_missing() -> None:
    bench = Bench()
    bench.ready()
    begun = bench.now
    bench.until(begun + 10.5)
    assert bench.written == [(begun + 10.0, b"?")]
    bench.say(b"a")
    assert bench.driver.status is ModemStatus.READY
    bench.until(bench.now + 12.9)
    assert bench.driver.status is ModemStatus.READY
    bench.until(bench.now + 0.2)
    assert bench.driver.status_text == "no answer to probe; asking again every 5 s"


def test_a_boot_begins_the_script_anew_and_keeps_the_packet() -> None:
    bench = Bench()
    bench.ready()
    bench.send(b"p")
    bench.say(b"B")
    assert bench.events[-1] == StatusChanged(ModemStatus.STARTING, "booted")
    bench.ready()
    bench.until(bench.now + 0.1)
    assert bench.driver.waiting == 1
    bench.say(b"t")
    assert bench.events[-1] == PacketSent(1)


def test_nothing_happens_without_a_port_and_after_the_end() -> None:
    bench = Bench()
    bench.ready()
    bench.driver.port_closed(bench.now, "unplugged")
    bench.driver.receive_data(b"aB", bench.now)
    bench.driver.tick(bench.now + 100)
    assert bench.driver.next_deadline() is None
    assert bench.driver.take_output() == []
    bench.driver.port_opened(bench.now + 200)
    bench.driver.shut_down(bench.now + 201)
    bench.driver.receive_data(b"aaaB", bench.now + 202)
    assert bench.driver.status is ModemStatus.STOPPED
    assert bench.driver.next_deadline() is None
