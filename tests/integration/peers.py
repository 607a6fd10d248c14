"""Real programs that tests talk to: found or the test is skipped, started, and ended with the test.

Rule: on a build server (CI set in the environment) a missing program is a failure, for there the packages are installed
(deploy/system-packages.sh).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.driver import ModemStatus, PacketHeard
from firmware_bridge.runner import ModemRunner


def require_program(name: str, package: str) -> None:
    """Skip, or on a build server fail, without the program."""
    if shutil.which(name) is None:
        missing = f"{name} is not installed (apt install {package})"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


def free_port() -> int:
    """A TCP port that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, its output in `log`; ended at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def await_sound(sender: ModemRunner, listener: ModemRunner) -> None:
    """Both are ready, and what one sends the other hears: sound takes a moment to begin."""
    await_ready(sender, listener)
    send_until_heard(sender, listener, b"is there sound?", tries=20, patience_s=2.0)
    while next_heard(listener, 2.0) is not None:
        pass  # a try that came late


def await_ready(*runners: ModemRunner, timeout_s: float = 30.0) -> None:
    for runner in runners:
        assert runner.wait_for(ModemStatus.READY, timeout_s), runner.status_text


def next_heard(runner: ModemRunner, timeout_s: float) -> bytes | None:
    """The next packet that the modem hears; None: none in that time."""
    give_up = time.monotonic() + timeout_s
    while (left := give_up - time.monotonic()) > 0:
        event = runner.next_event(left)
        if isinstance(event, PacketHeard):
            return event.data
    return None


def send_until_heard(
    sender: ModemRunner, listener: ModemRunner, data: bytes, tries: int = 4, patience_s: float = 8.0
) -> int:
    """Send a packet until the other side hears it, whole; the number of tries it took. Whatever else is heard fails."""
    for attempt in range(1, tries + 1):
        assert sender.send(data) is not None
        heard = next_heard(listener, patience_s)
        if heard is not None:
            assert heard == data
            return attempt
    pytest.fail(f"not heard in {tries} tries; {sender.status_text}; {listener.status_text}")
