"""The device class against a FIFO in the node's place: it reads and ends like one, but has no ioctls."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ptt import evdev
from firmware_bridge.ptt.evdev import EvdevContact, find_device, key_code
from gateway.errors import KeyingError
from gateway.ptt_config import EvdevInput


def section(device: Path | str, **more: Any) -> EvdevInput:
    return EvdevInput.model_validate({"kind": "evdev", "device": str(device), "grab": False, **more})


def press(code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 0, 0, 1, code, value)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "event5")
    return tmp_path / "event5"


def test_states_come_as_keys_are_pressed(node: Path) -> None:
    contact = EvdevContact(section(node, key="KEY_B"))
    writer = os.open(node, os.O_WRONLY)
    assert contact.read(0.0) == [False], "up at the start"
    assert contact.read(0.0) == []
    os.write(writer, press(48, 1) + press(48, 0)[:10])
    assert contact.read(5.0) == [True]
    os.write(writer, press(48, 0)[10:])
    assert contact.read(5.0) == [False]
    os.close(writer)
    with pytest.raises(KeyingError, match=f"^{node}: has ended$"):
        contact.read(5.0)
    contact.close()


def test_dropped_events_are_asked_for(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contact = EvdevContact(section(node, key=48))
    writer = os.open(node, os.O_WRONLY)
    contact.read(0.0)
    calls = []

    def ioctl(descriptor: int, request: int, bits: bytes) -> bytes:
        calls.append((request, len(bits)))
        return bytes([0] * 6 + [1]) + bytes(len(bits) - 7)  # key 48 is down

    monkeypatch.setattr(evdev.fcntl, "ioctl", ioctl)
    os.write(writer, struct.pack("@llHHi", 0, 0, 0, 3, 0))
    assert contact.read(5.0) == [True]
    assert calls == [(0x80604518, 96)]  # EVIOCGKEY(96) as the kernel's macro gives it
    os.close(writer)
    contact.close()


def test_what_cannot_be_grabbed_or_opened_is_named(node: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyingError, match=f"^{node}: cannot be grabbed: "):
        EvdevContact(section(node, grab=True))
    with pytest.raises(KeyingError, match=r"gone: No such file or directory$"):
        EvdevContact(section(tmp_path / "gone"))


def test_devices_are_found_by_name(tmp_path: Path) -> None:
    for number, name in ((2, "PCsensor FootSwitch"), (10, "USB Headset Consumer Control"), (11, "USB Headset")):
        (tmp_path / f"event{number}" / "device").mkdir(parents=True)
        (tmp_path / f"event{number}" / "device" / "name").write_text(name + "\n")
    assert find_device("footswitch", tmp_path) == "/dev/input/event2"
    assert find_device("USB Headset", tmp_path) == "/dev/input/event11", "the whole name goes before a part of one"
    assert find_device("/dev/input/by-id/x", tmp_path) == "/dev/input/by-id/x"
    with pytest.raises(
        KeyingError, match=r"^several input devices are called 'headset'; there are: 'PCsensor FootSwitch' at"
    ):
        find_device("headset", tmp_path)
    with pytest.raises(KeyingError, match=r"^no input device is called 'x'; there are: none$"):
        find_device("x", tmp_path / "none")


def test_keys_by_name_or_number() -> None:
    assert key_code("KEY_SPACE") == key_code("key_space") == key_code(57) == key_code("57") == 57
    assert key_code("any") is None
    with pytest.raises(KeyingError, match=r"'KEY_NONSENSE' is not known; give its number"):
        key_code("KEY_NONSENSE")
