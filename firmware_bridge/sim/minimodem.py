"""minimodem as a transparent modem behind a pseudo-terminal: real FSK tones, without a radio.

    python -m firmware_bridge.sim.minimodem --pair --baud 1200

makes two modems on a sound server of its own and prints their ports; `--tx-sink` and `--rx-source` make one modem on
the sound devices of the running PulseAudio (a radio's sound card, say). Debian packages: minimodem, pulseaudio.

Rule: this program only carries bytes. `minimodem --tx` plays what the host writes and `minimodem --rx` gives what is
heard; framing and errors are the driver's (profiles minimodem-600, minimodem-1200). minimodem's `--tx-carrier` keeps
the tone on in silence, and needs a sink of one's own: where two share a channel, `--no-carrier`, a profile in half
duplex and at least 4 preamble_bytes, for the receiver needs a few bytes to lock on.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.errors import ConfigError, GatewayError

LATENCY_MS = 150
"""What PulseAudio may hold back of each stream. Less makes the sound of a busy machine stutter: of 40 packets at 1200
baud, beside two busy cores, 36 came whole with 30 ms, 39 with 150 and 40 with 300; without a limit every start is lost.
"""
PIPE_BYTES = 4096
SINKS = ("a-to-b", "b-to-a")
_F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, Linux


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is not installed (apt install {name})")
    return found


class Minimodem:
    """One modem: a pseudo-terminal, and a minimodem for each direction."""

    def __init__(
        self,
        baud: float,
        tx_sink: str,
        rx_source: str,
        *,
        env: Mapping[str, str],
        has_carrier: bool = True,
        latency_ms: int = LATENCY_MS,
    ) -> None:
        """Raises ConfigError without minimodem."""
        program = _program("minimodem")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.address = os.ttyname(self._slave)
        """The port for the host."""
        os.set_blocking(self._master, False)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        sound = dict(env) | {"PULSE_LATENCY_MSEC": str(latency_ms)}
        rate, carrier = f"{baud:g}", ["--tx-carrier"] if has_carrier else []
        self._tx = subprocess.Popen(
            [program, "--tx", "--ascii", *carrier, rate],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=sound | {"PULSE_SINK": tx_sink},
            bufsize=0,
        )
        self._rx = subprocess.Popen(
            [program, "--rx", "--ascii", "--quiet", rate],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=sound | {"PULSE_SOURCE": rx_source},
            bufsize=0,
        )
        assert self._tx.stdin is not None
        assert self._rx.stdout is not None
        self._to_air, self._from_air = self._tx.stdin.fileno(), self._rx.stdout.fileno()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._to_air, _F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._to_air, False)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"minimodem {self.address}", daemon=True)
        self._thread.start()

    def failure(self) -> str | None:
        """Why the modem has ended, in minimodem's words; None while it works."""
        if self._tx.poll() is None and self._rx.poll() is None:
            return None
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace").strip()
        return f"minimodem has ended: {words or 'it says nothing'}"

    def close(self) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join(5)
        for process in (self._tx, self._rx):
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (self._tx.stdin, self._rx.stdout, self._errors):
            if stream is not None:
                stream.close()
        for descriptor in (self._master, self._slave, self._stop_read, self._stop_write):
            os.close(descriptor)

    def _run(self) -> None:
        waiting = b""
        while True:
            readers = [self._from_air, self._stop_read] + ([] if waiting else [self._master])
            readable, _, _ = select.select(readers, [self._to_air] if waiting else [], [])
            if self._stop_read in readable:
                return
            if self._from_air in readable:
                heard = os.read(self._from_air, 4096)
                if not heard:
                    return
                with contextlib.suppress(BlockingIOError):  # nobody reads the port: as on a wire, it is gone
                    os.write(self._master, heard)
            if self._master in readable:
                waiting = os.read(self._master, 256)
            if waiting:
                try:
                    waiting = waiting[os.write(self._to_air, waiting) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return


@contextmanager
def private_sound(folder: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio of our own with the null sinks `SINKS`, and the environment that leads to it.

    Raises ConfigError without pulseaudio, GatewayError if it does not start.
    """
    server = folder / "pulse.sock"
    env = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_SERVER": f"unix:{server}"}
    modules = [f"module-native-protocol-unix socket={server} auth-anonymous=1"]
    modules += [f"module-null-sink sink_name={sink}" for sink in SINKS]
    command = [_program("pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    command += ["--disable-shm=yes", *(word for module in modules for word in ("-L", module))]
    with (folder / "pulse.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        give_up = time.monotonic() + 20
        while not server.exists():
            if process.poll() is not None or time.monotonic() > give_up:
                raise GatewayError(f"pulseaudio does not start: {(folder / 'pulse.log').read_text()[-300:]}")
            time.sleep(0.02)
        yield env
    finally:
        process.terminate()
        process.wait()


@contextmanager
def minimodem_pair(baud: float, folder: Path, latency_ms: int = LATENCY_MS) -> Iterator[tuple[Minimodem, Minimodem]]:
    """Two modems that hear each other, in full duplex; their sound server lives in `folder`."""
    with ExitStack() as stack:
        env = stack.enter_context(private_sound(folder))
        ends = []
        for mine, other in (SINKS, SINKS[::-1]):
            ends.append(Minimodem(baud, mine, f"{other}.monitor", env=env, latency_ms=latency_ms))
            stack.callback(ends[-1].close)
        yield ends[0], ends[1]


def main(arguments: list[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m firmware_bridge.sim.minimodem", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--baud", type=float, default=1200, help="bits per second, 600 or 1200 (default)")
    parser.add_argument("--pair", action="store_true", help="two modems on a sound server of their own")
    parser.add_argument("--tx-sink", help="PulseAudio sink to play to (pactl list short sinks)")
    parser.add_argument("--rx-source", help="PulseAudio source to listen to")
    parser.add_argument("--no-carrier", action="store_true", help="no tone in silence: a channel shared with others")
    parser.add_argument("--latency-ms", type=int, default=LATENCY_MS, help=f"PulseAudio's buffers ({LATENCY_MS})")
    options = parser.parse_args(arguments)
    if options.pair == bool(options.tx_sink or options.rx_source) or bool(options.tx_sink) != bool(options.rx_source):
        parser.error("give --pair, or --tx-sink and --rx-source")
    if not 50 <= options.baud <= 4800:
        parser.error("--baud: from 50 to 4800")
    if not 10 <= options.latency_ms <= 2000:
        parser.error("--latency-ms: from 10 to 2000")
    try:
        with ExitStack() as stack:
            if options.pair:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                modems = list(stack.enter_context(minimodem_pair(options.baud, folder, options.latency_ms)))
            else:
                one = Minimodem(
                    options.baud,
                    options.tx_sink,
                    options.rx_source,
                    env=os.environ,
                    has_carrier=not options.no_carrier,
                    latency_ms=options.latency_ms,
                )
                stack.callback(one.close)
                modems = [one]
            for modem in modems:
                print(modem.address, flush=True)
            while True:
                for modem in modems:
                    failure = modem.failure()
                    if failure is not None:
                        print(failure, file=sys.stderr)
                        return 1
                time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    except GatewayError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # the programs we started end with us, also those of a background job
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
