"""Sound devices, serial ports, switches and pins: whether they are there and this user may use them.

Rule: opens no serial port and no sound stream, so that no modem is reset, no radio keyed, no programme interrupted.
What is not there today may be plugged in tomorrow: a warning.
"""

from __future__ import annotations

import getpass
import grp
import os
import stat
from pathlib import Path

from firmware_bridge.ports import holders, stable_name
from firmware_bridge.ptt.evdev import find_device, key_code
from gateway.audio.base import Direction
from gateway.audio.denoise import wanted
from gateway.audio.device import DeviceInfo, choose_device
from gateway.audio.files import SoundReader
from gateway.checkup.addresses import check_answers, runs
from gateway.checkup.findings import Findings
from gateway.checkup.machine import check_folder, check_package
from gateway.checkup.surroundings import Surroundings
from gateway.config import AudioSection
from gateway.errors import AudioError, KeyingError
from gateway.ptt_config import (
    CatKey,
    EvdevInput,
    GpioInput,
    GpioKey,
    KeyingSection,
    PttSection,
    RigctldKey,
    SerialLineInput,
    SerialLineKey,
)

RECORDED_BYTES = 32_000 * 3600
"""An hour of sound in a file that stands for a speaker."""


def check_audio(findings: Findings, section: AudioSection, around: Surroundings) -> None:
    """[audio]: both devices by name, sound files, noise suppression."""
    devices: list[DeviceInfo] | None = None
    named = [(Direction.INPUT, "audio.input", section.input), (Direction.OUTPUT, "audio.output", section.output)]
    if not around.quick and any(name != "null" and not name.startswith("file:") for *_, name in named):
        try:
            devices = around.sound_devices()
        except AudioError as error:
            findings.warn("audio", f"no sound: {error}", "until then the station is silent and hears nothing of you")
    for direction, key, name in named:
        with findings.looking_at(key):
            if name == "null":
                findings.ok(key, "none, as configured: silence")
            elif name.startswith("file:"):
                _check_sound_file(findings, direction, key, Path(name.removeprefix("file:")), around)
            elif devices is not None:
                _check_device(findings, direction, key, name, devices)
    with findings.looking_at("audio.noise_suppression"):
        if section.noise_suppression == "on":
            check_package(findings, "audio.noise_suppression", "pyrnnoise", around, "noise suppression")
        elif not wanted(section.noise_suppression) and section.noise_suppression == "auto":
            text = "off: pyrnnoise is not installed; engines and wind cost words"
            findings.warn("audio.noise_suppression", text, "`pip install 'clarilink[denoise]'`, or say \"off\"")


def check_port(findings: Findings, key: str, address: str, around: Surroundings) -> None:
    """A serial port by path, or a terminal server by address."""
    if around.quick:
        return
    if "://" in address:
        check_answers(findings, key, address, around, "switch the modem or terminal server on; it is tried again")
        return
    path = Path(address)
    if not path.exists():
        there = ", ".join(port.stable for port in around.serial_ports()) or "none"
        text = f"{address} is not there; serial ports: {there}"
        findings.warn(key, text, "plug the modem in (it is found then), or name another (`clarilink ports`)")
    elif not stat.S_ISCHR(path.stat().st_mode):
        findings.problem(key, f"{address} is no device", "`clarilink ports` lists serial ports")
    elif not os.access(path, os.R_OK | os.W_OK):
        _no_access(findings, key, path)
    else:
        _check_usable_port(findings, key, address)


def check_ptt(findings: Findings, section: PttSection, around: Surroundings) -> None:
    """[ptt]: the switch, where there is one."""
    match section.input:
        case SerialLineInput(port=port):
            check_port(findings, "ptt.input.port", port, around)
        case EvdevInput() as switch:
            _check_evdev(findings, switch, around)
        case GpioInput(chip=chip, gpio=pin):
            _check_pin(findings, "ptt.input", chip, pin, around)
        case None if section.source == "none":
            text = 'source is "none" and there is no input: the keyboard does not talk'
            findings.warn("ptt", text, "talk by web console or `clarilink ctl`, or configure [ptt.input]")
        case _:
            pass


def check_keying(findings: Findings, section: KeyingSection, around: Surroundings) -> None:
    """[keying]: what keys the transmitter."""
    match section.device:
        case SerialLineKey(port=port) | CatKey(port=port):
            check_port(findings, "keying.device.port", port, around)
        case RigctldKey(address=address):
            todo = "start rigctld for your radio (docs/ptt.md); until then nothing is keyed"
            check_answers(findings, "keying.device.address", address, around, todo)
        case GpioKey(chip=chip, gpio=pin):
            _check_pin(findings, "keying.device", chip, pin, around)
        case _:
            pass
    if section.watchdog == "off" and section.device.kind not in {"modem-line", "vox"}:
        text = "off: nothing unkeys the transmitter when this program hangs or dies"
        findings.warn("keying.watchdog", text, '"required" is safer')


def _check_device(findings: Findings, direction: Direction, key: str, name: str, devices: list[DeviceInfo]) -> None:
    try:
        found = choose_device(devices, direction, name)
    except AudioError as error:
        findings.warn(key, str(error), "plug it in (it is found then), or name another (`clarilink devices`)")
    else:
        findings.ok(key, f"{found.name} ({found.driver})")


def _check_sound_file(findings: Findings, direction: Direction, key: str, path: Path, around: Surroundings) -> None:
    if direction is Direction.INPUT:
        SoundReader(path).close()
        findings.ok(key, f"{path} can be read")
    elif path.is_dir():
        findings.problem(key, f"{path} is a folder", "give the name of a WAV file")
    elif not path.parent.is_dir():
        findings.problem(key, f"{path.parent}: no such folder", f"`mkdir -p {path.parent}`")
    else:
        check_folder(findings, key, path.parent, RECORDED_BYTES, around)


def _check_usable_port(findings: Findings, key: str, address: str) -> None:
    holder = holders(address)
    if holder and not _is_own(holder, findings.file):
        text = f"{address} is in use by {holder}"
        findings.warn(key, text, "end it: a modem answers one program only")
        return
    stable = stable_name(address)
    if stable is not None:
        text = f"{address} is there, but another device may have that name after the next start"
        findings.warn(key, text, f'name it "{stable}"')
    else:
        findings.ok(key, f"{address} is there")


def _is_own(holder: str, file: Path) -> bool:
    number = holder.rpartition("(process ")[2].rstrip(")")
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    return runs(int(number), words, file)


def _check_evdev(findings: Findings, switch: EvdevInput, around: Surroundings) -> None:
    try:
        key_code(switch.key)
    except KeyingError as error:
        findings.problem("ptt.input.key", str(error))
    if around.quick:
        return
    listed = "`python -m firmware_bridge.ptt.evdev` lists what is there; it is found when it is plugged in"
    try:
        path = Path(find_device(switch.device))
    except KeyingError as error:
        findings.warn("ptt.input.device", str(error), listed)
        return
    if not path.exists():
        findings.warn("ptt.input.device", f"{path} is not there", listed)
    elif not os.access(path, os.R_OK):
        _no_access(findings, "ptt.input.device", path)
    else:
        findings.ok("ptt.input.device", f"{path} can be read")


def _check_pin(findings: Findings, key: str, chip: str, pin: int | str, around: Surroundings) -> None:
    if not check_package(findings, key, "gpiod", around, "a pin") or around.quick:
        return
    path = Path(chip)
    if not path.exists():
        findings.warn(
            f"{key}.chip", f"{chip} is not there", "`gpiodetect` (package gpiod) lists the chips of this machine"
        )
    elif not os.access(path, os.R_OK | os.W_OK):
        _no_access(findings, f"{key}.chip", path)
    else:
        findings.ok(key, f"{chip} is there, for pin {pin}")


def _no_access(findings: Findings, key: str, path: Path) -> None:
    """A device that this user may not use: by its group, if it has one that helps."""
    status = path.stat()
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    user = getpass.getuser() if os.environ.get("USER") else str(os.getuid())
    if group == "root" or not status.st_mode & stat.S_IRGRP:
        todo = "deploy/udev/70-clarilink.rules gives such devices to groups"
    else:
        todo = f"`sudo usermod -aG {group} {user}`, then log in again"
    findings.problem(key, f"{path} may not be used by this user (group {group})", todo)
