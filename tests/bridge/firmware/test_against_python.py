"""The C host build and the Python virtual firmware, byte for byte: one script to both, the same bytes, key and air."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import IO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import ModemStatus
from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.messages import (
    STATUS_CODES,
    Bye,
    GetStatistics,
    Hello,
    Key,
    Message,
    Ping,
    Send,
    Sent,
    Unkey,
    Unknown,
    decode,
)
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.firmware import VirtualFirmware
from tests.bridge.firmware.c_build import built

FRAMER = CobsFramer(300)
TURNAROUND_MS, TAIL_MS, KEY_MAX_MS = 20, 10, 3000


@dataclass
class CSide:
    """The C host build, fed line by line."""

    to: IO[str]
    said: IO[str]

    def tell(self, line: str) -> list[str]:
        self.to.write(line + "\n")
        self.to.flush()
        if line.startswith("set"):
            return []
        lines = []
        while (answer := self.said.readline().strip()) != ".":
            assert answer, f"the C side died at {line!r}"
            lines.append(answer)
        return lines


@contextmanager
def c_side() -> Iterator[CSide]:
    program = built("sanitize", "clk_host_sanitized")
    process = subprocess.Popen([program, "script"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield CSide(process.stdin, process.stdout)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
    assert process.returncode == 0


def profile() -> ModemProfile:
    packaged = load_profile("firmware")
    air = packaged.air.model_copy(update={"turnaround_ms": float(TURNAROUND_MS)})
    return packaged.model_copy(update={"air": air})


class PythonSide:
    """The virtual firmware, told the same."""

    def __init__(self) -> None:
        self.now = 0.0
        self.modem = VirtualFirmware(profile(), "a", Random(1))
        self.modem.told_name = "firmware host"
        self.modem.tail_ms, self.modem.key_max_ms = TAIL_MS, KEY_MAX_MS
        self._frame: AirFrame | None = None
        self._is_up = False

    def tell(self, line: str) -> list[str]:
        word, _, argument = line.partition(" ")
        if word == "set":
            return []
        if word == "t":
            self.now = int(argument) / 1000
        if not self._is_up or word == "boot":
            self._is_up = True
            self.modem.key_changes.clear()
            self.modem.power_cut(self.now)
            self._frame = None
        if word == "rx":
            self.modem.from_host(bytes.fromhex(argument), self.now)
        elif word == "air":
            data, _, snr = argument.partition(" ")
            quality = AirQuality(int(snr) / 10 if snr else None)
            self.modem.on_air(AirFrame(bytes.fromhex(data.replace("-", "")), 0.1), quality, self.now)
        elif word == "end":
            self.modem.frame_ended(self._frame or AirFrame(b"", 0.0), self.now)
        elif word == "busy":
            self.modem.is_busy = argument == "1"
            self.modem.tick(self.now)
        elif word == "status":
            self.modem.status = list(ModemStatus)[int(argument)]
            self.modem.tick(self.now)
        else:
            self.modem.tick(self.now)
        lines = [f"key {int(is_on)}" for is_on in self.modem.key_changes]
        self.modem.key_changes.clear()
        for frame in self.modem.take_air():
            self._frame = frame
            lines.append(f"air {frame.data.hex()}".strip() if frame.data else "air")
        host = self.modem.take_host()
        return lines + ([f"tx {host.hex()}"] if host else [])


def rx(message: Message) -> str:
    return f"rx {FRAMER.encode(message.to_bytes(), after_silence=True).hex()}"


def compare(lines: list[str]) -> list[str]:
    """Both sides on `lines`; what the C side said."""
    python, said = PythonSide(), []
    with c_side() as c:
        for number, line in enumerate([f"set {TURNAROUND_MS} {TAIL_MS} {KEY_MAX_MS}", *lines]):
            by_c, by_python = sorted(c.tell(line)), sorted(python.tell(line))
            assert by_c == by_python, f"line {number}: {line}"
            said += by_c
    return said


def messages(said: list[str]) -> list[Message | Unknown]:
    framer = CobsFramer(300)
    data = b"".join(bytes.fromhex(line[3:]) for line in said if line.startswith("tx "))
    return [decode(payload) for payload in framer.feed(data)]


def test_a_conversation_is_the_same_byte_for_byte() -> None:
    script = ["t 100", rx(Hello(1, 77, "alpha")), rx(Ping(5)), rx(Send(1, b"one")), rx(Send(2, bytes(100)))]
    script += ["t 119", "t 120", "end", rx(Send(1, b"one")), rx(Send(3, b"")), "end", "end", "t 129", "t 130", "t 140"]
    script += ["air 616263", "air 616263 -57", "air -", "status 3", rx(Key(500)), "t 639", "t 640", "t 650", "t 660"]
    script += [rx(GetStatistics()), "boot", rx(Send(4, b"x")), rx(Hello(3, 78, "")), rx(Bye()), rx(Ping(6))]
    said = compare(script)
    assert "air 6f6e65" in said
    assert f"air {bytes(100).hex()}" in said
    assert [m.number for m in messages(said) if isinstance(m, Sent)] == [1, 2, 1, 3]


def test_a_host_that_hangs_with_the_key_on() -> None:
    said = compare(
        ["t 1000", rx(Hello(1, 7, "x")), rx(Key(60_000)), "t 3999", "t 4000", rx(Key(60_000)), "t 5100", "t 6200"]
    )
    assert said.count("key 1") == 1, "unkeyed after the longest time, and not keyed again at once"
    assert said.count("key 0") == 2
    said = compare(["t 0", rx(Hello(1, 7, "x")), rx(Key(2000)), "t 1999", "t 2000", "t 2010"])
    assert said[-1] != "key 1"
    assert said.count("key 0") == 2


HOST_MESSAGES = st.one_of(
    st.builds(Hello, st.integers(1, 255), st.sampled_from((1, 2, 0xFFFF_FFFF)), st.text(max_size=8)),
    st.builds(Send, st.integers(0, 8), st.binary(max_size=40)),
    st.builds(Key, st.sampled_from((1, 50, 1000, 65_535))),
    st.just(Unkey()),
    st.builds(Ping, st.integers(0, 0xFFFF_FFFF)),
    st.just(GetStatistics()),
    st.just(Bye()),
)
STEPS = st.one_of(
    HOST_MESSAGES.map(rx),
    st.integers(1, 8).map(lambda number: rx(Send(number, bytes((number,))))),
    st.sampled_from(("+1", "+5", "+10", "+20", "+200", "+1000", "+5000", "end", "end", "busy 1", "busy 0", "boot")),
    st.integers(0, 4).map(lambda code: f"status {code}"),
    st.binary(max_size=60).map(lambda data: f"air {data.hex() or '-'}"),
    st.tuples(st.binary(max_size=60), st.integers(-400, 400)).map(lambda pair: f"air {pair[0].hex() or '-'} {pair[1]}"),
    st.binary(min_size=1, max_size=60).map(lambda data: f"rx {data.hex()}"),
    st.binary(max_size=30).map(lambda data: f"rx {FRAMER.encode(data).hex()}"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_both_do_the_same(steps: list[str]) -> None:
    now, lines = 0, ["t 0", rx(Hello(1, 1, "h"))]
    for step in steps:
        if step.startswith("+"):
            now += int(step)
            lines.append(f"t {now}")
        else:
            lines.append(step)
    compare(lines)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=120), HOST_MESSAGES.map(lambda m: m.to_bytes())), min_size=1, max_size=60))
def test_both_judge_a_message_alike(candidates: list[bytes]) -> None:
    from firmware_bridge.messages import TO_DEVICE
    from gateway.errors import RemoteProtocolError

    with c_side() as c:
        for data in candidates:
            if not data:
                continue
            (answer,) = [line for line in c.tell(f"message {data.hex()}") if not line.startswith("=")]
            try:
                message = decode(data, TO_DEVICE)
                expected = "unknown" if isinstance(message, Unknown) else f"known {message.KIND}"
            except RemoteProtocolError:
                expected = "malformed"
            assert answer.startswith(expected), data.hex()


def test_the_codes_of_status_are_those_of_the_page() -> None:
    assert [STATUS_CODES[status] for status in ModemStatus] == list(range(5))


if __name__ == "__main__":
    pytest.main([__file__])
