"""What every link must do, whatever carries the packets: one suite over all kinds, real sockets on loopback."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
import pytest

from firmware_bridge.bridge import BridgeProcess
from firmware_bridge.bridge_link import BridgeLink
from firmware_bridge.driver import ModemEvent, ModemStatus, PacketHeard, PacketSent
from firmware_bridge.link import ModemLink
from firmware_bridge.profile import load_profile
from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.clock import ManualClock, SystemClock
from gateway.errors import LinkClosed, LocalProtocolError
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.channel_process import ChannelProcess
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import memory_pair
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from gateway.tools.bench_serial import Cable
from tests.bridge.wires import TcpWire
from tests.patience import PATIENCE_S


class JoinedRunner:
    """In place of a serial modem for the bridge: what one sends the `other` hears at once."""

    failure: BaseException | None = None
    status, status_text = ModemStatus.READY, "ready"

    def __init__(self, info: LinkInfo) -> None:
        self.info = info
        self.other = self
        self._events: queue.SimpleQueue[ModemEvent] = queue.SimpleQueue()
        self._numbers = 0

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def send(self, data: bytes) -> int | None:
        self._numbers += 1
        self.other._events.put(PacketHeard(data))
        self._events.put(PacketSent(self._numbers))
        return self._numbers

    def next_event(self, timeout_s: float) -> ModemEvent | None:
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None


def free_endpoint() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class Pair:
    """Two links of one kind that hear each other; `connected` says whether they have found each other."""

    a: Link
    b: Link
    connected: Callable[[], bool]

    def open(self) -> None:
        self.a.open()
        self.b.open()
        self.settle()

    def settle(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.connected():
            assert time.monotonic() < deadline, "the links did not find each other"
            assert self.a.receive(0.01) is None
            assert self.b.receive(0.01) is None

    def exchange(self, sender: Link, receiver: Link, data: bytes) -> Received:
        sender.send(data)
        return self.next(sender, receiver)

    def next(self, sender: Link, receiver: Link) -> Received:
        """The next packet at `receiver`, while `sender` is served as its own station would do."""
        for _ in range(int(PATIENCE_S / 0.02)):
            received = receiver.receive(0.02)
            if received is not None:
                return received
            assert sender.receive(0.0) is None
        raise AssertionError("nothing arrived")


def memory(stack: ExitStack) -> Pair:
    a, b = memory_pair(SystemClock())
    return Pair(a, b, lambda: True)


def memory_manual(stack: ExitStack) -> Pair:
    a, b = memory_pair(ManualClock())
    return Pair(a, b, lambda: True)


def emulated(stack: ExitStack) -> Pair:
    clock = ManualClock(5.0)
    spec = ChannelSpec("delay", delay_ms=300, jitter_ms=20, rate_bps=64_000)
    a, b = (EmulatedLink(link, spec, np.random.default_rng(3), clock) for link in memory_pair(clock))
    return Pair(a, b, lambda: True)


def emulated_real_time(stack: ExitStack) -> Pair:
    clock = SystemClock()
    spec = ChannelSpec("short delay", delay_ms=5, rate_bps=10_000_000)
    a, b = (EmulatedLink(link, spec, np.random.default_rng(3), clock) for link in memory_pair(clock))
    return Pair(a, b, lambda: True)


def zeromq_peers(stack: ExitStack) -> Pair:
    at_a, at_b = free_endpoint(), free_endpoint()
    a, b = ZeromqPeersLink(at_a, [at_b]), ZeromqPeersLink(at_b, [at_a])
    return Pair(a, b, lambda: a.listeners == 1 and b.listeners == 1)


def zeromq_channel(stack: ExitStack) -> Pair:
    process = ChannelProcess(ChannelProcessConfig("tcp://127.0.0.1:*", ChannelSpec("clean")))
    thread = threading.Thread(target=process.run)
    thread.start()
    stack.callback(thread.join, PATIENCE_S)
    stack.callback(process.stop)
    a, b = ZeromqChannelLink(process.endpoint, "alpha"), ZeromqChannelLink(process.endpoint, "bravo")
    return Pair(a, b, lambda: a.ready() and b.ready())


def modem_serial(stack: ExitStack) -> Pair:
    cable = stack.enter_context(Cable())
    a, b = (ModemLink(load_profile("direct-115200"), end) for end in cable.ends)
    return Pair(a, b, lambda: a.ready() and b.ready())


def modem_tcp(stack: ExitStack) -> Pair:
    wire = stack.enter_context(closing(TcpWire()))
    a, b = (ModemLink(load_profile("direct-115200"), end) for end in wire.ends)
    return Pair(a, b, lambda: a.ready() and b.ready())


def bridge(stack: ExitStack) -> Pair:
    """Two stations, each with its modem behind a bridge process; the modems are joined by a cable of no length."""
    profile = load_profile("direct-115200")
    runners = JoinedRunner(profile.link_info()), JoinedRunner(profile.link_info())
    runners[0].other, runners[1].other = runners[1], runners[0]
    links = []
    for runner, name in zip(runners, ("alpha", "bravo"), strict=True):
        process = BridgeProcess("tcp://127.0.0.1:*", runner, queue_packets=64)
        thread = threading.Thread(target=process.run)
        thread.start()
        stack.callback(thread.join, PATIENCE_S)
        stack.callback(process.stop)
        links.append(BridgeLink(process.endpoint, name, profile))
    a, b = links
    return Pair(a, b, lambda: a.ready() and b.ready())


KINDS = [
    memory,
    memory_manual,
    emulated,
    emulated_real_time,
    zeromq_peers,
    zeromq_channel,
    modem_serial,
    modem_tcp,
    bridge,
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def make_pair(request: pytest.FixtureRequest) -> Iterator[Callable[[], Pair]]:
    """Makes pairs of one kind, closed again afterwards."""
    with ExitStack() as stack:

        def make() -> Pair:
            pair: Pair = request.param(stack)
            stack.callback(pair.a.close)
            stack.callback(pair.b.close)
            return pair

        yield make


@pytest.fixture
def pair(make_pair: Callable[[], Pair]) -> Pair:
    made = make_pair()
    made.open()
    return made


def test_a_packet_arrives_both_ways(pair: Pair) -> None:
    assert pair.exchange(pair.a, pair.b, b"over").data == b"over"
    assert pair.exchange(pair.b, pair.a, b"roger").data == b"roger"


def test_a_station_does_not_hear_itself(pair: Pair) -> None:
    pair.exchange(pair.a, pair.b, b"over")
    assert pair.a.receive(0.02) is None


def test_boundaries_are_kept(pair: Pair) -> None:
    packets = [b"a", b"bc", b"", b"\x00\xff\xc0\xdb", b"def" * 7]
    for packet in packets:
        pair.a.send(packet)
    assert [pair.next(pair.a, pair.b).data for _ in packets] == packets


def test_the_empty_and_the_longest_packet_fit(pair: Pair) -> None:
    longest = bytes(index % 251 for index in range(pair.a.info.mtu_bytes))
    assert pair.exchange(pair.a, pair.b, b"").data == b""
    assert pair.exchange(pair.a, pair.b, longest).data == longest


def test_a_packet_over_the_mtu_is_refused(pair: Pair) -> None:
    mtu = pair.a.info.mtu_bytes
    with pytest.raises(LocalProtocolError, match=f"{mtu + 1} bytes .*MTU {mtu}"):
        pair.a.send(bytes(mtu + 1))
    assert pair.exchange(pair.a, pair.b, b"still works").data == b"still works"


def test_1000_packets_arrive_in_order(pair: Pair) -> None:
    expected = [f"packet {number}".encode() for number in range(1000)]
    arrived = []
    for first in range(0, 1000, 20):
        for packet in expected[first : first + 20]:
            pair.a.send(packet)
        arrived += [pair.next(pair.a, pair.b).data for _ in range(20)]
    assert arrived == expected


def test_nothing_to_receive_is_none_after_the_time_allowed(pair: Pair) -> None:
    assert pair.b.receive(0.0) is None
    begun = time.monotonic()
    assert pair.b.receive(0.05) is None
    assert time.monotonic() - begun < 20.0  # a link that takes milliseconds for seconds waits 50 s


def test_arrival_times_do_not_go_back(pair: Pair) -> None:
    times = [pair.exchange(pair.a, pair.b, b"tick").at_s for _ in range(20)]
    assert times == sorted(times)


def test_a_link_not_open_carries_nothing(make_pair: Callable[[], Pair]) -> None:
    link = make_pair().a
    with pytest.raises(LinkClosed):
        link.send(b"too early")
    assert not link.ready()
    link.open()
    link.close()
    with pytest.raises(LinkClosed):
        link.send(b"too late")
    with pytest.raises(LinkClosed):
        link.receive(0.0)
    assert not link.ready()


def test_opening_and_closing_twice_is_closing_once(pair: Pair) -> None:
    pair.a.open()
    assert pair.exchange(pair.a, pair.b, b"once").data == b"once"
    pair.a.close()
    pair.a.close()


def test_with_block_opens_and_closes(make_pair: Callable[[], Pair]) -> None:
    link = make_pair().a
    with link as opened:
        assert opened is link
        assert link.receive(0.0) is None
    with pytest.raises(LinkClosed):
        link.receive(0.0)


def test_a_link_can_be_opened_again(pair: Pair) -> None:
    pair.exchange(pair.a, pair.b, b"before")
    pair.b.close()
    pair.a.send(b"nobody hears this")
    pair.a.receive(0.4)  # longer than any delay here
    pair.b.open()
    pair.settle()
    assert pair.exchange(pair.a, pair.b, b"after").data == b"after"
    assert pair.exchange(pair.b, pair.a, b"back").data == b"back"


def test_two_nets_do_not_hear_each_other(make_pair: Callable[[], Pair]) -> None:
    here, there = make_pair(), make_pair()
    here.open()
    there.open()
    assert here.exchange(here.a, here.b, b"here").data == b"here"
    assert there.exchange(there.a, there.b, b"there").data == b"there"
    for link in (here.a, here.b, there.a, there.b):
        assert link.receive(0.02) is None


def test_what_passes_is_counted(pair: Pair) -> None:
    layer = pair.a._layer
    before = pair.a.metrics.counter(f"{layer}.tx_packets")
    pair.exchange(pair.a, pair.b, b"12345")
    assert pair.a.metrics.counter(f"{layer}.tx_packets") == before + 1
    assert pair.a.metrics.counter(f"{layer}.tx_bytes") == 5
    assert pair.b.metrics.counter(f"{layer}.rx_packets") == 1
    assert pair.b.metrics.counter(f"{layer}.rx_bytes") == 5


def test_info_is_plausible(pair: Pair) -> None:
    info = pair.a.info
    assert info.name
    assert info.mtu_bytes >= 256
    assert info.airtime_s(100) >= info.airtime_s(10) >= 0
