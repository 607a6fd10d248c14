"""Stations that exchange messages over one channel: in simulated time, on real files."""

from __future__ import annotations

import random
from pathlib import Path

from gateway.channel.impairments import ChannelSpec
from gateway.channel.network import Network
from gateway.clock import ManualClock
from gateway.config import MessagesSection
from gateway.messages.disk import RealDisk
from gateway.messages.files import local_head
from gateway.messages.pace import Pace
from gateway.messages.service import Identity, MessageService
from gateway.messages.spool import Folder, Spool
from gateway.metrics import Metrics
from gateway.protocol.bulk_packets import (
    TYPE_TEXT,
    Addressee,
    parse_message,
    voice_type,
)
from gateway.protocol.carriage import Carriage
from gateway.protocol.packets import MessagePacket
from gateway.protocol.parse import Dropped, parse
from tests.told import Told

NAMES = {1: "alpha", 2: "bravo", 3: "charlie"}
NUMBERS = {name: number for number, name in NAMES.items()}


class Post:
    """One station's messages: its folder stays, its program may be started again and again."""

    def __init__(
        self, folder: Path, name: str, rate_bps: float, disk: RealDisk | None = None, **section: object
    ) -> None:
        self.folder, self.name, self.rate_bps = folder, name, rate_bps
        self.section = MessagesSection.model_validate({"spool": str(folder), **section}, strict=False)
        self.disk = disk or RealDisk()
        self.said = Told()
        self.metrics = Metrics()
        self.starts = 0
        self.start()

    def start(self) -> None:
        """Begin, or end without any warning and begin again."""
        self.disk.close()
        self.starts += 1
        wall_s = (0.0, 9e8, 1.0)[self.starts % 3]  # a wall clock that makes no sense
        self.spool = Spool(self.folder, self.disk, max_bytes=self.section.max_bytes, wall_s=lambda: wall_s)
        pace = Pace.of(
            self.section, mtu_bytes=64, rate_bps=self.rate_bps, carriage=Carriage(2), overhead_bytes=0, turnaround_s=0.2
        )
        takes = {TYPE_TEXT, voice_type(1, 1)}.__contains__
        self.service = MessageService(
            self.section,
            Identity(NUMBERS[self.name], 7, takes, lambda number: NAMES.get(number, str(number))),
            pace,
            self.spool,
            random.Random(self.starts * 100 + NUMBERS[self.name]),
            self.metrics,
            self.said.say,
        )

    def queue(self, content: bytes, *, to: int | None = 2, kind: int = TYPE_TEXT, number: int = 0xABCD) -> None:
        """As the command line does it."""
        other = Spool(self.folder, RealDisk(), max_bytes=self.section.max_bytes, wall_s=lambda: 0.0)
        addressee = Addressee.GROUP if to is None else Addressee.STATION
        other.queue(local_head(number, NUMBERS[self.name], addressee, 7 if to is None else to, kind, content), content)

    def contents(self, folder: Folder = Folder.INBOX) -> list[bytes | None]:
        return [entry.message.content for entry in self.spool.entries([folder])]


class Air:
    """Stations around one channel."""

    def __init__(self, spec: ChannelSpec, posts: list[Post], seed: int = 1, start_s: float = 0.0) -> None:
        self.clock = ManualClock(start_s)
        self.network = Network(spec, seed=seed, start_s=start_s)
        self.posts = {post.name: post for post in posts}
        self.voice = False

    def run(self, seconds: float, step_s: float = 0.1) -> None:
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.step(step_s)

    def step(self, step_s: float = 0.1) -> None:
        self.clock.sleep(step_s)
        now = self.clock.now()
        for arrival in self.network.due(now):
            packet = parse(arrival.data, crc=True)
            assert isinstance(packet, MessagePacket)
            message = parse_message(packet)
            assert not isinstance(message, Dropped)
            self.posts[arrival.destination].service.on_message(message, now)
        for name, post in self.posts.items():
            packet_out = post.service.next(now, voice_is_live=self.voice)
            if packet_out is not None:
                data = packet_out.to_bytes(True)
                assert len(data) <= 64
                self.network.send(name, self.posts, data, now)

    def run_until(self, told: str, post: Post, longest_s: float) -> float:
        """Seconds until `post` says something with `told` in it."""
        began = self.clock.now()
        while not any(told in line for line in post.said):
            assert self.clock.now() < began + longest_s, f"{told!r} not within {longest_s} s: {post.said}"
            self.step()
        return self.clock.now() - began


def radio(rate_bps: float, loss: float, burst: float | None = None) -> ChannelSpec:
    return ChannelSpec("radio", rate_bps=rate_bps, loss=loss, mean_burst=burst, half_duplex=True, turnaround_ms=200)


def two(tmp_path: Path, rate_bps: float, **section: object) -> tuple[Post, Post]:
    return Post(tmp_path / "a", "alpha", rate_bps, **section), Post(tmp_path / "b", "bravo", rate_bps, **section)
