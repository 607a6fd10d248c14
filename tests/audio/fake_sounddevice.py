"""A stand-in for the module sounddevice, whose calls can be made to hang."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from typing import Any


class FakePortAudioError(Exception):
    pass


class FakeSoundDevice(types.ModuleType):
    """As much of sounddevice as we use; `accepts` are the (rate, channels) that its one device opens with."""

    PortAudioError = FakePortAudioError

    def __init__(self, accepts: set[tuple[int, int]], max_channels: int = 2) -> None:
        super().__init__("sounddevice")
        self.accepts = accepts
        self.max_channels = max_channels
        self.asked: list[dict[str, Any]] = []
        self.default = types.SimpleNamespace(device=(0, 0))
        self.did: list[str] = []
        """Begins and ends of PortAudio, and closes, in their order."""
        self.refuses_start = False
        self.comes_back = threading.Event()
        """Clear while calls hang; `hanging` says which."""
        self.comes_back.set()
        self.hanging = ""
        self._initialized = 1
        outer = self

        class Raw:
            def __init__(self, **options: Any) -> None:
                outer.asked.append(options)
                if (options["samplerate"], options["channels"]) not in outer.accepts:
                    raise FakePortAudioError("Invalid sample rate")
                self.callback: Callable[..., None] = options["callback"]
                self.active = False

                self.latency = options["latency"]

            def start(self) -> None:
                outer.hang("start")
                if outer.refuses_start:
                    raise FakePortAudioError("busy")
                self.active = True

            def close(self, ignore_errors: bool) -> None:
                outer.hang("close")
                self.active = False
                outer.did.append("close")

        self.RawInputStream = self.RawOutputStream = Raw

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        count = self.max_channels
        rates = {"default_samplerate": 44_100.0}
        return [{"name": "card", "hostapi": 0, "max_input_channels": count, "max_output_channels": count, **rates}]

    def hang(self, call: str) -> None:
        if call == self.hanging:
            self.comes_back.wait(30)

    def _terminate(self) -> None:
        self._initialized -= 1
        self.did.append("end")

    def _initialize(self) -> None:
        if self.refuses_start:
            raise FakePortAudioError("no host")
        self._initialized += 1
        self.did.append("begin")

    def _exit_handler(self) -> None:
        raise AssertionError("it ends PortAudio whatever is going on in it")
