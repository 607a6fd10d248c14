"""The spool: messages on disk, in folders that say how far they are.

Rule: at every moment the folders tell a true story. A file appears under its name only when it is whole and on the
disk; moving it between folders is one rename. So the station, the command line and a crash may come in any order.

    outbox/   to be sent            sent/    delivered
    failed/   given up or refused   partial/ coming in: blocks are appended as they arrive
    inbox/    arrived whole         damaged/ unreadable: kept for a look, not used
    seen      source and id of every message that arrived or is not wanted, so that it is not taken again
    age       seconds that stations have run on this spool: what ages are counted in, because wall clocks jump
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from zlib import crc32

from gateway.config import MessagesSection
from gateway.errors import GatewayError
from gateway.messages.disk import Disk
from gateway.messages.files import (
    Stamps,
    StoredMessage,
    file_bytes,
    head_bytes,
    name_of,
    read_file,
    record_bytes,
    whole_file,
)
from gateway.protocol.bulk_code import Place
from gateway.protocol.bulk_packets import MessageHead, StatusState

KEEP_SEEN = 4096
_SEEN_BYTES = 2 + 4 + 1 + 4
_AGE_STEP_S = 600.0

Key = tuple[int, int]
"""Source and message id."""


class SpoolFull(Exception):
    """There is no room: by the spool's own limit, or on the disk. The message says which."""


class Folder(Enum):
    """Where a message is; the value is the folder's name."""

    OUTBOX = "outbox"
    SENT = "sent"
    FAILED = "failed"
    PARTIAL = "partial"
    INBOX = "inbox"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Entry:
    """A message found in the spool."""

    folder: Folder
    name: str
    message: StoredMessage


class Spool:
    """One folder of messages. A station takes it for itself (`claim`); the command line only adds, moves, deletes."""

    def __init__(self, root: Path, disk: Disk, *, max_bytes: int, wall_s: Callable[[], float]) -> None:
        """`wall_s` gives the wall clock, for show. Raises GatewayError if the folder cannot be made."""
        self._root, self._disk, self._max_bytes, self._wall_s = root, disk, max_bytes, wall_s
        try:
            for folder in Folder:
                disk.make_folder(root / folder.value)
            self._age_s = self._read_age()
            self._used = sum(
                disk.size(root / folder.value / name) for folder in Folder for name in disk.names(root / folder.value)
            )
        except OSError as error:
            raise GatewayError(f"spool {root}: cannot be used: {error.strerror or error}") from error
        self._age_written_s = self._age_s
        self._ticked_s: float | None = None
        self._sizes: dict[str, int] = {}
        self._order = 0
        self.entries()  # to know the last number of the order

    def claim(self) -> list[str]:
        """Take the folder for this process and put it in order after a crash; returns lines for the operator.

        Raises GatewayError if another station has it.
        """
        try:
            self._disk.lock(self._root / "lock")
            return self._put_in_order()
        except BlockingIOError as error:
            raise GatewayError(f"spool {self._root}: another station is using it") from error
        except OSError as error:
            raise GatewayError(f"spool {self._root}: cannot be used: {error.strerror or error}") from error

    def _put_in_order(self) -> list[str]:
        told = []
        for name in self._disk.names(self._root):
            if name.endswith(".part"):
                self._disk.remove(self._root / name)
        known = self.seen()
        for name in self._disk.names(self._path(Folder.INBOX)):
            entry = self.read(Folder.INBOX, name)
            if entry is None:
                told.append(self.set_aside(Folder.INBOX, name))
            elif entry.message.head.key not in known:
                known[entry.message.head.key] = StatusState.COMPLETE  # the crash came between the two
                with contextlib.suppress(OSError):  # on a full disk at the next start
                    self._remember(entry.message.head.key, StatusState.COMPLETE)
        for name in self._disk.names(self._path(Folder.PARTIAL)):
            entry = self.read(Folder.PARTIAL, name)
            if entry is None:
                told.append(self.set_aside(Folder.PARTIAL, name))
            elif entry.message.head.key in known:
                self._remove(Folder.PARTIAL, name)
            else:
                stored = entry.message
                if self._disk.size(self._path(Folder.PARTIAL, name)) != stored.good_bytes:
                    self._disk.truncate(self._path(Folder.PARTIAL, name), stored.good_bytes)
                    told.append(f"spool: {name} was torn; {stored.held} of {stored.total} blocks of it are good")
        with contextlib.suppress(OSError):
            self._shorten_seen()
        return told

    # What both the station and the command line do.

    def names(self, folder: Folder) -> list[str]:
        """Message files of a folder."""
        return [name for name in self._disk.names(self._path(folder)) if name.endswith(".msg")]

    def size(self, folder: Folder, name: str) -> int:
        """Bytes of a message file, 0 if it is gone."""
        try:
            return self._disk.size(self._path(folder, name))
        except OSError:
            return 0

    def read(self, folder: Folder, name: str) -> Entry | None:
        """A message file; None if it is gone or its head unreadable."""
        try:
            stored = read_file(self._disk.read(self._path(folder, name)))
        except OSError:
            return None
        if stored is None:
            return None
        self._order = max(self._order, stored.stamps.order)
        return Entry(folder, name, stored)

    def entries(self, folders: Iterable[Folder] = Folder) -> list[Entry]:
        """All readable messages in the order in which they came."""
        found = (self.read(folder, name) for folder in folders for name in self.names(folder))
        return sorted((e for e in found if e is not None), key=lambda e: (e.message.stamps.order, e.name))

    def queue(self, head: MessageHead, content: bytes) -> None:
        """Put a new message into the outbox. Raises SpoolFull."""
        self._replace(Folder.OUTBOX, head, content, self._stamps())

    def move(self, entry: Entry, folder: Folder) -> None:
        """Into another folder, atomically; nothing if it is gone."""
        with contextlib.suppress(FileNotFoundError):
            self._disk.rename(self._path(entry.folder, entry.name), self._path(folder, entry.name))
        if entry.folder is Folder.OUTBOX:
            self._disk.remove(self._path(Folder.OUTBOX, entry.name + ".progress"))

    def delete(self, entry: Entry) -> None:
        """For good; one that was still arriving is remembered and not taken again, as those are that arrived."""
        if entry.folder in (Folder.INBOX, Folder.PARTIAL) and entry.message.head.key not in self.seen():
            arrived = entry.folder is Folder.INBOX
            self._remember(entry.message.head.key, StatusState.COMPLETE if arrived else StatusState.REFUSED_UNWANTED)
        self._remove(entry.folder, entry.name)

    # What a station does with a message that comes in.

    def begin(self, head: MessageHead) -> StoredMessage | None:
        """Start a partial message, or find what is held of it.

        Raises SpoolFull, also when the message would not fit to its end: it is not begun for nothing.
        """
        entry = self.read(Folder.PARTIAL, name_of(head))
        held = entry.message if entry is not None and entry.message.head == head else None
        # The blocks as they come, and at the end the message made of them beside these.
        needed = 2 * file_bytes(head) - (0 if held is None else held.good_bytes)
        self._make_room(needed)
        path = self._path(Folder.PARTIAL, name_of(head))
        try:
            if self._disk.free(self._root) < needed:
                raise SpoolFull(f"the disk has no room for its {needed} bytes")
            if held is not None and self._disk.size(path) != held.good_bytes:
                self._disk.truncate(path, held.good_bytes)
        except OSError as error:
            raise _full(error) from error
        if held is not None:
            self._sizes[path.name] = held.good_bytes
            return held
        data = head_bytes(head, self._stamps())
        self._put(Folder.PARTIAL, name_of(head), data)
        self._sizes[name_of(head)] = len(data)
        return None

    def append(self, head: MessageHead, place: Place, data: bytes) -> bool:
        """Keep a block; False if the message was deleted meanwhile. Raises SpoolFull."""
        name, record = name_of(head), record_bytes(head, place, data)
        self._make_room(len(record))
        path = self._path(Folder.PARTIAL, name)
        try:
            self._disk.append(path, record)
        except FileNotFoundError:
            return False
        except OSError as error:
            # Part of it may be there: without it the next record stands where it should.
            with contextlib.suppress(OSError):
                self._disk.truncate(path, self._sizes[name])
            raise _full(error) from error
        self._sizes[name] = self._sizes.get(name, 0) + len(record)
        self._used += len(record)
        return True

    def sync(self, head: MessageHead) -> None:
        """Return when the blocks kept so far would survive a power cut. Raises SpoolFull."""
        try:
            self._disk.sync(self._path(Folder.PARTIAL, name_of(head)))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _full(error) from error

    def clear(self, head: MessageHead) -> None:
        """Forget the blocks of a partial message."""
        self._remove(Folder.PARTIAL, name_of(head))
        self.begin(head)

    def complete(self, head: MessageHead, content: bytes) -> None:
        """Store an arrived message and remember it; its partial file goes last. Raises SpoolFull."""
        try:
            self._replace(Folder.INBOX, head, content, self._stamps())
            self._remember(head.key, StatusState.COMPLETE)
            self._remove(Folder.PARTIAL, name_of(head))
        except OSError as error:
            raise _full(error) from error

    def seen(self) -> dict[Key, StatusState]:
        """Source and id of all that arrived or was deleted, oldest first, and what to answer; skips bad records."""
        try:
            data = self._disk.read(self._root / "seen")
        except FileNotFoundError:
            return {}
        keys: dict[Key, StatusState] = {}
        for at in range(0, len(data) - _SEEN_BYTES + 1, _SEEN_BYTES):
            record = data[at : at + _SEEN_BYTES]
            if crc32(record[:7]).to_bytes(4, "big") == record[7:]:
                key = (int.from_bytes(record[:2], "big"), int.from_bytes(record[2:6], "big"))
                keys[key] = StatusState(record[6])
        return keys

    # Age and room.

    def tick(self, now_s: float) -> None:
        """Let the running time go on; `now_s` of a monotonic clock."""
        if self._ticked_s is not None:
            self._age_s += max(0.0, now_s - self._ticked_s)
        self._ticked_s = now_s
        if self._age_s - self._age_written_s >= _AGE_STEP_S:
            self._age_written_s = self._age_s
            with contextlib.suppress(OSError):  # on a full disk ages stand still, no more
                self._disk.write(self._root / "age.part", str(int(self._age_s)).encode())
                self._disk.rename(self._root / "age.part", self._root / "age")

    def expire(self, max_age_s: float) -> list[str]:
        """Delete what is older in running time; returns the names."""
        gone = []
        for entry in self.entries():
            if self._age_s - entry.message.stamps.spool_s > max_age_s:
                self.delete(entry)
                gone.append(f"{entry.folder.value}/{entry.name}")
        self._used = self._count()  # the command line adds and deletes, too
        return gone

    def note_progress(self, head: MessageHead, held: int, total: int) -> None:
        """Leave a word for `message list` on how far an outgoing message is."""
        with contextlib.suppress(OSError):
            self._disk.write(self._path(Folder.OUTBOX, name_of(head) + ".progress"), f"{held} {total}".encode())

    def progress(self, name: str) -> tuple[int, int] | None:
        """What `note_progress` left, if anything."""
        try:
            held, total = self._disk.read(self._path(Folder.OUTBOX, name + ".progress")).split()
            return int(held), int(total)
        except (OSError, ValueError):
            return None

    def _count(self) -> int:
        return sum(
            self._disk.size(self._path(folder, name))
            for folder in Folder
            for name in self._disk.names(self._path(folder))
        )

    def _make_room(self, size: int) -> None:
        """Let delivered messages go, oldest first, until `size` more bytes fit. Raises SpoolFull."""
        if self._used + size <= self._max_bytes:
            return
        for entry in self.entries([Folder.SENT]):
            self._remove(entry.folder, entry.name)
            if self._used + size <= self._max_bytes:
                return
        raise SpoolFull(f"the spool holds its {self._max_bytes} bytes; delete messages to make room")

    def _replace(self, folder: Folder, head: MessageHead, content: bytes, stamps: Stamps) -> None:
        self._put(folder, name_of(head), whole_file(head, stamps, content))

    def _put(self, folder: Folder, name: str, data: bytes) -> None:
        self._make_room(len(data))
        part = self._root / f"{folder.value}-{name}.part"
        try:
            self._disk.write(part, data)
            self._disk.rename(part, self._path(folder, name))
        except OSError as error:
            with contextlib.suppress(OSError):
                self._disk.remove(part)
            raise _full(error) from error
        self._used += len(data)

    def _remember(self, key: Key, state: StatusState) -> None:
        path = self._root / "seen"
        if "seen" not in self._disk.names(self._root):
            self._disk.write(path, b"")
        if torn := self._disk.size(path) % _SEEN_BYTES:
            self._disk.truncate(path, self._disk.size(path) - torn)
        self._disk.append(path, _seen_record(key, state))
        self._disk.sync(path)

    def _shorten_seen(self) -> None:
        seen = list(self.seen().items())
        if len(seen) > 2 * KEEP_SEEN:
            records = (_seen_record(key, state) for key, state in seen[-KEEP_SEEN:])
            self._disk.write(self._root / "seen.part", b"".join(records))
            self._disk.rename(self._root / "seen.part", self._root / "seen")

    def set_aside(self, folder: Folder, name: str) -> str:
        """Move an unreadable file out of the way; returns a line for the operator."""
        self._disk.rename(self._path(folder, name), self._path(Folder.DAMAGED, name))
        return f"spool: {folder.value}/{name} is damaged beyond use; moved to {Folder.DAMAGED.value}"

    def _remove(self, folder: Folder, name: str) -> None:
        path = self._path(folder, name)
        with contextlib.suppress(FileNotFoundError):
            self._used -= self._disk.size(path)
        self._disk.remove(path)

    def _path(self, folder: Folder, name: str = "") -> Path:
        return self._root / folder.value / name if name else self._root / folder.value

    def _stamps(self) -> Stamps:
        self._order += 1
        return Stamps(min(int(self._age_s), 0xFFFF_FFFF), self._order & 0xFFFF_FFFF, max(0, int(self._wall_s())))

    def _read_age(self) -> float:
        try:
            return float(int(self._disk.read(self._root / "age")))
        except (FileNotFoundError, ValueError):
            return 0.0


def open_spool(section: MessagesSection, disk: Disk) -> Spool:
    """The spool that [messages] names. Raises GatewayError if its folder cannot be made."""
    return Spool(section.spool, disk, max_bytes=section.max_bytes, wall_s=lambda: datetime.now().timestamp())


def _seen_record(key: Key, state: StatusState) -> bytes:
    fixed = key[0].to_bytes(2, "big") + key[1].to_bytes(4, "big") + bytes((state.value,))
    return fixed + crc32(fixed).to_bytes(4, "big")


def _full(error: OSError) -> SpoolFull:
    return SpoolFull(f"cannot write to the spool: {error.strerror or error}")
