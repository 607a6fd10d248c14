"""Sound cards by name, and their streams, through PortAudio; the library is loaded when a device is asked for.

Rule: the callback copies between the driver's buffer and a preallocated ring, counts, and adds up the latency that it
is told; nothing else. Input and output are separate streams: a duplex stream fails under load on PulseAudio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, Direction
from gateway.audio.paced import OUTPUT_QUEUE_S
from gateway.audio.portaudio import PORT_AUDIO
from gateway.audio.reframe import DropPolicy, SampleQueue
from gateway.errors import AudioError

INPUT_QUEUE_S = 1.0
"""The most sound that waits for the media thread; older is dropped."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A sound device as the system describes it; `is_default_input` and `_output` say what "default" means."""

    index: int
    name: str
    driver: str
    input_channels: int
    output_channels: int
    default_rate_hz: int
    is_default_input: bool
    is_default_output: bool

    def channels(self, direction: Direction) -> int:
        """How many channels it has in that direction, 0 if none."""
        return self.input_channels if direction is Direction.INPUT else self.output_channels

    def is_default(self, direction: Direction) -> bool:
        """Whether "default" means this one."""
        return self.is_default_input if direction is Direction.INPUT else self.is_default_output

    @property
    def full_name(self) -> str:
        """Name and driver, as a station file may have it where several devices have one name."""
        return f"{self.name}, {self.driver}"


def list_devices() -> list[DeviceInfo]:
    """All sound devices, an empty list if there are none. Raises AudioError if PortAudio itself is missing or fails."""
    return PORT_AUDIO.call(_list)


def _list(sd: Any) -> list[DeviceInfo]:
    try:
        drivers = sd.query_hostapis()
        default_input, default_output = sd.default.device
        return [
            DeviceInfo(
                index,
                str(device["name"]),
                str(drivers[device["hostapi"]]["name"]),
                int(device["max_input_channels"]),
                int(device["max_output_channels"]),
                round(device["default_samplerate"]),
                index == default_input,
                index == default_output,
            )
            for index, device in enumerate(sd.query_devices())
        ]
    except sd.PortAudioError as error:
        raise AudioError(f"sound devices cannot be listed: {error}") from error


def choose_device(devices: Sequence[DeviceInfo], direction: Direction, name: str) -> DeviceInfo:
    """The first of `matching_devices`. Raises AudioError that lists the devices there are."""
    found = matching_devices(devices, direction, name)
    if not found:
        able = [device for device in devices if device.channels(direction) > 0]
        there = ", ".join(repr(device.name) for device in able) or "none"
        raise AudioError(f"no sound {direction.value} device {name!r}; there are: {there}")
    return found[0]


def matching_devices(devices: Sequence[DeviceInfo], direction: Direction, name: str) -> list[DeviceInfo]:
    """Devices that `name` may mean, best first: `default` the system's, `#4` number 4, else those called `name`, else
    those with `name` in their own, whatever the case; `name, driver` tells two of a name apart.
    """
    able = [device for device in devices if device.channels(direction) > 0]
    if name == "default":
        return [device for device in able if device.is_default(direction)] or able[:1]
    if name.startswith("#") and name[1:].isdigit():
        return [device for device in able if device.index == int(name[1:])]
    wanted = name.casefold()
    whole = [device for device in able if wanted in (device.name.casefold(), device.full_name.casefold())]
    return whole or [device for device in able if wanted in device.full_name.casefold()]


def doubt(found: Sequence[DeviceInfo]) -> str:
    """What to tell of several devices that a name may mean, the first of which was taken; empty for one."""
    if len(found) < 2:
        return ""
    others = ", ".join(f"{device.full_name!r} (#{device.index})" for device in found[1:])
    return f"; the name also fits {others}"


class PortAudioStream:
    """A started stream of one direction; see `gateway.audio.keeper.Stream`."""

    def __init__(
        self,
        sd: Any,
        direction: Direction,
        index: int,
        rate_hz: int,
        channels: int,
        block_ms: int,
        latency_ms: int,
        told: str = "",
    ) -> None:
        """`told` says which device it is, for people."""
        self.rate_hz, self.channels, self.told = rate_hz, channels, told
        self.callbacks = 0
        self.latency_total_s = 0.0
        self.xruns = 0
        capture = direction is Direction.INPUT
        seconds, policy = (INPUT_QUEUE_S, DropPolicy.OLDEST) if capture else (OUTPUT_QUEUE_S, DropPolicy.NEWEST)
        self.queue = SampleQueue(int(seconds * rate_hz) * channels, policy)
        make = sd.RawInputStream if capture else sd.RawOutputStream
        self._stream = make(
            device=index,
            samplerate=rate_hz,
            channels=channels,
            dtype="int16",
            blocksize=rate_hz * block_ms // 1000,
            latency=latency_ms / 1000,
            callback=self._capture if capture else self._play,
        )
        self.promised_s = float(self._stream.latency)
        PORT_AUDIO.start(self._stream)

    def _capture(self, buffer: Any, frames: int, time: Any, status: Any) -> None:
        self.callbacks += 1
        self.latency_total_s += time.currentTime - time.inputBufferAdcTime
        self.xruns += 1 if status else 0
        self.queue.push(np.frombuffer(buffer, dtype=np.int16))

    def _play(self, buffer: Any, frames: int, time: Any, status: Any) -> None:
        self.callbacks += 1
        self.latency_total_s += time.outputBufferDacTime - time.currentTime
        self.xruns += 1 if status else 0
        self.queue.take_into(np.frombuffer(buffer, dtype=np.int16))

    @property
    def active(self) -> bool:
        return bool(self._stream.active)

    def close(self) -> None:
        """Raises AudioError where the driver hangs."""
        PORT_AUDIO.close(self._stream)


class PortAudioOpener:
    """Opens streams by device name, at 16 kHz mono if the device has that, else as near as it offers."""

    def __init__(self, block_ms: int, latency_ms: int) -> None:
        self._block_ms = block_ms
        self._latency_ms = latency_ms

    def open(self, direction: Direction, device: str) -> PortAudioStream:
        """Open and start. Raises AudioError naming the device and why each way of opening it failed."""

        def work(sd: Any) -> PortAudioStream:
            return self._open(sd, direction, device)

        return PORT_AUDIO.call(work, unwanted=PortAudioStream.close)

    def _open(self, sd: Any, direction: Direction, device: str) -> PortAudioStream:
        devices = _list(sd)
        info = choose_device(devices, direction, device)
        told = info.full_name + doubt(matching_devices(devices, direction, device))
        failures = []
        for rate_hz in dict.fromkeys((SAMPLE_RATE_HZ, info.default_rate_hz)):
            for channels in (1, 2)[: info.channels(direction)]:
                try:
                    return PortAudioStream(
                        sd, direction, info.index, rate_hz, channels, self._block_ms, self._latency_ms, told
                    )
                except (sd.PortAudioError, ValueError) as error:
                    failures.append(f"{rate_hz} Hz, {channels} channels: {error}")
        raise AudioError(f"sound {direction.value} device {info.name!r} does not open: {'; '.join(failures)}")

    def rescan(self) -> None:
        """Look for devices anew, where nothing of this process hangs or sounds."""
        PORT_AUDIO.restart()

    @property
    def hangs(self) -> bool:
        """Whether a driver does not come back from a call."""
        return PORT_AUDIO.hangs
