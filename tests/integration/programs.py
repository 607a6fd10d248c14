"""What tests of whole programs have in common: ports, links, and an over from one to another."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from gateway.tools.program import Program

SAID_S = 3.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Start = Callable[..., Program]


def peers(own: int, other: int) -> str:
    return f'kind = "zeromq-peers"\nbind = "tcp://127.0.0.1:{own}"\nconnect = ["tcp://127.0.0.1:{other}"]'


def talk(program: Program, other: Program) -> None:
    """One over of SAID_S seconds that the other hears from beginning to end."""
    ended = len(other.telling("over ended"))
    program.type("p")
    program.wait_for("talking")
    time.sleep(SAID_S)  # speech takes its time: this is no waiting for something to happen
    program.type("p")
    program.wait_for("over sent")
    other.wait_for("over ended", ended + 1)
