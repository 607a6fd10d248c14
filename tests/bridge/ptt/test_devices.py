"""Every way to key that can be had without a radio, against its real other side."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from firmware_bridge.ptt.devices import CatDevice, NoDevice, RigctldDevice, open_key_device, parse_report
from gateway.errors import KeyingError
from gateway.ptt_config import CatKey, ModemLineKey, RigctldKey, SerialLineKey, VoxKey


def cat(port: str, radio: str, **more: Any) -> CatKey:
    return CatKey.model_validate({"kind": "cat", "port": port, "radio": radio, **more})


@pytest.mark.parametrize("radio", ["icom", "kenwood", "elecraft", "yaesu", "yaesu-5-byte"])
def test_a_radio_is_keyed_by_its_commands(cat_radio: Callable[[str], Any], radio: str, eventually: Any) -> None:
    there = cat_radio(radio)
    device = open_key_device(cat(there.path, radio, reply_ms=2000))
    eventually(lambda: there.diary == [False], "unkeyed at the start")
    device.set(True)
    eventually(lambda: there.is_on)
    device.set(False)
    eventually(lambda: not there.is_on)
    device.set(True)
    device.close()
    eventually(lambda: there.diary == [False, True, False, True, False], "closing unkeys")


@pytest.mark.parametrize("radio", ["elecraft", "kenwood", "yaesu"])
def test_a_radio_that_needs_a_moment_is_waited_for(cat_radio: Callable[[str], Any], radio: str) -> None:
    there = cat_radio(radio)
    device = open_key_device(cat(there.path, radio, reply_ms=2000))
    there.slow_s = 0.15
    device.set(True)
    assert there.is_on
    device.set(False)
    assert not there.is_on
    device.close()


@pytest.mark.parametrize("radio", ["icom", "kenwood", "elecraft", "yaesu"])
def test_refusals_and_silence_are_errors_that_say_so(cat_radio: Callable[[str], Any], radio: str) -> None:
    there = cat_radio(radio)
    device = CatDevice(cat(there.path, radio, reply_ms=100))
    there.refuses = True
    with pytest.raises(KeyingError, match=rf"^{there.path}: the radio refuses to transmit"):
        device.set(True)
    there.refuses, there.is_mute = False, True
    with pytest.raises(KeyingError, match="has not said that it does transmit"):
        device.set(True)
    there.is_mute = False
    device.close()
    assert not there.is_on


def test_a_radio_that_is_off_is_found_out_at_the_start(cat_radio: Callable[[str], Any]) -> None:
    there = cat_radio("icom")
    there.is_mute = True
    with pytest.raises(KeyingError, match="no answer"):
        open_key_device(cat(there.path, "icom", reply_ms=50))


def test_ports_that_are_not_there_or_no_ports() -> None:
    with pytest.raises(KeyingError, match="/dev/no-such-port"):
        open_key_device(cat("/dev/no-such-port", "icom"))
    with pytest.raises(KeyingError, match=r"^/dev/no-such-port: No such file or directory$"):
        open_key_device(SerialLineKey(kind="serial-line", port="/dev/no-such-port"))
    master, slave = os.openpty()
    path = os.ttyname(slave)
    with pytest.raises(KeyingError, match=rf"^{path}: has no control lines"):
        open_key_device(SerialLineKey(kind="serial-line", port=path))
    os.close(master)
    os.close(slave)
    with pytest.raises(KeyingError, match=r"127\.0\.0\.1:9"):
        open_key_device(RigctldKey(kind="rigctld", address="127.0.0.1:9"))


@pytest.mark.parametrize("line", ["rts", "dtr"])
@pytest.mark.parametrize("active_low", [False, True])
def test_a_line_of_a_terminal_server(terminal_server: Any, line: str, active_low: bool, eventually: Any) -> None:
    section = SerialLineKey.model_validate(
        {"kind": "serial-line", "port": terminal_server.url, "line": line, "active_low": active_low}
    )
    other = "dtr" if line == "rts" else "rts"
    device = open_key_device(section)
    eventually(lambda: getattr(terminal_server.port, line) is active_low, "unkeyed at the start")
    device.set(True)
    eventually(lambda: getattr(terminal_server.port, line) is not active_low)
    assert getattr(terminal_server.port, other) is False
    device.set(False)
    eventually(lambda: getattr(terminal_server.port, line) is active_low)
    device.set(True)
    device.close()
    eventually(lambda: getattr(terminal_server.port, line) is active_low, "closing unkeys")


def test_a_terminal_server_that_is_gone_is_an_error(terminal_server: Any) -> None:
    device = open_key_device(SerialLineKey(kind="serial-line", port=terminal_server.url))
    terminal_server.drop()
    with pytest.raises(KeyingError, match="rfc2217://"):
        device.set(True)
    device.close()


@pytest.mark.skipif("CLARILINK_TEST_TTY" not in os.environ, reason="names a port whose lines may be switched")
def test_lines_of_a_real_port() -> None:
    path = os.environ["CLARILINK_TEST_TTY"]
    for line in ("rts", "dtr"):
        section = SerialLineKey.model_validate({"kind": "serial-line", "port": path, "line": line})
        device = open_key_device(section)
        bits = device._lines._bits  # type: ignore[attr-defined]
        mask = {"rts": 0x4, "dtr": 0x2}
        assert not bits() & 0x6
        device.set(True)
        assert bits() & 0x6 == mask[line]
        device.set(False)
        assert not bits() & 0x6
        device.close()


def test_rigctld_itself(rigctld: Any) -> None:
    rigctld.ask(b"T 1\n")
    device = open_key_device(RigctldKey(kind="rigctld", address=rigctld.address))
    assert not rigctld.is_on, "unkeyed at the start"
    device.set(True)
    assert rigctld.is_on
    device.set(False)
    assert not rigctld.is_on
    device.set(True)
    device.close()
    assert not rigctld.is_on


def test_rigctld_without_a_way_to_key_says_what_it_lacks(rigctld: Any) -> None:
    rigctld.kill()
    rigctld.options = []
    rigctld.start()
    with pytest.raises(KeyingError, match=r"answered -1 to PTT off; has it been told how to key \(rigctld -P RIG"):
        RigctldDevice(RigctldKey(kind="rigctld", address=rigctld.address))


def test_rigctld_that_was_started_again_is_found_and_one_that_is_gone_is_an_error(rigctld: Any) -> None:
    device = RigctldDevice(RigctldKey(kind="rigctld", address=rigctld.address))
    rigctld.kill()
    rigctld.start()
    device.set(True)
    assert rigctld.is_on
    rigctld.kill()
    with pytest.raises(KeyingError, match=rf"^rigctld at {rigctld.address}: "):
        device.set(False)
    rigctld.start()
    device.set(False)
    device.close()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"RPRT 0\n", 0),
        (b"RPRT -11\n", -11),
        (b"set_ptt: 1\nRPRT 0\n", 0),
        (b"", None),
        (b"RPRT x\n", None),
        (b"1\n", None),
    ],
)
def test_reports_of_rigctld(reply: bytes, code: int | None) -> None:
    assert parse_report(reply) == code


def test_a_radio_that_keys_itself_needs_no_device() -> None:
    for section in (VoxKey(kind="vox"), ModemLineKey(kind="modem-line")):
        device = open_key_device(section)
        assert isinstance(device, NoDevice)
        device.set(True)
        device.close()
