"""The bridge process and its link over real sockets: packets, status, one gateway at a time, CURVE, files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware_bridge.bridge import BridgeProcess, load_bridge
from firmware_bridge.bridge_link import BridgeLink
from firmware_bridge.driver import Measured, ModemEvent, ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged
from firmware_bridge.messages import (
    HOST_SILENT_S,
    MAX_MESSAGE_BYTES,
    Bye,
    Hello,
    Lost,
    Message,
    Ping,
    Pong,
    Refused,
    Send,
    Status,
    Unknown,
    decode,
)
from firmware_bridge.profile import load_profile
from gateway.errors import ConfigError, LinkError
from gateway.links.curve import Curve
from gateway.links.router import MessageDealer
from gateway.links.sockets import curve_keypair

PATIENCE_S = 10.0
ROOT = Path(__file__).parents[2]
PROFILE = load_profile("firmware")


class FakeRunner:
    """A runner whose modem is another's: what is sent here is heard there."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.info = PROFILE.link_info()
        self.status, self.status_text = ModemStatus.READY, "ready"
        self.other: FakeRunner | None = None
        self.room = 100
        self.answers = True
        self._changed = threading.Condition()
        self._events: list[ModemEvent] = []
        self._numbers = 0
        self.taken: list[int] = []
        self.is_stopped = False

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self.is_stopped = True
        self.change(ModemStatus.STOPPED, "shut down")
        if not self.answers:
            for number in self.taken:
                self.put(PacketLost(number, "shut down"))

    def put(self, event: ModemEvent) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify()

    def change(self, status: ModemStatus, text: str) -> None:
        self.status, self.status_text = status, text
        self.put(StatusChanged(status, text))

    def send(self, data: bytes) -> int | None:
        if len(self.taken) >= self.room or self.is_stopped:
            return None
        self._numbers += 1
        if not self.answers:
            self.taken.append(self._numbers)
            return self._numbers
        self.put(PacketSent(self._numbers))
        if self.other is not None:
            self.other.put(PacketHeard(data, 12.5))
        return self._numbers

    def next_event(self, timeout_s: float) -> ModemEvent | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._events), timeout_s)
            return self._events.pop(0) if self._events else None


class Running:
    """A bridge in a thread."""

    def __init__(self, runner: FakeRunner, endpoint: str = "tcp://127.0.0.1:*", curve: Curve | None = None) -> None:
        self.process = BridgeProcess(endpoint, runner, curve=curve, statistics_s=0.2)
        self.endpoint = self.process.endpoint
        self._thread = threading.Thread(target=self.process.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.process.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def pair(stack: ExitStack) -> tuple[FakeRunner, FakeRunner, BridgeLink, BridgeLink]:
    a, b = FakeRunner(), FakeRunner()
    a.other, b.other = b, a
    links = []
    for runner, name in ((a, "alpha"), (b, "bravo")):
        bridge = Running(runner)
        stack.callback(bridge.stop)
        link = BridgeLink(bridge.endpoint, name, PROFILE)
        link.open()
        stack.callback(link.close)
        links.append(link)
    for link in links:
        until(lambda link=link: link.ready(), link)  # type: ignore[misc]
    return a, b, links[0], links[1]


def until(true: Callable[[], bool], *served: BridgeLink) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        for link in served:
            link.receive(0.01)
        if not served:
            time.sleep(0.01)


class RawHost:
    """A host that says what it likes."""

    def __init__(self, stack: ExitStack, endpoint: str) -> None:
        self.dealer = MessageDealer(endpoint, None, MAX_MESSAGE_BYTES, lambda _: None)
        stack.callback(self.dealer.close)

    def say(self, message: Message | bytes) -> None:
        data = message if isinstance(message, bytes) else message.to_bytes()
        deadline = time.monotonic() + PATIENCE_S
        while not self.dealer.send(data):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def hear(self, kind: type[Message]) -> Message:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.dealer.wait(0.1)
            while (data := self.dealer.receive()) is not None:
                message = decode(data)
                if isinstance(message, kind) and not isinstance(message, Unknown):
                    return message
        raise AssertionError(f"no {kind.__name__}")


def test_packets_cross_with_their_snr_and_status_in_words(stack: ExitStack) -> None:
    _, b, alpha, bravo = pair(stack)
    assert alpha.info.rate_bps == 1200.0
    assert alpha.outage() is None
    alpha.send(b"over")
    received = None
    deadline = time.monotonic() + PATIENCE_S
    while received is None and time.monotonic() < deadline:
        received = bravo.receive(0.1)
    assert received is not None
    assert (received.data, received.snr_db) == (b"over", 12.5)
    until(lambda: alpha.metrics.counter("bridge.packets_sent") == 1, alpha)
    b.change(ModemStatus.NO_PORT, "unplugged")
    until(lambda: bravo.outage() == "modem no port: unplugged", bravo)
    bravo.send(b"nobody")
    assert bravo.metrics.counter("link.tx_drop_no_peer") == 1
    b.change(ModemStatus.READY, "ready")
    until(bravo.ready, bravo)


def test_figures_and_soft_bits_arrive(stack: ExitStack) -> None:
    a, _, alpha, _ = pair(stack)
    a.put(Measured("doppler_hz", -1.25))
    a.put(PacketHeard(b"\x80", None, (1.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0)))
    received = None
    deadline = time.monotonic() + PATIENCE_S
    while received is None and time.monotonic() < deadline:
        received = alpha.receive(0.1)
    assert received is not None
    assert received.one_probability is not None
    assert received.one_probability[3] == pytest.approx(0.2)
    assert alpha.metrics.snapshot()["modem.doppler_hz"] == -1.25


def test_one_gateway_at_a_time(stack: ExitStack) -> None:
    bridge = Running(FakeRunner())
    stack.callback(bridge.stop)
    told: list[str] = []
    first = BridgeLink(bridge.endpoint, "alpha", PROFILE)
    second = BridgeLink(bridge.endpoint, "bravo", PROFILE, on_status=told.append)
    stack.callback(second.close)
    first.open()
    until(first.ready, first)
    second.open()
    until(lambda: any("modem:firmware is in use by alpha" in line for line in told), second, first)
    assert not second.ready()
    assert first.ready()
    first.close()
    until(second.ready, second)


def test_a_gateway_that_died_makes_room_after_a_while(stack: ExitStack) -> None:
    bridge = Running(FakeRunner())
    stack.callback(bridge.stop)
    dead = RawHost(stack, bridge.endpoint)
    dead.say(Hello(1, 5, "dead"))
    dead.hear(Status)
    alive = BridgeLink(bridge.endpoint, "alpha", PROFILE)
    stack.callback(alive.close)
    alive.open()
    begun = time.monotonic()
    until(alive.ready, alive)
    assert time.monotonic() - begun > HOST_SILENT_S - 1.5
    dead.say(Ping(9))
    assert dead.hear(Pong) == Pong(9, 0, 2, 0, False)
    dead.say(Send(1, b"from the grave"))
    dead.say(Hello(1, 6, "dead"))
    assert dead.hear(Refused) == Refused("modem:firmware is in use by alpha")


def test_whatever_was_taken_ends_in_sent_or_lost(stack: ExitStack) -> None:
    runner = FakeRunner()
    runner.answers, runner.room = False, 2
    bridge = Running(runner)
    stack.callback(bridge.stop)
    host = RawHost(stack, bridge.endpoint)
    host.say(Hello(1, 5, "x"))
    host.hear(Status)
    for number in range(1, 5):
        host.say(Send(number, bytes((number,))))
    host.say(Ping(1))
    assert host.hear(Pong) == Pong(1, 5, 2, 4, False)
    until(lambda: runner.taken == [1, 2])
    runner.put(PacketLost(1, "the modem said ERROR"))
    assert host.hear(Lost) == Lost(1, 1, "the modem said ERROR")
    runner.taken.remove(1)
    stopping = threading.Thread(target=bridge.stop)
    stopping.start()
    ended = [host.hear(Lost) for _ in range(3)]
    stopping.join(PATIENCE_S)
    assert [lost.number for lost in ended if isinstance(lost, Lost)] == [2, 3, 4]


def test_a_bridge_that_restarts_is_found_again(stack: ExitStack) -> None:
    bridge = Running(FakeRunner())
    link = BridgeLink(bridge.endpoint, "alpha", PROFILE)
    link.open()
    stack.callback(link.close)
    until(link.ready, link)
    endpoint = bridge.endpoint
    bridge.stop()
    until(lambda: link.outage() is not None, link)
    again = Running(FakeRunner(), endpoint)
    stack.callback(again.stop)
    until(link.ready, link)
    assert link.outage() is None


def test_an_absent_bridge_is_named(stack: ExitStack) -> None:
    link = BridgeLink("tcp://127.0.0.1:1", "alpha", PROFILE)
    link.open()
    stack.callback(link.close)
    until(lambda: "bridge at tcp://127.0.0.1:1 does not answer" in (link.outage() or ""), link)
    link.send(b"x")
    assert link.metrics.counter("link.tx_drop_no_peer") == 1


def test_nonsense_stops_nobody(stack: ExitStack) -> None:
    _, _, alpha, bravo = pair(stack)
    host = RawHost(stack, alpha._endpoint)
    for data in (b"", b"\xff", Ping(1).to_bytes()[:-1], b"\x81\x00\x63", Bye().to_bytes(), bytes(60_000)):
        host.say(data)
    host.say(Ping(2))
    host.hear(Pong)
    alpha.send(b"over")
    until(lambda: bravo.metrics.counter("link.rx_packets") == 1, bravo)


def test_a_profile_that_disagrees_about_damage_is_told(stack: ExitStack) -> None:
    bridge = Running(FakeRunner())
    stack.callback(bridge.stop)
    other = PROFILE.model_copy(update={"air": PROFILE.air.model_copy(update={"has_integrity": False})})
    told: list[str] = []
    link = BridgeLink(bridge.endpoint, "alpha", other, on_status=told.append)
    link.open()
    stack.callback(link.close)
    until(lambda: any("both need the same profile" in line for line in told), link)
    assert link.info.has_integrity is False


def test_curve_lets_in_who_is_listed(stack: ExitStack) -> None:
    (bridge_public, bridge_secret), (public, secret) = curve_keypair(), curve_keypair()
    other_public, other_secret = curve_keypair()
    bridge = Running(FakeRunner(), curve=Curve(bridge_public, bridge_secret, allowed=frozenset((public,))))
    stack.callback(bridge.stop)
    listed = BridgeLink(bridge.endpoint, "alpha", PROFILE, curve=Curve(public, secret, (bridge_public,)))
    stranger = BridgeLink(bridge.endpoint, "eve", PROFILE, curve=Curve(other_public, other_secret, (bridge_public,)))
    plain = BridgeLink(bridge.endpoint, "mallory", PROFILE)
    for link in (stranger, plain, listed):
        link.open()
        stack.callback(link.close)
    until(listed.ready, listed, stranger, plain)
    until(lambda: bridge.process.report().dropped.get("curve_not_listed", 0) > 0, listed, stranger, plain)
    assert not stranger.ready()
    assert not plain.ready()


def test_a_failed_runner_ends_the_bridge() -> None:
    runner = FakeRunner()
    process = BridgeProcess("tcp://127.0.0.1:*", runner)
    runner.failure = RuntimeError("a bug in a driver")
    with pytest.raises(RuntimeError, match="a bug"):
        process.run()
    assert runner.is_stopped


def test_an_address_in_use_is_an_error() -> None:
    runner = FakeRunner()
    bridge = Running(runner)
    try:
        with pytest.raises(LinkError, match="in use"):
            BridgeProcess(bridge.endpoint, FakeRunner())
    finally:
        bridge.stop()


def test_the_example_loads() -> None:
    config = load_bridge(ROOT / "configs" / "bridge.toml")
    assert config.endpoint == "tcp://127.0.0.1:5700"
    assert load_profile(config.modem.profile).name == "transparent-1200"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('endpoint = "tcp://0.0.0.0:5700"', r"endpoint tcp://0\.0\.0\.0:5700 can be reached from other machines"),
        ('endpoint = "tcp://127.0.0.1:5700"\nendpiont = 1', "endpiont: unknown key; did you mean endpoint"),
        ('endpoint = "udp://x"', "endpoint: got 'udp://x'; needs tcp://HOST:PORT"),
    ],
)
def test_wrong_files_are_told(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text + '\n[modem]\nprofile = "firmware"\nport = "/dev/ttyUSB0"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=problem) as raised:
        load_bridge(path)
    assert str(path) in str(raised.value)
