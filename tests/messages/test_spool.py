"""The spool through crashes at every step, full disks, torn files and two programs at once: on real files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.messages.disk import RealDisk
from gateway.messages.faults import Crash, FaultyDisk
from gateway.messages.files import file_bytes, local_head, name_of
from gateway.messages.spool import KEEP_SEEN, Entry, Folder, Spool, SpoolFull
from gateway.protocol.bulk_code import cut
from gateway.protocol.bulk_packets import Addressee, MessageHead, StatusState

CONTENT = random.Random(2).randbytes(225)


def spool_at(root: Path, disk: RealDisk | None = None, max_bytes: int = 1_000_000) -> Spool:
    return Spool(root, disk or RealDisk(), max_bytes=max_bytes, wall_s=lambda: 1.8e9)


def head_of(number: int = 7, content: bytes = CONTENT, size: int = 9) -> MessageHead:
    return MessageHead(number, 1, Addressee.STATION, 2, 17, len(content) + 4, size)


def receive(spool: Spool, head: MessageHead, content: bytes = CONTENT) -> None:
    """What a station does with a message that comes in, going on with what is there already."""
    stored = spool.begin(head)
    held = {} if stored is None else stored.blocks
    for place, data in cut(head, content).items():
        if place not in held:
            assert spool.append(head, place, data)
    spool.sync(head)
    spool.complete(head, content)


def contents(spool: Spool, folder: Folder) -> list[bytes | None]:
    return [entry.message.content for entry in spool.entries([folder])]


def steps_of(work: Callable[[FaultyDisk], None]) -> int:
    disk = FaultyDisk()
    work(disk)
    disk.close()
    return disk.steps


def test_receiving_survives_a_crash_at_every_step(tmp_path: Path) -> None:
    def work(root: Path, disk: FaultyDisk) -> None:
        spool = spool_at(root, disk)
        spool.claim()
        receive(spool, head_of())

    steps = steps_of(lambda disk: work(tmp_path / "whole", disk))
    assert steps > 30
    for crash_at in range(steps):
        root, disk = tmp_path / str(crash_at), FaultyDisk(crash_at)
        with pytest.raises(Crash):
            work(root, disk)
        disk.close()
        # What a reader sees now is the truth: nothing, or the whole message.
        assert contents(spool_at(root), Folder.INBOX) in ([], [CONTENT])
        again = RealDisk()
        spool = spool_at(root, again)
        spool.claim()
        if head_of().key in spool.seen():
            assert contents(spool, Folder.INBOX) == [CONTENT], crash_at
        else:
            receive(spool, head_of())
        assert contents(spool, Folder.INBOX) == [CONTENT], crash_at
        assert spool.names(Folder.PARTIAL) == []
        assert spool.seen() == {head_of().key: StatusState.COMPLETE}
        assert spool.names(Folder.DAMAGED) == []
        assert not list(root.glob("*.part"))
        again.close()


def test_a_crash_while_receiving_loses_one_block_at_most(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = spool_at(tmp_path, disk)
    head, data = head_of(), list(cut(head_of(), CONTENT).items())
    spool.begin(head)
    for place, block in data[:10]:
        spool.append(head, place, block)
    disk.crash_at = disk.steps
    with pytest.raises(Crash):
        spool.append(head, *data[10])
    spool = spool_at(tmp_path)
    assert spool.claim() == ["spool: 0001-00000007.msg was torn; 10 of 26 blocks of it are good"]
    stored = spool.begin(head)
    assert stored is not None
    assert dict(stored.blocks) == dict(data[:10])
    spool.append(head, *data[10])
    again = spool.read(Folder.PARTIAL, name_of(head))
    assert again is not None
    assert (again.message.held, again.message.damaged_records) == (11, 0)


def test_putting_in_order_survives_a_crash_at_every_step(tmp_path: Path) -> None:
    for crash_at in range(20):
        root, first = tmp_path / str(crash_at), RealDisk()
        spool = spool_at(root, first)
        receive(spool, head_of(1))
        (root / "seen").unlink()  # as if the crash came before it
        spool.begin(head_of(1))
        spool.begin(head_of(2))
        for name in ("partial/0001-00000001.msg", "partial/0001-00000002.msg"):
            with (root / name).open("ab") as file:
                file.write(b"torn")
        (root / "inbox-x.part").write_bytes(b"half a")
        (root / "partial" / "0001-00000003.msg").write_bytes(b"no message")
        disk = FaultyDisk(crash_at)
        try:
            spool_at(root, disk).claim()
            assert crash_at > 5
        except Crash:
            disk.close()
            spool_at(root).claim()
        done = spool_at(root)
        assert done.seen() == {(1, 1): StatusState.COMPLETE}
        assert done.names(Folder.PARTIAL) == ["0001-00000002.msg"]
        assert done.names(Folder.DAMAGED) == ["0001-00000003.msg"]
        assert (root / "partial" / "0001-00000002.msg").stat().st_size == 42
        assert not list(root.glob("*.part"))


def test_sending_survives_a_crash_at_every_step(tmp_path: Path) -> None:
    def work(root: Path, disk: FaultyDisk) -> None:
        spool = spool_at(root, disk)
        spool.queue(local_head(7, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
        (entry,) = spool.entries([Folder.OUTBOX])
        spool.note_progress(entry.message.head, 1, 2)
        spool.move(entry, Folder.SENT)

    steps = steps_of(lambda disk: work(tmp_path / "whole", disk))
    for crash_at in range(steps):
        root, disk = tmp_path / str(crash_at), FaultyDisk(crash_at)
        with pytest.raises(Crash):
            work(root, disk)
        again = RealDisk()
        spool = spool_at(root, again)
        assert spool.claim() == []
        here = {folder: contents(spool, folder) for folder in (Folder.OUTBOX, Folder.SENT)}
        assert sorted(map(len, here.values())) in ([0, 0], [0, 1]), crash_at
        assert [content for folder in here.values() for content in folder] in ([], [CONTENT])
        again.close()


def test_a_full_disk_refuses_messages_and_leaves_good_files(tmp_path: Path) -> None:
    data = list(cut(head_of(), CONTENT).items())
    needed = 2 * (42 + len(data) * 15) + 11
    for room in range(0, needed, 31):
        root, disk = tmp_path / str(room), FaultyDisk()
        spool = spool_at(root, disk)
        disk.room = room
        with pytest.raises(SpoolFull, match="No space left on device"):
            receive(spool, head_of())
        assert spool.seen() == {}
        disk.room = None
        receive(spool, head_of())  # once there is room it goes on with what it has
        assert contents(spool, Folder.INBOX) == [CONTENT]
        assert spool.names(Folder.PARTIAL) == []
        disk.room = 100
        with pytest.raises(SpoolFull, match="No space left on device"):
            spool.queue(local_head(8, 1, Addressee.GROUP, 2, 17, CONTENT), CONTENT)
        assert contents(spool, Folder.OUTBOX) == []
        assert not list(root.glob("*.part"))


def test_the_spools_own_limit_lets_delivered_messages_go_first(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, max_bytes=2000)
    for number in (1, 2, 3):
        spool.queue(local_head(number, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
    for entry in spool.entries([Folder.OUTBOX]):
        spool.move(entry, Folder.SENT)
    for number in range(4, 8):
        spool.queue(local_head(number, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
        assert sum(f.stat().st_size for f in tmp_path.rglob("*.msg")) <= 2000
    waiting, size = 4, file_bytes(local_head(1, 1, Addressee.STATION, 2, 17, CONTENT))
    while (waiting + 1) * size <= 2000:
        waiting += 1
        spool.queue(local_head(10 + waiting, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
    with pytest.raises(SpoolFull, match="the spool holds its 2000 bytes; delete messages"):
        spool.queue(local_head(99, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
    assert spool.entries([Folder.SENT]) == []
    assert len(spool.entries([Folder.OUTBOX])) == waiting
    with pytest.raises(SpoolFull, match="the spool holds its 2000 bytes"):
        spool.begin(head_of(98))
    assert spool.names(Folder.PARTIAL) == []


def test_damaged_files_are_set_aside_with_a_line(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.begin(head_of(1))
    receive(spool, head_of(2))
    for folder, name in (("partial", "0001-00000001.msg"), ("inbox", "0001-00000002.msg")):
        path = tmp_path / folder / name
        path.write_bytes(b"?" + path.read_bytes()[1:])
    again = spool_at(tmp_path)
    assert again.claim() == [
        "spool: inbox/0001-00000002.msg is damaged beyond use; moved to damaged",
        "spool: partial/0001-00000001.msg is damaged beyond use; moved to damaged",
    ]
    assert again.names(Folder.DAMAGED) == ["0001-00000001.msg", "0001-00000002.msg"]


def test_seen_is_kept_torn_or_not_and_does_not_grow_for_ever(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    receive(spool, head_of(1))
    with (tmp_path / "seen").open("ab") as file:
        file.write(b"torn")
    receive(spool, head_of(2))
    assert list(spool.seen()) == [(1, 1), (1, 2)]
    data = bytearray((tmp_path / "seen").read_bytes())
    data[0] ^= 1
    (tmp_path / "seen").write_bytes(data)
    assert list(spool.seen()) == [(1, 2)]
    record = bytes(data[11:])
    (tmp_path / "seen").write_bytes(record * (2 * KEEP_SEEN + 1))
    assert list(spool.seen()) == [(1, 2)]


def test_deleting_an_arriving_message_is_remembered_and_noticed(tmp_path: Path) -> None:
    station, tool = spool_at(tmp_path), spool_at(tmp_path)
    head = head_of()
    place, block = next(iter(cut(head, CONTENT).items()))
    station.begin(head)
    assert station.append(head, place, block)
    (entry,) = tool.entries([Folder.PARTIAL])
    tool.delete(entry)
    assert not station.append(head, place, block)
    station.sync(head)
    assert station.names(Folder.PARTIAL) == []
    assert station.seen() == {head.key: StatusState.REFUSED_UNWANTED}


def test_moving_what_is_gone_does_nothing(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.queue(local_head(7, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
    (entry,) = spool.entries([Folder.OUTBOX])
    spool.delete(entry)
    spool.move(entry, Folder.SENT)
    assert spool.entries() == []
    assert isinstance(entry, Entry)


def test_ages_are_counted_in_running_time_not_by_the_wall_clock(tmp_path: Path) -> None:
    walls = iter([1.8e9, 0.0, 9e9, 1.0])
    spool = Spool(tmp_path, RealDisk(), max_bytes=10_000, wall_s=lambda: next(walls))
    spool.tick(50.0)
    receive(spool, head_of(1))
    spool.tick(50.0 + 3000.0)
    assert spool.expire(3600.0) == []
    # Another run: the running time goes on, whatever this clock's zero is.
    spool = Spool(tmp_path, RealDisk(), max_bytes=10_000, wall_s=lambda: next(walls))
    spool.tick(9e6)
    receive(spool, head_of(2))
    spool.tick(9e6 - 100)  # a clock that goes back is no reason to age
    spool.tick(9e6 - 100 + 700.0)
    assert spool.expire(3600.0) == ["inbox/0001-00000001.msg"]
    assert [e.message.head.message_id for e in spool.entries()] == [2]


def test_a_spool_that_another_station_has_is_one_clear_error(tmp_path: Path) -> None:
    first, second = RealDisk(), RealDisk()
    spool_at(tmp_path, first).claim()
    with pytest.raises(GatewayError, match="another station is using it"):
        spool_at(tmp_path, second).claim()
    first.close()
    spool_at(tmp_path, second).claim()
    second.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewayError, match="file: cannot be used"):
        spool_at(tmp_path / "file")


def test_messages_keep_the_order_in_which_they_came(tmp_path: Path) -> None:
    numbers = [9, 3, 7, 1, 8]
    for number in numbers[:3]:  # each call of the command line opens the spool anew
        spool_at(tmp_path).queue(local_head(number, 1, Addressee.STATION, 2, 17, CONTENT), CONTENT)
    spool = spool_at(tmp_path)
    for number in numbers[3:]:
        receive(spool, head_of(number))
    assert [entry.message.head.message_id for entry in spool.entries()] == numbers
