"""Faults and questions in one line each, typed at a running `clarilink modem-sim`.

Rule: a line in, words out; a line that is not understood is answered with what would be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.sim.pair import SimStatus, VirtualStations
from gateway.channel.spec_file import load_channel
from gateway.errors import GatewayError

MOST_FLOOD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Command:
    """`usage` begins with the command's word; words in brackets may be left out."""

    usage: str
    what: str
    act: Callable[[VirtualStations, list[str]], str]

    @property
    def word(self) -> str:
        return self.usage.partition(" ")[0]

    @property
    def least(self) -> int:
        """Words that must follow."""
        return sum(not word.startswith("[") for word in self.usage.split()[1:])

    @property
    def most(self) -> int:
        """Words that may follow."""
        return len(self.usage.split()) - 1


class _WrongWord(Exception):
    """A word that cannot be what it has to be; the text says so."""


def run_command(stations: VirtualStations, line: str) -> str:
    """Do what `line` says and answer in words, also where that is impossible; nothing for an empty line."""
    words = line.split()
    if not words:
        return ""
    word, rest = words[0].lower(), words[1:]
    if word in ("help", "?"):
        return help_text()
    command = next((one for one in COMMANDS if one.word == word), None)
    if command is None:
        return f"{word}: no such command; there are: help, {', '.join(one.word for one in COMMANDS)}, quit"
    if not command.least <= len(rest) <= command.most:
        return f"usage: {command.usage}"
    try:
        return command.act(stations, rest)
    except _WrongWord as problem:
        return f"{problem}; usage: {command.usage}"
    except GatewayError as error:
        return str(error)


def help_text() -> str:
    """All commands."""
    wide = max(len(one.usage) for one in COMMANDS) + 2
    lines = [f"{one.usage:<{wide}}{one.what}" for one in COMMANDS]
    return "\n".join([*lines, f"{'quit':<{wide}}end (so does Ctrl-C)", "X is a station: a, b, ..."])


def status_text(status: SimStatus) -> str:
    """The figures for people."""
    frames = status.frames
    air = "cut" if status.is_cut else f"channel {status.channel}, loss {100 * status.loss:g} %"
    lines = [
        f"{status.seconds:.0f} s; air: {air}; frames: {frames.get('sent', 0)} sent, "
        f"{frames.get('delivered', 0)} delivered, {frames.get('lost', 0)} lost, {frames.get('collided', 0)} collided"
    ]
    for one in status.stations:
        port = "unplugged" if not one.is_plugged else "open" if one.is_open else "nobody has it open"
        duty = 100 * one.air_s / status.seconds if status.seconds else 0.0
        lines.append(
            f"  {one.name}  {one.address} ({port}): {one.from_host_bytes} bytes from the host, "
            f"{one.to_host_bytes} to it"
            f"{f', {one.lost_bytes} lost' if one.lost_bytes else ''}; {one.air_s:.1f} s on the air ({duty:.0f} %)"
            + (f"; {', '.join(one.faults)}" if one.faults else "")
        )
    return "\n".join(lines)


def _on(words: list[str]) -> bool:
    if not words:
        return True
    if words[0] not in ("on", "off"):
        raise _WrongWord(f"{words[0]!r} is neither on nor off")
    return words[0] == "on"


def _number(word: str, low: float, high: float) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise _WrongWord(f"{word!r} is no number from {low:g} to {high:g}")
    return value


def _cut(stations: VirtualStations, words: list[str]) -> str:
    stations.power_cut(words[0])
    return f"{words[0]}: power was cut, the modem boots"


def _unplug(stations: VirtualStations, words: list[str]) -> str:
    stations.unplug(words[0])
    return f"{words[0]}: unplugged; `plug {words[0]}` brings it back"


def _plug(stations: VirtualStations, words: list[str]) -> str:
    stations.plug(words[0])
    return f"{words[0]}: plugged, {stations.address(words[0])}"


def _mute(stations: VirtualStations, words: list[str]) -> str:
    stations.mute(words[0], on := _on(words[1:]))
    return f"{words[0]}: {'hangs and answers nothing' if on else 'answers again'}"


def _echo(stations: VirtualStations, words: list[str]) -> str:
    stations.echo(words[0], on := _on(words[1:]))
    return f"{words[0]}: {'all that the host writes comes back' if on else 'no echo'}"


def _stuck(stations: VirtualStations, words: list[str]) -> str:
    stations.stuck(words[0], on := _on(words[1:]))
    return f"{words[0]}: {'takes no more bytes' if on else 'takes bytes again'}"


def _flood(stations: VirtualStations, words: list[str]) -> str:
    count = int(_number(words[1], 1, MOST_FLOOD_BYTES)) if len(words) > 1 else 4096
    stations.flood(words[0], count)
    return f"{words[0]}: {count} bytes of garbage to the host"


def _half(stations: VirtualStations, words: list[str]) -> str:
    silence_s = _number(words[1], 0, 3600) if len(words) > 1 else 5.0
    stations.half_frame(words[0], silence_s)
    return f"{words[0]}: the next thing it says breaks off, then {silence_s:g} s of silence"


def _no_carrier(stations: VirtualStations, words: list[str]) -> str:
    return f"{words[0]}: {'NO CARRIER' if stations.drop_call(words[0]) else 'this modem has no call to lose'}"


def _air(stations: VirtualStations, words: list[str]) -> str:
    stations.cut(not _on(words))
    return "the air carries again" if _on(words) else "nothing gets through the air"


def _loss(stations: VirtualStations, words: list[str]) -> str:
    stations.set_loss(share := _number(words[0], 0, 1))
    return f"{100 * share:g} % of all frames are lost from now on"


def _channel(stations: VirtualStations, words: list[str]) -> str:
    stations.set_channel(spec := load_channel(words[0]))
    return f"channel {spec.name}{f': {spec.description}' if spec.description else ''}"


COMMANDS = (
    Command("status", "figures so far", lambda stations, _: status_text(stations.status())),
    Command("cut X", "cut the power of modem X for a moment: it boots anew", _cut),
    Command("unplug X", "pull the cable out of the host: the port vanishes", _unplug),
    Command("plug X", "the port is back under its name", _plug),
    Command("mute X [on|off]", "modem X hangs: it takes bytes and answers nothing", _mute),
    Command("echo X [on|off]", "all that the host writes to X comes back to it", _echo),
    Command("stuck X [on|off]", "X takes no more bytes, as if flow control never released", _stuck),
    Command("flood X [BYTES]", "garbage from X to its host (4096 bytes)", _flood),
    Command("half X [SECONDS]", "the next thing X says breaks off, then silence (5 s)", _half),
    Command("nocarrier X", "the network ends the call of X", _no_carrier),
    Command("air [on|off]", "off: nothing gets through the air", _air),
    Command("loss SHARE", "lose this share of frames: 0.1 is 10 %", _loss),
    Command("channel NAME|FILE", "another channel, by preset or TOML file", _channel),
)
