"""Sound devices, ports, switches and keys as they are found, absent, or not for this user."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from firmware_bridge.ports import PortFound
from gateway.audio.device import DeviceInfo
from gateway.checkup.devices import check_audio, check_keying, check_port, check_ptt
from gateway.checkup.findings import Findings, Level
from gateway.checkup.surroundings import Surroundings
from gateway.config import AudioSection, KeyingSection, PttSection
from gateway.errors import AudioError
from gateway.ptt_config import CatKey, EvdevInput, GpioInput, GpioKey, RigctldKey, SerialLineInput, VoxInput, VoxKey

HEADSET = DeviceInfo(3, "USB Headset", "ALSA", 1, 2, 48_000, True, True)
MODEM = PortFound("/dev/ttyUSB7", "/dev/serial/by-id/usb-modem", "modem", None)
Told = list[tuple[Level, str, str]]


def no_sound() -> list[DeviceInfo]:
    raise AudioError("the PortAudio library is not there")


def around(*, quick: bool = False, installed: bool = True, devices: list[DeviceInfo] | None = None) -> Surroundings:
    return Surroundings(
        quick=quick,
        sound_devices=no_sound if devices is None else lambda: devices,
        serial_ports=lambda: [MODEM],
        installed=lambda _: installed,
    )


def audio(section: AudioSection, where: Surroundings) -> Told:
    findings = Findings(Path("x.toml"))
    check_audio(findings, section, where)
    return [(one.level, one.key, one.text) for one in findings.all if one.key != "audio.noise_suppression"]


@pytest.fixture
def terminal() -> Iterator[str]:
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_devices_by_name() -> None:
    section = AudioSection(input="headset", output="loudspeaker")
    assert audio(section, around(devices=[HEADSET])) == [
        (Level.OK, "audio.input", "USB Headset (ALSA)"),
        (
            Level.WARNING,
            "audio.output",
            "no sound output device 'loudspeaker'; there are: 'USB Headset'",
        ),
    ]
    assert audio(section, around(quick=True)) == []


def test_no_sound_at_all_is_said_once() -> None:
    assert [level for level, *_ in audio(AudioSection(), around())] == [Level.WARNING]
    assert audio(AudioSection(input="null", output="null"), around())[0][0] is Level.OK


def test_files_in_place_of_devices(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(1600), 16_000)
    good = AudioSection(input=f"file:{tmp_path}/in.wav", output=f"file:{tmp_path}/out.wav")
    assert [level for level, *_ in audio(good, around())] == [Level.OK, Level.OK]
    assert not (tmp_path / "out.wav").exists()
    for bad in (
        AudioSection(input=f"file:{tmp_path}/none.wav", output="null"),
        AudioSection(input="null", output=f"file:{tmp_path}/none/out.wav"),
        AudioSection(input="null", output=f"file:{tmp_path}"),
    ):
        assert Level.PROBLEM in [level for level, *_ in audio(bad, around())]


@pytest.mark.parametrize(("wish", "level"), [("on", Level.PROBLEM), ("off", None)])
def test_noise_suppression_that_is_not_installed(wish: str, level: Level | None) -> None:
    findings = Findings(Path("x.toml"))
    section = AudioSection.model_validate({"input": "null", "output": "null", "noise_suppression": wish})
    check_audio(findings, section, around(installed=False))
    assert [one.level for one in findings.all if one.key == "audio.noise_suppression"] == ([level] if level else [])


def port(address: str, where: Surroundings | None = None) -> Told:
    findings = Findings(Path("x.toml"))
    check_port(findings, "link.port", address, where or around())
    return [(one.level, one.key, one.text) for one in findings.all]


def test_ports(tmp_path: Path, terminal: str) -> None:
    (tmp_path / "file").touch()
    assert port(str(tmp_path / "none")) == [
        (Level.WARNING, "link.port", f"{tmp_path}/none is not there; serial ports: /dev/serial/by-id/usb-modem")
    ]
    assert [level for level, *_ in port(str(tmp_path / "file"))] == [Level.PROBLEM]
    (told,) = port(terminal)
    assert told[0] is Level.WARNING  # this very process holds it open
    assert f"(process {os.getpid()})" in told[2]
    assert [level for level, *_ in port("tcp://127.0.0.1:1")] == [Level.WARNING]
    assert port("/dev/none", around(quick=True)) == []


def test_a_port_that_is_not_for_this_user(terminal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    findings = Findings(Path("x.toml"))
    check_port(findings, "link.port", terminal, around())
    (found,) = findings.all
    assert found.level is Level.PROBLEM
    assert "usermod -aG" in found.todo or "udev" in found.todo


def ptt(section: PttSection, where: Surroundings | None = None) -> Told:
    findings = Findings(Path("x.toml"))
    check_ptt(findings, section, where or around())
    return [(one.level, one.key, one.text) for one in findings.all]


def test_switches(tmp_path: Path) -> None:
    event = tmp_path / "event0"
    event.touch()
    found = PttSection(input=EvdevInput(kind="evdev", device=str(event)))
    assert ptt(found) == [(Level.OK, "ptt.input.device", f"{event} can be read")]
    gone = PttSection(input=EvdevInput(kind="evdev", device="no such switch", key="KEY_NONSENSE"))
    assert [told[:2] for told in ptt(gone)] == [
        (Level.PROBLEM, "ptt.input.key"),
        (Level.WARNING, "ptt.input.device"),
    ]
    lost = PttSection(input=EvdevInput(kind="evdev", device="/dev/input/none"))
    assert [told[:2] for told in ptt(lost)] == [(Level.WARNING, "ptt.input.device")]
    line = PttSection(input=SerialLineInput(kind="serial-line", port="/dev/none"))
    assert [told[:2] for told in ptt(line)] == [(Level.WARNING, "ptt.input.port")]
    assert [told[:2] for told in ptt(PttSection(source="none"))] == [(Level.WARNING, "ptt")]
    assert ptt(PttSection()) == []
    assert ptt(PttSection(source="none", input=VoxInput(kind="vox"))) == []


def test_pins(tmp_path: Path) -> None:
    chip = tmp_path / "gpiochip0"
    pin = PttSection(input=GpioInput(kind="gpio", gpio=17, chip=str(chip)))
    assert [told[:2] for told in ptt(pin, around(installed=False))] == [(Level.PROBLEM, "ptt.input")]
    assert [told[:2] for told in ptt(pin)] == [(Level.WARNING, "ptt.input.chip")]
    chip.touch()
    assert [told[:2] for told in ptt(pin)] == [(Level.OK, "ptt.input")]


def keying(section: KeyingSection) -> Told:
    findings = Findings(Path("x.toml"))
    check_keying(findings, section, around())
    return [(one.level, one.key, one.text) for one in findings.all]


def test_keys() -> None:
    rigctld = KeyingSection(device=RigctldKey(kind="rigctld", address="127.0.0.1:1"))
    assert [told[:2] for told in keying(rigctld)] == [(Level.WARNING, "keying.device.address")]
    cat = KeyingSection(device=CatKey(kind="cat", port="/dev/none", radio="icom"), watchdog="off")
    assert [told[:2] for told in keying(cat)] == [
        (Level.WARNING, "keying.device.port"),
        (Level.WARNING, "keying.watchdog"),
    ]
    pin = KeyingSection(device=GpioKey(kind="gpio", gpio=4, chip="/dev/none"))
    assert [told[:2] for told in keying(pin)] == [(Level.WARNING, "keying.device.chip")]
    assert keying(KeyingSection(device=VoxKey(kind="vox"), watchdog="off")) == []
