"""Shared by many tests: small codecs with made-up weights (streaming rules hold for any), speech-like sound, the speech
folder, and a private PulseAudio whose only sink is a null sink, so that PortAudio has a real device on any machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog
import torch
from hypothesis import settings

from gateway.codec import Codec, CodecSpec
from gateway.codec.model import CodecModel

# As every program of ours sets it: the steps are too small to share, and tests run beside others.
torch.set_num_threads(1)
# A shell gives its background jobs SIGINT ignored, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Nor is how long an example takes on a busy machine a finding.
settings.register_profile("clarilink", deadline=None)
settings.load_profile("clarilink")


def random_model(spec: CodecSpec) -> CodecModel:
    torch.manual_seed(7)
    model = CodecModel(spec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def fresh_logging() -> None:
    """A test that runs a command in this process sets logging up; the next one must not find it so."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def small_spec() -> CodecSpec:
    return CodecSpec(
        widths=(16, 24, 36),
        encoder_depths=(1, 1, 2),
        decoder_depths=(1, 1, 2),
        heads=2,
        memory_frames=8,
        vocoder_width=32,
        vocoder_depth=2,
    )


@pytest.fixture(scope="session")
def small_codec(small_spec: CodecSpec) -> Codec:
    return Codec(random_model(small_spec))


@pytest.fixture(scope="session")
def tiny_codec() -> Codec:
    """As small as one can be, for hours of simulated speech."""
    return Codec(
        random_model(
            CodecSpec(
                widths=(4, 6, 8),
                encoder_depths=(1, 1, 1),
                decoder_depths=(1, 1, 1),
                heads=1,
                memory_frames=4,
                vocoder_width=8,
                vocoder_depth=1,
            )
        )
    )


@pytest.fixture
def speechlike() -> np.ndarray:
    """3.1 s of amplitude-modulated harmonics and noise, not a whole number of frames."""
    rng = np.random.default_rng(5)
    t = np.arange(49_777) / 16_000
    voice = sum(np.sin(2 * np.pi * 120 * k * t + k) / k for k in range(1, 20))
    wave = voice * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t)) + 0.1 * rng.standard_normal(len(t))
    return (0.1 * wave).astype(np.float32)


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """The shared speech folder; tests that need it say so by asking for it, and skip without it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "speech"
    folder = Path(os.environ.get("CLARILINK_SPEECH") or beside)
    if not (folder / "manifest.tsv").is_file():
        pytest.skip(f"no speech folder at {folder} (set CLARILINK_SPEECH)")
    return folder


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
