"""Addresses, with real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.checkup.addresses import check_answers, check_bind, check_socket_path, listeners, runs, split
from gateway.checkup.findings import Finding, Findings, Level
from gateway.checkup.surroundings import Surroundings

HERE = Surroundings()


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def bind(address: str, around: Surroundings = HERE) -> list[Finding]:
    findings = Findings(Path("x.toml"))
    check_bind(findings, "link.bind", address, around)
    return findings.all


def answers(address: str, around: Surroundings = HERE) -> list[Finding]:
    findings = Findings(Path("x.toml"))
    check_answers(findings, "link.connect", address, around, "start it")
    return findings.all


def test_a_free_one() -> None:
    with listening() as port:
        pass
    assert [one.level for one in bind(f"tcp://127.0.0.1:{port}")] == [Level.OK]
    assert [one.level for one in bind(f"tcp://*:{port}")] == [Level.OK]
    assert [one.level for one in bind("[::1]:0")] in ([Level.OK], [Level.PROBLEM])  # some machines have no IPv6


def test_one_in_use_says_by_whom() -> None:
    with listening() as port:
        (found,) = bind(f"tcp://127.0.0.1:{port}")
        assert found.level is Level.PROBLEM
        assert f"process {os.getpid()}" in found.text
        assert [process for process, _ in listeners(port)] == [os.getpid()]
        assert bind(f"tcp://127.0.0.1:{port}", Surroundings(quick=True)) == []


def test_one_in_use_by_the_program_of_this_very_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.touch()
    code = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, "a.toml"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        port = int(program.stdout.readline())
        findings = Findings(file)
        check_bind(findings, "link.bind", f"tcp://127.0.0.1:{port}", HERE)
        assert not runs(program.pid, ["x", "b.toml"], file)
        program.communicate("\n")
    assert [(one.level, f"(process {program.pid})" in one.text) for one in findings.all] == [(Level.OK, True)]
    assert not runs(2**22 + 1, ["a.toml"], file)


def test_addresses_that_are_not_ours() -> None:
    (found,) = bind("tcp://192.0.2.1:5501")
    assert (found.level, "no such address" in found.text) == (Level.PROBLEM, True)
    (found,) = bind("tcp://no-such-host.invalid:5501")
    assert found.level is Level.PROBLEM


def test_somebody_answers_or_not() -> None:
    with listening() as port:
        assert [one.level for one in answers(f"tcp://127.0.0.1:{port}")] == [Level.OK]
    (found,) = answers(f"tcp://127.0.0.1:{port}")
    assert (found.level, found.todo) == (Level.WARNING, "start it")
    assert [one.level for one in answers("rfc2217://no-such-host.invalid:99")] == [Level.WARNING]
    assert answers(f"tcp://127.0.0.1:{port}", Surroundings(quick=True)) == []
    assert answers("inproc://x") == []


def test_socket_files(tmp_path: Path) -> None:
    def looked(path: Path) -> Level:
        findings = Findings(Path("x.toml"))
        check_socket_path(findings, "control.socket", path, HERE)
        return findings.all[0].level

    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        assert looked(tmp_path / "s") is Level.OK
        assert [one.level for one in answers(f"ipc://{tmp_path / 's'}")] == [Level.OK]
    assert [one.level for one in answers(f"ipc://{tmp_path / 's'}")] == [Level.WARNING]
    assert looked(tmp_path / "new") is Level.OK
    assert looked(tmp_path / "folder" / "new") is Level.OK
    assert looked(tmp_path / "file") is Level.PROBLEM
    assert looked(tmp_path / "file" / "new") is Level.PROBLEM
    assert looked(tmp_path / ("x" * 120)) is Level.PROBLEM
    assert [one.level for one in bind(f"ipc://{tmp_path / 'new'}")] == [Level.OK]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://127.0.0.1:5501", ("127.0.0.1", 5501)),
        ("[::1]:80", ("::1", 80)),
        ("tcp://*:9", ("*", 9)),
        ("rfc2217://host:7", ("host", 7)),
    ],
)
def test_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert split(address) == expected
