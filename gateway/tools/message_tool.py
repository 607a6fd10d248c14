"""What `clarilink message` does to the spool of a station, whether the station is running or not.

Rule: only whole files are added, moved or deleted, each by one step of the disk; the running station notices.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import MessagesSection, NetSection, StationConfig, load_toml
from gateway.errors import ConfigError, GatewayError
from gateway.messages.disk import RealDisk
from gateway.messages.files import local_head
from gateway.messages.spool import Entry, Folder, SpoolFull, open_spool
from gateway.protocol.bulk_packets import MAX_CONTENT_BYTES, TYPE_TEXT, Addressee, MessageHead, voice_codec, voice_type
from gateway.protocol.packets import FRAME_BYTES, FRAME_S, control_character

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gateway.codec import Codec

_STATES = {
    Folder.OUTBOX: "to send",
    Folder.SENT: "sent",
    Folder.FAILED: "failed",
    Folder.PARTIAL: "arriving",
    Folder.INBOX: "received",
    Folder.DAMAGED: "damaged",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a message goes to."""

    addressee: Addressee
    number: int


class MessageTool:
    """The spool of one station file."""

    def __init__(self, config_path: Path) -> None:
        """Raises ConfigError for a station file that cannot be read or has no [messages]."""
        self.config = load_toml(config_path, StationConfig)
        if self.config.messages is None:
            raise ConfigError(f"{config_path}: messages: missing; this section with its key spool is needed")
        self.section: MessagesSection = self.config.messages
        self.net: NetSection = self.config.net
        self.spool = open_spool(self.section, RealDisk())

    def target(self, to: str | None, group: int | None) -> Target:
        """From the command line: a station by name or number, or a group; else what the file says."""
        if to is not None and group is not None:
            raise GatewayError("--to and --group: only one of them")
        if group is not None:
            return Target(Addressee.GROUP, group)
        if to is None:
            number = self.section.to
            if number is None:
                return Target(Addressee.GROUP, self.config.station.group)
            return Target(Addressee.STATION, number)
        numbers = [number for number, name in self.net.names.items() if name == to]
        if not numbers and to.isdecimal() and int(to) <= 0xFFFF:
            numbers = [int(to)]
        if not numbers:
            known = ", ".join(self.net.names.values()) or "none"
            raise GatewayError(f"--to {to}: no such station; needs a number to 65535 or a name of [net.names]: {known}")
        return Target(Addressee.STATION, numbers[0])

    def send_text(self, text: str, target: Target) -> str:
        """Put a text into the outbox; returns a line about it."""
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise GatewayError(f"text cannot be sent as UTF-8: {error}") from error
        if not content:
            raise GatewayError("an empty text cannot be sent")
        if (place := control_character(text)) is not None:
            raise GatewayError(f"text holds control character {text[place]!r} at {place}")
        return self._queue(TYPE_TEXT, content, target, f"{len(content)} bytes of text")

    def send_voice(self, frames: bytes, codec: Codec, target: Target) -> str:
        """Put codec frames into the outbox; returns a line about it."""
        if not frames:
            raise GatewayError("an empty recording cannot be sent")
        seconds = f"{len(frames) / FRAME_BYTES * FRAME_S:.1f} s of speech, {len(frames)} bytes"
        kind = voice_type(codec.spec.codec_id, codec.spec.codec_version)
        return self._queue(kind, frames, target, seconds)

    def _queue(self, kind: int, content: bytes, target: Target, what: str) -> str:
        if len(content) > MAX_CONTENT_BYTES:
            raise GatewayError(f"a message of {len(content)} bytes: at most {MAX_CONTENT_BYTES}")
        number = random.SystemRandom().getrandbits(32)
        station = self.config.station.id
        head = local_head(number, station, target.addressee, target.number, kind, content)
        try:
            self.spool.queue(head, content)
        except SpoolFull as full:
            raise GatewayError(str(full)) from full
        return f"{number:08x} to {self._whom(head)}: {what}"

    def lines(self) -> list[str]:
        """The spool as a table, oldest first."""
        rows = [("ID", "STATE", "FROM", "TO", "WHAT", "DONE", "SINCE")]
        for entry in self.spool.entries():
            head = entry.message.head
            since = datetime.fromtimestamp(min(entry.message.stamps.wall_s, 2**37)).strftime("%Y-%m-%d %H:%M")
            rows.append(
                (
                    f"{head.message_id:08x}",
                    _STATES[entry.folder],
                    self.net.name_of(head.source),
                    self._whom(head),
                    _what(head),
                    self._done(entry),
                    since,
                )
            )
        damaged = len(self.spool.names(Folder.DAMAGED))
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return table + (
            [f"{damaged} damaged file(s) in {self.section.spool / Folder.DAMAGED.value}"] if damaged else []
        )

    def find(self, wanted: str, folders: tuple[Folder, ...] = tuple(Folder)) -> Entry:
        """The message whose id begins with `wanted`; `last` is the newest. Raises GatewayError for none or several."""
        entries = self.spool.entries(folders)
        found = entries[-1:] if wanted == "last" else [e for e in entries if _id(e).startswith(wanted.lower())]
        places = " or ".join(_STATES[folder] for folder in folders)
        if not found:
            raise GatewayError(f"no message {wanted} ({places}) in {self.section.spool}")
        if len({_id(entry) for entry in found}) > 1:
            raise GatewayError(f"message {wanted}: {len(found)} of them begin so; give more of the id")
        return found[-1]

    def delete(self, wanted: str) -> str:
        """Delete a message; returns a line about it."""
        entry = self.find(wanted)
        self.spool.delete(entry)
        return f"{_id(entry)} deleted"

    def retry(self, wanted: str) -> str:
        """Put a failed message back into the outbox; returns a line about it."""
        entry = self.find(wanted, (Folder.FAILED,))
        self.spool.move(entry, Folder.OUTBOX)
        return f"{_id(entry)} is in the outbox again"

    def text_of(self, entry: Entry) -> str | None:
        """A text message's words, None if it is none. Raises GatewayError if it is not all there."""
        if entry.message.head.message_type != TYPE_TEXT:
            return None
        content = entry.message.content
        if content is None:
            done = f"{entry.message.held} of {entry.message.total}"
            raise GatewayError(f"message {_id(entry)}: only {done} blocks are here")
        return content.decode("utf-8", "replace")

    def sound_of(self, entry: Entry, codec: Codec) -> NDArray[np.float32]:
        """A voice message decoded (samples,) at 16 kHz, missing frames concealed. Raises GatewayError."""
        from gateway.station.mailbox import frames_of_message, takes

        head = entry.message.head
        if not takes(codec)(head.message_type):
            raise GatewayError(f"message {_id(entry)}: {_what(head)} cannot be decoded here")
        frames = frames_of_message(entry.message)
        erased = {index for index, frame in enumerate(frames) if frame is None}
        if len(erased) == len(frames):
            raise GatewayError(f"message {_id(entry)}: nothing of it is here yet")
        return codec.decode(b"".join(frame or bytes(FRAME_BYTES) for frame in frames), erased)

    def _whom(self, head: MessageHead) -> str:
        if head.addressee is Addressee.STATION:
            return self.net.name_of(head.destination)
        return f"group {head.destination}" if head.destination else "everyone"

    def _done(self, entry: Entry) -> str:
        if entry.folder is Folder.PARTIAL:
            return f"{100 * entry.message.held // entry.message.total} %"
        if entry.folder is Folder.OUTBOX:
            held, total = self.spool.progress(entry.name) or (0, 1)
            return f"{100 * held // max(1, total)} %"
        return ""


def _id(entry: Entry) -> str:
    return f"{entry.message.head.message_id:08x}"


def _what(head: MessageHead) -> str:
    if head.message_type == TYPE_TEXT:
        return f"text, {head.content_bytes} bytes"
    made_by = voice_codec(head.message_type)
    seconds = f"{head.content_bytes // FRAME_BYTES * FRAME_S:.1f} s"
    return f"voice, {seconds}" if made_by is not None and made_by[0] == 1 else f"type {head.message_type}"


def play_sound(config: StationConfig, pcm: NDArray[np.float32], tell: Callable[[str], None]) -> None:
    """Play samples (samples,) on the station's speaker, to the end. Raises AudioError."""
    from gateway.audio.play import play_pcm

    play_pcm(config.audio, [pcm], tell)
