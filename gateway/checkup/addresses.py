"""Addresses: whether one can be listened at, who listens there instead, whether somebody answers at another.

Rule: listens for a moment and lets go; says nothing to whoever answers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from gateway.checkup.findings import Findings
from gateway.checkup.surroundings import Surroundings

ANSWER_S = 1.0
LONGEST_SOCKET_PATH = 107
"""sockaddr_un holds 108 bytes, the last of which is zero."""
LISTENING = "0A"
"""In /proc/net/tcp."""


def split(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, with or without tcp:// and brackets."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def check_bind(findings: Findings, key: str, address: str, around: Surroundings) -> None:
    """That this program could listen at `address` (HOST:PORT, tcp:// or ipc://)."""
    if address.startswith("ipc://"):
        check_socket_path(findings, key, Path(address.removeprefix("ipc://")), around)
        return
    if around.quick or address.startswith("inproc://"):
        return
    host, port = split(address)
    if host in {name for _, name in socket.if_nameindex()}:
        return  # ZeroMQ takes the name of a network interface for its address
    try:
        _try_bind("" if host == "*" else host, port)
    except socket.gaierror as error:
        findings.problem(key, f"{address}: no such host: {error.strerror}", "give an address of this machine")
    except OSError as error:
        _explain_bind(findings, key, address, port, error)
    else:
        findings.ok(key, f"{address} is free")


def check_answers(findings: Findings, key: str, address: str, around: Surroundings, todo: str) -> None:
    """Whether somebody listens at `address`: a warning with `todo` if not, for he may come later."""
    if around.quick or address.startswith("inproc://"):
        return
    try:
        if address.startswith("ipc://"):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(address.removeprefix("ipc://"))
        else:
            socket.create_connection(split(address), ANSWER_S).close()
    except socket.gaierror as error:
        findings.warn(key, f"{address}: no such host: {error.strerror}", "check the name and the network")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        findings.warn(key, f"nobody answers at {address} ({why})", todo)
    else:
        findings.ok(key, f"{address} answers")


def check_socket_path(findings: Findings, key: str, path: Path, around: Surroundings) -> None:
    """That a socket file can be made at `path`."""
    length = len(os.fsencode(path.absolute()))
    if length > LONGEST_SOCKET_PATH:
        text = f"{path} has {length} bytes, a socket's path at most {LONGEST_SOCKET_PATH}"
        findings.problem(key, text, "give a shorter one, in /run/clarilink for example")
    elif around.quick:
        return
    elif path.exists() and not path.is_socket():
        findings.problem(key, f"{path} is there and is no socket", "give another path")
    elif path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        findings.problem(key, f"{path.parent} cannot be written by this user", "give a folder that can")
    elif not path.parent.is_dir() and path.parent.exists():
        findings.problem(key, f"{path.parent} is not a folder", "give another path")
    else:
        findings.ok(key, f"{path}{'' if path.parent.is_dir() else ' (its folder will be made)'}")


def listeners(port: int, proc: Path = Path("/proc")) -> list[tuple[int, list[str]]]:
    """Process number and command line of everybody who listens at TCP `port`, as far as this user may see."""
    inodes = set(_inodes(port, proc))
    found = []
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)) if inodes else ():
        with contextlib.suppress(OSError):
            if any(_socket_of(entry) in inodes for entry in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                found.append((int(process.name), [word for word in words if word]))
    return found


def runs(process: int, words: list[str], file: Path, proc: Path = Path("/proc")) -> bool:
    """Whether a process is a program of ours that was given `file`."""
    try:
        folder = (proc / str(process) / "cwd").readlink()
        return any((folder / word).resolve() == file.resolve() for word in words if word.endswith(".toml"))
    except OSError:
        return False


def _try_bind(host: str, port: int) -> None:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _explain_bind(findings: Findings, key: str, address: str, port: int, error: OSError) -> None:
    if error.errno == errno.EADDRINUSE:
        holders = listeners(port)
        if any(runs(process, words, findings.file) for process, words in holders):
            findings.ok(key, f"{address} is in use by this file's own program (process {holders[0][0]})")
            return
        who = (
            ", ".join(f"process {process} ({' '.join(words)[:60]})" for process, words in holders) or "another program"
        )
        findings.problem(key, f"{address} is in use by {who}", "end it, or give another port here and at the peers")
    elif error.errno == errno.EADDRNOTAVAIL:
        findings.problem(key, f"{address}: this machine has no such address", "`ip address` lists those it has")
    elif error.errno == errno.EACCES:
        findings.problem(key, f"{address}: ports below 1024 are not for every user", "give a higher port")
    else:
        findings.problem(key, f"{address} cannot be listened at: {error.strerror or error}")


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]:
                cells = line.split()
                if cells[3] == LISTENING and int(cells[1].rpartition(":")[2], 16) == port:
                    yield cells[9]


def _socket_of(entry: Path) -> str:
    with contextlib.suppress(OSError):
        return str(entry.readlink()).removeprefix("socket:[").removesuffix("]")
    return ""
