from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ptt.contact import Move
from firmware_bridge.ptt.inputs import InputThread, LineContact, name_of, open_source
from gateway.errors import KeyingError
from gateway.ptt_config import ContactInput, EvdevInput, GpioInput, SerialLineInput


class Operator:
    """A thread that reads a switch, and what it has told."""

    def __init__(self, section: ContactInput) -> None:
        self.moves: list[Move] = []
        self.said: list[str] = []
        self.thread = InputThread(section, self.moves.append, self.said.append)
        self.thread.start()


def evdev(path: Path, **more: Any) -> EvdevInput:
    return EvdevInput.model_validate({"kind": "evdev", "device": str(path), "grab": False, "debounce_ms": 0, **more})


def press(value: int) -> bytes:
    return struct.pack("@llHHi", 0, 0, 1, 57, value)


def line_input(url: str, **more: Any) -> SerialLineInput:
    return SerialLineInput.model_validate({"kind": "serial-line", "port": url, **more})


def test_a_foot_switch_talks_and_when_unplugged_releases_and_comes_back(tmp_path: Path, eventually: Any) -> None:
    node = tmp_path / "event0"
    os.mkfifo(node)
    writer = os.open(node, os.O_RDWR)  # so that neither side waits for the other
    operator = Operator(evdev(node))
    os.write(writer, press(1))
    eventually(lambda: operator.moves == [Move.PRESSED])
    node.unlink()
    os.close(writer)  # unplugged in mid over
    eventually(lambda: operator.moves == [Move.PRESSED, Move.RELEASED])
    assert operator.said[0] == f"push-to-talk switch cannot be read: {node}: has ended"
    os.mkfifo(node)
    writer = os.open(node, os.O_RDWR)
    eventually(lambda: operator.said[-1] == f"push-to-talk switch is back: input device {node}")
    os.write(writer, press(1) + press(0))
    eventually(lambda: operator.moves == [Move.PRESSED, Move.RELEASED] * 2)
    operator.thread.stop()
    os.close(writer)


def test_stopping_releases_what_is_held(tmp_path: Path, eventually: Any) -> None:
    node = tmp_path / "event0"
    os.mkfifo(node)
    writer = os.open(node, os.O_RDWR)
    operator = Operator(evdev(node))
    os.write(writer, press(1))
    eventually(lambda: operator.moves == [Move.PRESSED])
    operator.thread.stop()
    assert operator.moves == [Move.PRESSED, Move.RELEASED]
    assert not operator.thread.is_alive()
    os.close(writer)


@pytest.mark.parametrize(("line", "moved_by"), [("cts", "rts"), ("dsr", "dtr")])
def test_lines_of_a_serial_port(terminal_server: Any, line: str, moved_by: str, eventually: Any) -> None:
    operator = Operator(line_input(terminal_server.url, line=line))
    # The port's own RTS and DTR, which feed the contact, are put on by the reader: that is its first state.
    eventually(lambda: getattr(terminal_server.port, moved_by))
    setattr(terminal_server.port, moved_by, False)
    # Open for as long as the debounce takes: only then a press is one.
    eventually(lambda: operator.thread._contact._is_closed is False and operator.thread._contact._raw is False)
    setattr(terminal_server.port, moved_by, True)
    eventually(lambda: operator.moves == [Move.PRESSED])
    setattr(terminal_server.port, moved_by, False)
    eventually(lambda: operator.moves == [Move.PRESSED, Move.RELEASED])
    setattr(terminal_server.port, moved_by, True)
    eventually(lambda: len(operator.moves) == 3)
    terminal_server.drop()
    eventually(lambda: operator.moves == [Move.PRESSED, Move.RELEASED] * 2)
    eventually(lambda: any("is back" in line for line in operator.said))
    operator.thread.stop()


def test_an_inverted_line(terminal_server: Any, eventually: Any) -> None:
    contact = LineContact(line_input(terminal_server.url, active_low=True))
    eventually(lambda: contact.read(0.01) == [False])
    terminal_server.port.rts = False
    eventually(lambda: contact.read(0.01) == [True])
    contact.close()


def test_a_switch_that_is_not_there_is_said_once(tmp_path: Path, eventually: Any) -> None:
    operator = Operator(evdev(tmp_path / "none"))
    eventually(lambda: operator.said)
    operator.thread.stop()
    assert operator.said == [f"push-to-talk switch cannot be read: {tmp_path / 'none'}: No such file or directory"]
    assert operator.moves == []


def test_sources_and_their_names() -> None:
    line = line_input("/dev/no-such-port", line="dsr")
    pin = GpioInput.model_validate({"kind": "gpio", "chip": "/dev/no-such-chip", "gpio": 17})
    foot = evdev(Path("/dev/input/none"))
    assert [name_of(each) for each in (line, pin, foot)] == [
        "DSR of /dev/no-such-port",
        "pin 17 of /dev/no-such-chip",
        "input device /dev/input/none",
    ]
    for each in (line, pin, foot):
        with pytest.raises(KeyingError, match=r"^/dev/"):
            open_source(each)
