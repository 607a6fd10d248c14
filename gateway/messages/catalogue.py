"""What is in a spool, kept at hand: cheap enough to be asked every second.

Rule: a message file is read when it appears and, while it is arriving, when it grows; never otherwise. Whole files
never change under their name.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.messages.files import Stamps
from gateway.messages.spool import Entry, Folder, Spool
from gateway.protocol.bulk_packets import TYPE_TEXT, MessageHead

LISTED = tuple(folder for folder in Folder if folder is not Folder.DAMAGED)
MAX_TEXT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Card:
    """A message of the spool: `held` of `total` blocks are there, `text` where it is one and whole."""

    folder: Folder
    name: str
    head: MessageHead
    stamps: Stamps
    held: int
    total: int
    text: str = ""

    @property
    def message_id(self) -> str:
        """In hex, as operators see it."""
        return f"{self.head.message_id:08x}"

    @classmethod
    def of(cls, entry: Entry) -> Card:
        """The card of a message."""
        message, text = entry.message, ""
        if message.head.message_type == TYPE_TEXT and (content := message.content) is not None:
            text = content.decode("utf-8", "replace")[:MAX_TEXT_CHARACTERS]
        return cls(entry.folder, entry.name, message.head, message.stamps, message.held, message.total, text)


class Catalogue:
    """Of one spool, whoever changes it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._known: dict[tuple[Folder, str, int], Card | None] = {}
        self._cards: tuple[Card, ...] = ()

    def cards(self) -> tuple[Card, ...]:
        """All readable messages, newest first; the same object as long as nothing changes."""
        known: dict[tuple[Folder, str, int], Card | None] = {}
        for folder in LISTED:
            for name in self._spool.names(folder):
                size = self._spool.size(folder, name) if folder is Folder.PARTIAL else 0
                key = (folder, name, size)
                if key in self._known:
                    known[key] = self._known[key]
                else:
                    entry = self._spool.read(folder, name)
                    known[key] = None if entry is None else Card.of(entry)
        if known.keys() != self._known.keys():
            self._known = known
            found = (card for card in known.values() if card is not None)
            self._cards = tuple(sorted(found, key=lambda card: (card.stamps.order, card.name), reverse=True))
        return self._cards

    def find(self, message_id: str, folders: tuple[Folder, ...] = LISTED) -> Card | None:
        """The newest whose id (hex) begins with `message_id`."""
        cards = (card for card in self.cards() if card.folder in folders)
        return next((card for card in cards if card.message_id.startswith(message_id.lower())), None)
