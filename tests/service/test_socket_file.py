"""The socket's file: its rights, its dead predecessors, and what must not be touched."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.errors import ConfigError, LinkError
from gateway.service.socket_file import MAX_PATH_BYTES, SocketFile, check_reachable, listen


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "control.sock"


@contextmanager
def listening(path: Path, *, group: bool = False) -> Iterator[SocketFile]:
    made = listen(path, group=group)
    try:
        yield made
    finally:
        os.close(made.descriptor)
        made.remove()


@pytest.mark.parametrize(("group", "mode"), [(False, 0o600), (True, 0o660)])
def test_only_its_owner_and_where_wanted_his_group_may_use_it(path: Path, group: bool, mode: int) -> None:
    old = os.umask(0)
    try:
        with listening(path, group=group):
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert [entry.name for entry in path.parent.iterdir()] == [path.name]
            check_reachable(path)
    finally:
        os.umask(old)
    assert not path.exists()


def test_a_folder_that_is_missing_is_made_for_the_owner(path: Path) -> None:
    deep = path.parent / "run" / "c.sock"
    with listening(deep):
        assert stat.S_IMODE(deep.parent.stat().st_mode) & 0o007 == 0


def test_a_dead_ones_file_is_replaced(path: Path) -> None:
    dead = listen(path, group=False)
    os.close(dead.descriptor)  # as after kill -9
    assert path.is_socket()
    with pytest.raises(LinkError, match="has died; start it again"):
        check_reachable(path)
    with listening(path):
        check_reachable(path)
        dead.remove()  # not its own any more
        check_reachable(path)


def test_a_live_one_is_left_alone(path: Path) -> None:
    with listening(path):
        with pytest.raises(ConfigError, match=r"control\.socket: another program listens at .* already"):
            listen(path, group=False)
        check_reachable(path)


def test_one_whose_queue_is_full_is_live_too(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket(socket.AF_UNIX)
                one.setblocking(False)
                waiting.append(one)
                one.connect_ex(str(path))
            with pytest.raises(ConfigError, match="listens at"):
                listen(path, group=False)
        finally:
            for one in waiting:
                one.close()


def test_what_is_no_socket_is_never_removed(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ConfigError, match="is no socket"):
        listen(path, group=False)
    assert path.read_text() == "precious"
    target = path.parent / "target"
    target.write_text("precious")
    link = path.parent / "link"
    link.symlink_to(target)
    with pytest.raises(ConfigError, match="is no socket"):
        listen(link, group=False)
    assert target.read_text() == "precious"


def test_paths_that_cannot_be(path: Path) -> None:
    with pytest.raises(ConfigError, match=f"at most {MAX_PATH_BYTES}"):
        listen(Path("/tmp") / ("x" * MAX_PATH_BYTES), group=False)
    file = path.parent / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match=r"control\.socket: "):
        listen(file / "c.sock", group=False)
    with pytest.raises(LinkError, match="it is not running"):
        check_reachable(path)


def test_somebody_elses_says_what_is_needed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with listening(path):
        monkeypatch.setattr(socket.socket, "connect", denied)
        with pytest.raises(LinkError, match=r"needed: the user of the station, or its group"):
            check_reachable(path)
