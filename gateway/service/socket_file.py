"""The file of a control socket: put in place with its permissions from the first moment on, a dead one replaced.

Rule: a socket that somebody listens at is never taken away, and nothing that is no socket is ever removed.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError, LinkError

OWNER_MODE, GROUP_MODE = 0o600, 0o660
OWNER_FOLDER_MODE, GROUP_FOLDER_MODE = 0o700, 0o750
MAX_PATH_BYTES = 107
"""unix(7): sun_path, less its closing zero."""
BACKLOG = 32


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A listening socket: `descriptor` belongs to whoever closes it."""

    path: Path
    descriptor: int
    inode: int

    def remove(self) -> None:
        """Take the file away, if it is still ours."""
        with suppress(OSError):
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()


def listen(path: Path, *, group: bool) -> SocketFile:
    """A new socket at `path`, for its owner, with `group` also its group. Raises ConfigError naming control.socket."""
    aside = path.with_name(f".{os.getpid()}")
    length = max(len(os.fsencode(path)), len(os.fsencode(aside)))
    if length > MAX_PATH_BYTES:
        raise ConfigError(f"control.socket: {path}: {length} bytes; a socket's path has at most {MAX_PATH_BYTES}")
    _check_free(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=GROUP_FOLDER_MODE if group else OWNER_FOLDER_MODE, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        made.bind(str(aside))
        aside.chmod(GROUP_MODE if group else OWNER_MODE)
        made.listen(BACKLOG)  # nobody knows the name yet: before `listen` a client would take it for a dead one
        made.setblocking(False)
        inode = aside.stat().st_ino
        aside.replace(path)
    except OSError as error:
        made.close()
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise ConfigError(f"control.socket: cannot listen at {path}: {error.strerror or error}") from error
    return SocketFile(path, made.detach(), inode)


def _check_free(path: Path) -> None:
    """Raise ConfigError if there is something at `path` that must not be replaced."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"control.socket: {path}: {error.strerror or error}") from error
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"control.socket: {path} is there and is no socket; needed: another path")
    if _answers(path):
        raise ConfigError(
            f"control.socket: another program listens at {path} already: is this station running? "
            "Stop that one, or choose another path"
        )


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a queue that is full is an answer, too
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def check_reachable(path: Path) -> None:
    """Raise LinkError, in words for who asks, unless somebody listens at `path`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(str(path))
    except FileNotFoundError:
        raise LinkError(f"no station at {path}: it is not running, or has another [control] socket") from None
    except ConnectionRefusedError:
        raise LinkError(f"no station at {path}: the one that was there has died; start it again") from None
    except PermissionError:
        raise LinkError(
            f"{path}: this user may not; needed: the user of the station, or its group where [control] group = true"
        ) from None
    except BlockingIOError:
        return
    except OSError as error:
        raise LinkError(f"no station at {path}: {error.strerror or error}") from error
