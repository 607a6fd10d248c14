"""Virtual microphones and speakers: a private PulseAudio server whose only devices are null sinks, and what is played
into and recorded from them.

Rule: nothing of the machine's own sound is touched; programs find the devices by `environment`, as default devices of
ALSA, and everything ends with the `with`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, to_float, to_int16
from gateway.clock import SystemClock
from gateway.errors import AudioError

CLOCK = SystemClock()
START_S = 15.0
RAW = ["--raw", f"--rate={SAMPLE_RATE_HZ}", "--channels=1", "--format=s16le"]
PRIORITY = -10
LATENCY_MS = 10
UNSURE_S = 1.0
"""At the beginning a recording may get what was played ahead."""
CHUNK_BYTES = SAMPLE_RATE_HZ * 2 // 100
ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
NAMED = """pcm.{0} {{
    type asym
    playback.pcm {{ type pulse device {0} fallback none }}
    capture.pcm {{ type pulse device {0}.monitor fallback none }}
}}
"""
MISSING = "virtual devices need PulseAudio and its ALSA plugin (on Debian: apt install pulseaudio libasound2-plugins)"


class VirtualSound:
    """Null sinks by name; each is a speaker, and its monitor a microphone that hears what is played to it, both of
    that name to ALSA. Raises AudioError where PulseAudio is missing or does not start."""

    def __init__(self, devices: Sequence[str], rate_hz: int = 48_000) -> None:
        if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
            raise AudioError(MISSING)
        self._stack = ExitStack()
        self._home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="clarilink-sound-")))
        self._socket = self._home / "pulse.sock"
        self._rate_hz = rate_hz
        self._modules: dict[str, str] = {}
        self._name_devices()
        try:
            self._start()
            for device in devices:
                self.plug(device)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def environment(self, speaker: str | None = None, microphone: str | None = None) -> dict[str, str]:
        """For a program whose default devices are to be these; `microphone` is the sink whose monitor it is."""
        chosen = {} if speaker is None else {"PULSE_SINK": speaker}
        if microphone is not None:
            chosen["PULSE_SOURCE"] = f"{microphone}.monitor"
        home = {"HOME": str(self._home), "XDG_RUNTIME_DIR": str(self._home), "PULSE_SERVER": f"unix:{self._socket}"}
        return {**os.environ, **home, **chosen}

    def plug(self, device: str) -> None:
        """A null sink appears."""
        named = f"sink_properties=device.description={device}"
        loaded = self._control("load-module", "module-null-sink", f"sink_name={device}", f"rate={self._rate_hz}", named)
        self._modules[device] = loaded.strip()
        self._name_devices()
        # A null sink that nobody hurries plays two seconds at a time; a listener keeps it as quick as a sound card.
        listener = subprocess.Popen(
            self._listen(device), stdout=subprocess.DEVNULL, env=self.environment(), start_new_session=True
        )
        prefer(listener)
        self._stack.callback(listener.wait)
        self._stack.callback(listener.kill)

    def pull(self, device: str) -> None:
        """A null sink vanishes, with whatever was using it."""
        self._control("unload-module", self._modules.pop(device))
        self._name_devices()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server answers nobody meanwhile, and nothing sounds: as a driver that hangs."""
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def _name_devices(self) -> None:
        """As with a card of one's own: PortAudio sees what is there when it looks."""
        named = "".join(NAMED.format(device) for device in self._modules)
        (self._home / ".asoundrc").write_text(ASOUNDRC + named)

    @contextmanager
    def recording(self, device: str) -> Iterator[Recording]:
        """Record what is played to `device` while the context lasts."""
        with subprocess.Popen(
            self._listen(device), stdout=subprocess.PIPE, env=self.environment(), start_new_session=True
        ) as process:
            prefer(process)
            recorded = Recording(process)
            try:
                recorded.wait(UNSURE_S)
                yield recorded
            finally:
                process.terminate()
                recorded.join()

    def play(self, device: str, pcm: FloatArray) -> None:
        """Play to `device`, in real time; returns when it has been heard."""
        command = ["pacat", "--playback", *RAW, "--latency-msec=50", "-d", device]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, env=self.environment(), start_new_session=True
        ) as process:
            prefer(process)
            process.communicate(to_int16(pcm).tobytes())
        if process.returncode:
            raise AudioError(f"nothing can be played to the virtual device {device}")

    def _listen(self, device: str) -> list[str]:
        return ["parec", *RAW, f"--latency-msec={LATENCY_MS}", "-d", f"{device}.monitor"]

    def _control(self, *arguments: str) -> str:
        done = subprocess.run(["pactl", *arguments], capture_output=True, text=True, env=self.environment())
        if done.returncode:
            raise AudioError(f"pactl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _start(self) -> None:
        socket = f"module-native-protocol-unix socket={self._socket} auth-anonymous=1"
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"]
        log = self._stack.enter_context((self._home / "pulse.log").open("ab"))
        self._server = subprocess.Popen(
            ["pulseaudio", *options, "-L", socket, "-L", "module-always-sink"],
            stdout=log,
            stderr=log,
            env=self.environment(),
            start_new_session=True,
        )
        prefer(self._server)
        self._stack.callback(self._server.wait)
        self._stack.callback(self._server.kill)
        give_up = CLOCK.now() + START_S
        while not self._socket.exists():
            if self._server.poll() is not None or CLOCK.now() > give_up:
                raise AudioError(f"PulseAudio does not start: {(self._home / 'pulse.log').read_text()[-300:]}")
            CLOCK.sleep(0.02)


def prefer(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Let a program that was just started go before others, where this user may: what a real sound server has."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, PRIORITY)
        # Where Linux shares processor time between sessions, the one above counts only within its session.
        Path(f"/proc/{process.pid}/autogroup").write_text(f"{PRIORITY}\n")


class Recording:
    """What `parec` gives, and when: a null sink plays by the machine's clock, so the samples' times lie on a line, and
    the chunks that were read soonest tell where it begins."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._changed = threading.Condition()
        self._chunks: list[bytes] = []
        self._size = 0
        self._begins_s: list[float] = []
        self._thread = threading.Thread(target=self._read, name="recording", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._pipe.fileno(), CHUNK_BYTES):
            now_s = CLOCK.now()
            with self._changed:
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._begins_s.append(now_s - self._size / 2 / SAMPLE_RATE_HZ)
                self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until so much has been recorded. Raises AudioError if it does not come."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._size >= seconds * 2 * SAMPLE_RATE_HZ, START_S + 2 * seconds):
                raise AudioError("nothing comes from the virtual device")

    def join(self) -> None:
        """After `parec` has ended."""
        self._thread.join(5)

    @property
    def begin_s(self) -> float:
        """When the first sample sounded, on the monotonic clock."""
        with self._changed:
            return float(np.quantile(self._begins_s[len(self._begins_s) // 4 :], 0.1))

    @property
    def pcm(self) -> NDArray[np.float32]:
        """Everything so far, (samples,)."""
        with self._changed:
            data = b"".join(self._chunks)
        return to_float(np.frombuffer(data[: len(data) // 2 * 2], np.int16))
