"""A private PulseAudio whose only sink is a null sink, so that PortAudio has a real device on any machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"


class PulseServer:
    """Started and killed as a test wants; what is played to it can be recorded from it."""

    def __init__(self, home: Path) -> None:
        self.socket = home / "pulse.sock"
        self._log = (home / "pulse.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        socket = f"module-native-protocol-unix socket={self.socket} auth-anonymous=1"
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"]
        command = ["pulseaudio", *options, "-L", socket, "-L", "module-null-sink sink_name=speaker"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        give_up = time.monotonic() + 10
        while not self.socket.exists():
            assert self._process.poll() is None, "pulseaudio ended at once"
            assert time.monotonic() < give_up, "pulseaudio did not open its socket"
            time.sleep(0.02)

    def kill(self) -> None:
        """End without warning, as when a device is pulled out."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    def close(self) -> None:
        self.kill()
        self._log.close()


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseServer]:
    """A running server that PortAudio's default devices lead to; skips where the parts for it are missing."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed (apt install pulseaudio)")
    if not any(True for folder in ("*/alsa-lib", "alsa-lib") for _ in Path("/usr/lib").glob(f"{folder}/*pcm_pulse.so")):
        pytest.skip("ALSA has no PulseAudio plugin (apt install libasound2-plugins)")
    (tmp_path / ".asoundrc").write_text(ASOUNDRC)
    server = PulseServer(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{server.socket}")
    monkeypatch.setenv("PULSE_SINK", "speaker")
    monkeypatch.setenv("PULSE_SOURCE", "speaker.monitor")
    try:
        server.start()
        yield server
    finally:
        server.close()
