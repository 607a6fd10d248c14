"""Virtual modems behind real pseudo-terminals and TCP ports: bytes, rates, faults."""

from __future__ import annotations

import os
import select
import socket
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.sim.pair import VirtualStations
from gateway.channel.impairments import ChannelSpec
from gateway.errors import ConfigError, LinkError
from tests.bridge.toy_modem import MODEM, toy_profile
from tests.patience import PATIENCE_S

PACKET = b"\x05hello"


class Host:
    """A program that has a port open."""

    def __init__(self, path: str, baud: int = termios.B9600) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.file)
        settings = termios.tcgetattr(self.file)
        settings[4] = settings[5] = baud
        termios.tcsetattr(self.file, termios.TCSANOW, settings)

    def write(self, data: bytes) -> int:
        return os.write(self.file, data)

    def write_all(self, data: bytes) -> None:
        for at in range(0, len(data), 100):
            self.write(data[at : at + 100])

    def read(self, count: int, patience_s: float = PATIENCE_S) -> bytes:
        """`count` bytes, or what came until patience ended."""
        data, give_up = b"", time.monotonic() + patience_s
        while len(data) < count and time.monotonic() < give_up:
            if select.select([self.file], [], [], 0.05)[0]:
                piece = os.read(self.file, count - len(data))
                if not piece:
                    raise EOFError
                data += piece
        return data

    def close(self) -> None:
        os.close(self.file)


OpenHost = Callable[..., Host]


@pytest.fixture
def host() -> Iterator[OpenHost]:
    hosts: list[Host] = []

    def begin(path: str, baud: int = termios.B9600) -> Host:
        hosts.append(Host(path, baud))
        return hosts[-1]

    yield begin
    for one in hosts:
        one.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[VirtualStations]:
    with VirtualStations(toy_profile(), [str(tmp_path / "a"), str(tmp_path / "b")], seed=3, kind=MODEM) as stations:
        yield stations


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def answers(one: Host) -> bool:
    one.write(b"\0")
    return one.read(1, 0.5) == b"\0"


def test_a_packet_crosses_with_cable_air_and_travel_in_their_time(pair: VirtualStations, host: OpenHost) -> None:
    a, b = host(pair.address("a")), host(pair.address("b"))
    until(lambda: all(one.is_open for one in pair.status().stations))
    begun = time.monotonic()
    a.write(PACKET)
    assert b.read(6) == PACKET
    # two cables of 6 bytes, key-up, 50 ms and 5 bytes on the air, travel
    assert time.monotonic() - begun >= 2 * 6 / 960 + 0.02 + 0.05 + 40 / 2400 + 0.1 - 0.005
    assert a.read(1) == b"\0"
    status = pair.status()
    assert status.frames == {"sent": 1, "delivered": 1}
    assert status.stations[0].air_s == pytest.approx(0.02 + 0.05 + 40 / 2400)
    assert (status.stations[0].from_host_bytes, status.stations[1].to_host_bytes) == (6, 6)


@pytest.mark.parametrize("baud", [1200, 115_200])
def test_the_cable_has_the_profiles_rate(tmp_path: Path, host: OpenHost, baud: int) -> None:
    """Measured from the first byte to the last, against the line's time, on a machine that may be busy."""
    with VirtualStations(toy_profile(baud), [str(tmp_path / "a")], kind=MODEM) as stations:
        one = host(stations.address("a"), getattr(termios, f"B{baud}"))
        count = baud // 10
        stations.inject("a", bytes(count))
        assert len(one.read(1)) == 1
        begun = time.monotonic()
        assert len(one.read(count - 1)) == count - 1
        took = time.monotonic() - begun
    assert 0.9 < took < 9.0


def test_unplug_and_plug_under_the_same_name(pair: VirtualStations, host: OpenHost) -> None:
    path = Path(pair.address("a"))
    first = host(str(path))
    device = path.readlink()
    assert answers(first)
    pair.unplug("a")
    assert not path.is_symlink()
    assert not pair.status().stations[0].is_plugged
    with pytest.raises((EOFError, OSError)):
        first.read(1, 1.0)
    pair.plug("a")
    assert path.is_symlink()
    assert device.parent == path.readlink().parent
    assert answers(host(str(path)))


def test_nothing_is_kept_for_a_host_that_is_not_there(pair: VirtualStations, host: OpenHost) -> None:
    pair.inject("b", b"\x03old")
    until(lambda: pair.status().stations[1].lost_bytes == 4)
    b = host(pair.address("b"))
    pair.inject("b", b"\x03new")
    assert b.read(4) == b"\x03new"


def test_mute_echo_flood_half_and_power(pair: VirtualStations, host: OpenHost) -> None:
    a = host(pair.address("a"))
    assert answers(a)
    pair.mute("a")
    a.write(b"\0")
    assert a.read(1, 0.3) == b""
    pair.mute("a", False)
    assert answers(a)
    pair.echo("a")
    a.write(b"\x01")  # no whole packet
    assert a.read(1) == b"\x01"
    pair.echo("a", False)
    pair.flood("a", 2000)
    garbage = a.read(2000)
    assert len(garbage) == 2000
    assert len(set(garbage)) > 200
    pair.power_cut("a")  # forgets the \x01
    assert answers(a)
    pair.half_frame("b", silence_s=0.5)
    b = host(pair.address("b"))
    until(lambda: pair.status().stations[1].is_open)
    a.write(PACKET)
    assert b.read(6, 1.0) == PACKET[:3]
    until(lambda: answers(b))


def test_stuck_takes_nothing_until_it_is_released(pair: VirtualStations, host: OpenHost) -> None:
    a = host(pair.address("a"))
    pair.stuck("a")
    with pytest.raises(BlockingIOError):
        a.write_all(bytes(200_000))
    before = pair.status().stations[0].from_host_bytes
    time.sleep(0.1)
    assert pair.status().stations[0].from_host_bytes == before
    assert pair.status().stations[0].faults == ("stuck",)
    pair.stuck("a", False)
    assert a.read(20) == bytes(20)


def test_the_air_can_be_cut_and_be_lossy(pair: VirtualStations, host: OpenHost) -> None:
    a, b = host(pair.address("a")), host(pair.address("b"))
    until(lambda: all(one.is_open for one in pair.status().stations))
    pair.cut()
    a.write(PACKET)
    until(lambda: pair.status().frames.get("lost") == 1)
    pair.cut(False)
    pair.set_loss(1.0)
    a.write(PACKET)
    until(lambda: pair.status().frames.get("lost") == 2)
    assert pair.status().loss == 1.0
    pair.set_channel(ChannelSpec("good"))
    a.write(PACKET)
    assert b.read(6) == PACKET
    with pytest.raises(ConfigError, match="loss"):
        pair.set_loss(1.5)


def test_a_wrong_baud_rate_is_garbage_both_ways(pair: VirtualStations, host: OpenHost) -> None:
    a = host(pair.address("a"), termios.B19200)
    until(lambda: "host has another baud rate" in pair.status().stations[0].faults)
    pair.inject("a", b"\0\0\0\0")
    assert b"\0" not in a.read(4)


def test_calls_end_where_there_are_any(pair: VirtualStations) -> None:
    assert pair.drop_call("a")
    assert not pair.drop_call("a")


def test_a_tcp_port_serves_one_host_and_can_be_pulled() -> None:
    with VirtualStations(toy_profile(), ["tcp://127.0.0.1:0"], kind=MODEM) as stations:
        address = stations.address("a")
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as first:
            first.settimeout(PATIENCE_S)
            first.sendall(b"\0")
            assert first.recv(1) == b"\0"
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as second:
                second.settimeout(PATIENCE_S)
                assert second.recv(1) == b""
            stations.unplug("a")
            assert first.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), 1.0)
        stations.plug("a")
        assert stations.address("a") == address
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as again:
            again.settimeout(PATIENCE_S)
            again.sendall(b"\0")
            assert again.recv(1) == b"\0"


def test_three_hear_each_other(tmp_path: Path, host: OpenHost) -> None:
    paths = [str(tmp_path / name) for name in "abc"]
    with VirtualStations(toy_profile(), paths, kind=MODEM) as stations:
        hosts = [host(path) for path in paths]
        until(lambda: all(one.is_open for one in stations.status().stations))
        hosts[1].write(PACKET)
        assert hosts[0].read(6) == hosts[2].read(6) == PACKET


def test_bad_addresses_and_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="tcp://HOST:PORT"):
        VirtualStations(toy_profile(), ["udp://here:1"], kind=MODEM)
    (tmp_path / "file").write_text("mine")
    blocked = VirtualStations(toy_profile(), [str(tmp_path / "a"), str(tmp_path / "file")], kind=MODEM)
    with pytest.raises(LinkError, match="exists"):
        blocked.start()
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(ConfigError, match="there are: a, b"):
        blocked.mute("z")
    with pytest.raises(ConfigError, match="stations"):
        VirtualStations(toy_profile(), [], kind=MODEM)


def test_nothing_is_left_when_it_stops(tmp_path: Path) -> None:
    with VirtualStations(toy_profile(), [str(tmp_path / "deep" / "a")], kind=MODEM) as stations:
        assert (tmp_path / "deep" / "a").is_symlink()
    assert list((tmp_path / "deep").iterdir()) == []
    stations.stop()
    assert stations.failure is None
