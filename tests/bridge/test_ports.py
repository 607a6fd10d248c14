"""The list of ports: stable names and who holds what, on folders made up and on a pseudo-terminal of our own."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from firmware_bridge import ports


def test_the_stable_name_is_the_link_to_the_device(tmp_path: Path) -> None:
    by_id, by_path = tmp_path / "by-id", tmp_path / "by-path"
    device, other = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    for file in (device, other):
        file.touch()
    by_id.mkdir()
    by_path.mkdir()
    (by_id / "usb-FTDI_1234").symlink_to("../ttyUSB0")
    (by_path / "pci-1").symlink_to("../ttyUSB0")
    (by_path / "pci-2").symlink_to("../ttyUSB1")
    folders = (by_id, by_path)
    assert ports.stable_name(str(device), folders) == str(by_id / "usb-FTDI_1234")
    assert ports.stable_name(str(other), folders) == str(by_path / "pci-2")
    assert ports.stable_name(str(by_id / "usb-FTDI_1234"), folders) is None
    assert ports.stable_name("tcp://host:1", folders) is None
    assert ports.stable_name(str(device), (tmp_path / "absent",)) is None


def test_a_holder_is_named() -> None:
    master, slave = os.openpty()
    try:
        assert f"(process {os.getpid()})" in ports.holders(os.ttyname(slave))
        name = os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)
    assert ports.holders(name) == ""


def test_the_list_says_what_is_plugged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugged = SimpleNamespace(device="/dev/ttyUSB7", description="FT232R", vid=0x0403, pid=0x6001, serial_number="A1")
    bare = SimpleNamespace(device="/dev/ttyS0", description="n/a", vid=None, pid=None, serial_number=None)
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [plugged, bare])
    monkeypatch.setattr(ports, "stable_name", lambda device: "/dev/serial/by-id/x" if "USB" in device else None)
    monkeypatch.setattr(ports, "holders", lambda device, folder: "minicom (process 7)" if "USB" in device else "")
    first, second = ports.list_found_ports(tmp_path)
    assert str(first).splitlines() == [
        "/dev/serial/by-id/x",
        "    /dev/ttyUSB7: FT232R, USB 0403:6001, serial number A1",
        "    in use by minicom (process 7)",
    ]
    assert str(second).splitlines() == ["/dev/ttyS0", "    serial port"]
    assert first.holder is not None
    assert second.holder is None
