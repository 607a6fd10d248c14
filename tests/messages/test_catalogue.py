"""The catalogue of a spool: true whoever changes the spool, and files are read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.messages.catalogue import Catalogue
from gateway.messages.disk import RealDisk
from gateway.messages.files import local_head
from gateway.messages.spool import Folder, Spool
from gateway.protocol.bulk_code import cut
from gateway.protocol.bulk_packets import TYPE_TEXT, Addressee, MessageHead, voice_type


class CountingDisk(RealDisk):
    """Counts how often a message file is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def read(self, path: Path) -> bytes:
        self.reads += path.suffix == ".msg"
        return super().read(path)


@pytest.fixture
def disk() -> CountingDisk:
    return CountingDisk()


@pytest.fixture
def spool(tmp_path: Path, disk: CountingDisk) -> Spool:
    return Spool(tmp_path, disk, max_bytes=10**6, wall_s=lambda: 1000.0)


def head(number: int, content: bytes, kind: int = TYPE_TEXT, source: int = 1) -> MessageHead:
    return local_head(number, source, Addressee.STATION, 2, kind, content)


def test_newest_first_and_found_by_the_begin_of_their_id(spool: Spool) -> None:
    spool.queue(head(0xABCD0001, b"first"), b"first")
    spool.queue(head(0xABCD0002, b"second"), b"second")
    catalogue = Catalogue(spool)
    assert [card.text for card in catalogue.cards()] == ["second", "first"]
    found = catalogue.find("ABCD0001")
    assert found is not None
    assert (found.message_id, found.folder, found.held, found.total) == ("abcd0001", Folder.OUTBOX, 1, 1)
    newest = catalogue.find("abcd")
    assert newest is not None
    assert newest.text == "second"
    assert catalogue.find("abcd", (Folder.INBOX,)) is None
    assert catalogue.find("00") is None


def test_nothing_is_read_again_until_something_changes(spool: Spool, disk: CountingDisk, tmp_path: Path) -> None:
    spool.queue(head(1, b"first"), b"first")
    catalogue = Catalogue(spool)
    cards = catalogue.cards()
    before = disk.reads
    assert catalogue.cards() is cards
    assert disk.reads == before
    # The command line, another process, moves it.
    other = Spool(tmp_path, RealDisk(), max_bytes=10**6, wall_s=lambda: 1000.0)
    (entry,) = other.entries()
    other.move(entry, Folder.SENT)
    assert [card.folder for card in catalogue.cards()] == [Folder.SENT]
    other.delete(other.entries()[0])
    assert catalogue.cards() == ()


def test_an_arriving_message_is_read_as_it_grows(spool: Spool, disk: CountingDisk) -> None:
    content = bytes(900)
    coming = head(7, content, voice_type(1, 1), source=2)
    catalogue = Catalogue(spool)
    spool.begin(coming)
    assert [(card.held, card.total) for card in catalogue.cards()] == [(0, 4)]
    blocks = list(cut(coming, content).items())
    for count, (place, data) in enumerate(blocks, 1):
        spool.append(coming, place, data)
        assert [card.held for card in catalogue.cards()] == [count]
    spool.complete(coming, content)
    (card,) = catalogue.cards()
    assert (card.folder, card.held, card.text) == (Folder.INBOX, 4, "")
    before = disk.reads
    catalogue.cards()
    assert disk.reads == before


def test_a_file_that_is_none_is_passed_over_and_read_once(spool: Spool, disk: CountingDisk, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "0001-00000001.msg").write_bytes(b"rubbish")
    catalogue = Catalogue(spool)
    assert catalogue.cards() == ()
    before = disk.reads
    assert catalogue.cards() == ()
    assert disk.reads == before
