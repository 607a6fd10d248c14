"""`clarilink modem-sim` at work: says where the ports are, takes commands on standard input, ends with the figures.

Rule: this is the conversation with the operator; the modems run in `firmware_bridge.sim.pair`.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import FrameType

from firmware_bridge.probe.figures import DEFAULT_FRAMES, voice_fit
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.commands import run_command, status_text
from firmware_bridge.sim.pair import STATION_NAMES, VirtualStations
from gateway.channel.impairments import ChannelSpec
from gateway.config import JitterSection, PacketsSection
from gateway.errors import GatewayError
from gateway.protocol.live import Fit

Say = Callable[[str], None]
_LOOK_S = 0.5
ROOM_MS = 500
"""A receive buffer should hold so much more than the least, for packets that come late."""


@dataclass(frozen=True, slots=True)
class SimOptions:
    """`profile` by name or file; `links` where the first ports are to appear (None: a place of our choice)."""

    profile: str
    stations: int
    channel: ChannelSpec
    seed: int
    links: Sequence[str | None] = ()
    log_bytes: bool = False


def port_folder() -> Path:
    """Where ports without a place of their own appear: one folder for each user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / "clarilink"
    return Path(tempfile.gettempdir()) / f"clarilink-{os.getuid()}"


def run_simulation(options: SimOptions, say: Say) -> None:
    """Run until `quit`, Ctrl-C or a signal to end. Raises ConfigError or LinkError before anything runs."""
    profile = load_profile(options.profile)
    addresses = _addresses(profile, options)
    spoken = threading.Lock()

    def tell(text: str) -> None:
        with spoken:
            say(text)

    def trace(seconds: float, name: str, way: str, data: bytes) -> None:
        tell(f"{seconds:10.3f} {name} {way} {data.hex(' ')}  {_readable(data)}")

    stations = VirtualStations(
        profile, addresses, options.channel, options.seed, trace=trace if options.log_bytes else None
    )
    with stations:
        tell(introduction(profile, options, [stations.address(name) for name in stations.names]))
        _converse(stations, tell)
        tell(status_text(stations.status()))
    if stations.failure is not None:
        raise GatewayError(f"the virtual modem failed: {stations.failure!r}")


def introduction(profile: ModemProfile, options: SimOptions, addresses: Sequence[str]) -> str:
    """What the ports are and how to use them."""
    air = profile.air
    rate = "no rate of its own" if air.rate_bps is None else f"{air.rate_bps:g} bit/s"
    what = "" if not profile.description else f": {profile.description.rstrip('.')}"
    lines = [
        f"{profile.name}{what}",
        f"driver {profile.driver}, line {profile.port.baud} baud; air: {rate}, {air.fixed_ms:g} ms a packet, "
        f"{air.delay_ms:g} ms one way, {'half' if air.half_duplex else 'full'} duplex; channel {options.channel.name}",
        "",
        *(f"port {name}: {address}" for name, address in zip(STATION_NAMES, addresses, strict=False)),
        "",
        "In the file of a station (`clarilink run -c FILE`):",
        "  [link]",
        '  kind = "modem"',
        f'  port = "{addresses[0]}"' + (f"   # the other station: {addresses[1]}" if len(addresses) > 1 else ""),
        f'  profile = "{options.profile}"',
        *_for_its_air(profile),
    ]
    if len(addresses) > 1:
        lines += [
            "Or measure:",
            f"  clarilink modem-test {addresses[0]} -c {options.profile} --peer {addresses[1]}",
        ]
    return "\n".join([*lines, "", "`help` lists commands, `quit` or Ctrl-C ends."])


def _for_its_air(profile: ModemProfile) -> list[str]:
    """What a station file needs besides, where packets of the usual size take too long."""
    fit = voice_fit(profile)
    if fit.verdict.fit is Fit.LIVE:
        return []
    if fit.row is None:
        return ["  [messages]             # no live voice at this rate: it is recorded and sent", '  spool = "spool"']
    frames = fit.row.frames_per_packet
    lines = ["  [packets]", f"  frames_per_packet = {frames}   # those of {DEFAULT_FRAMES} take too long"]
    needed_ms = PacketsSection(frames_per_packet=frames).packet_ms + JitterSection().cushion_ms
    if needed_ms > JitterSection().cap_ms:
        lines += ["  [jitter]", f"  cap_ms = {100 * ceil(needed_ms / 100) + ROOM_MS}"]
    return lines


def _addresses(profile: ModemProfile, options: SimOptions) -> list[str]:
    links = [*options.links, *[None] * options.stations]
    return [
        link if link is not None else str(port_folder() / f"{profile.name}-{name}")
        for name, link in zip(STATION_NAMES[: options.stations], links, strict=False)
    ]


def _converse(stations: VirtualStations, tell: Say) -> None:
    """Commands from standard input; where that has ended, as under a service, wait for a signal."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    typed, source = b"", -1 if sys.stdin is None else sys.stdin.fileno()
    try:
        while not ended.is_set() and stations.failure is None:
            if source < 0:
                ended.wait(_LOOK_S)
                continue
            if not select.select([source], [], [], _LOOK_S)[0]:
                continue
            data = os.read(source, 4096)
            if not data:
                source = -1
                continue
            *lines, typed = (typed + data).split(b"\n")
            for line in lines:
                words = line.decode("utf-8", "replace").strip()
                if words.lower() in ("quit", "q", "exit"):
                    return
                if answer := run_command(stations, words):
                    tell(answer)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _readable(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
