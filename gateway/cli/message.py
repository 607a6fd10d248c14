"""`clarilink message`: the spool of a station from the command line.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli.group import CommandGroup

PATH = click.Path(path_type=Path)
config_option = click.option("-c", "--config", type=PATH, required=True, help="Station file with a [messages] section.")
id_argument = click.argument("message_id", metavar="ID")


def _tool(config: Path) -> Any:
    from gateway.tools.message_tool import MessageTool

    return MessageTool(config)


def _codec(tool: Any) -> Any:
    import torch

    from gateway.codec import Codec

    torch.set_num_threads(1)
    return Codec.load(tool.config.codec.weights)


@click.group(cls=CommandGroup)
def message() -> None:
    """Buffered voice and text messages: sent as slowly as the link allows, kept on disk until they are through."""


@message.command()
@config_option
@click.argument("source", metavar="[FILE.wav]", required=False)
@click.option("--text", help="Send this text instead of a sound file.")
@click.option("--to", help="Station, by name or number; else what [messages] says, else the own group.")
@click.option("--group", type=click.IntRange(0, 255), help="Talk group; 0 is everyone.")
def send(config: Path, source: str | None, text: str | None, to: str | None, group: int | None) -> None:
    """Put a message into the outbox; the station sends it when it runs and the link is free."""
    from gateway.errors import GatewayError

    tool = _tool(config)
    target = tool.target(to, group)
    if (source is None) == (text is None):
        raise GatewayError("needs either a sound file or --text")
    if text is not None:
        click.echo(tool.send_text(text, target))
        return
    from gateway.audio.files import read_audio
    from gateway.codec import SearchSettings

    assert source is not None
    pcm = read_audio(source, lambda line: click.echo(f"clarilink: note: {line}", err=True))
    codec = _codec(tool)
    # Nobody waits for it: time to search for the clearest bits.
    click.echo(tool.send_voice(codec.encode(pcm, tool.config.codec.lookahead, SearchSettings()), codec, target))


@message.command(name="list")
@config_option
def list_messages(config: Path) -> None:
    """All messages of the spool and how far they are."""
    for line in _tool(config).lines():
        click.echo(line)


@message.command()
@config_option
@id_argument
def play(config: Path, message_id: str) -> None:
    """Play a received voice message (`last`: the newest), or what is here of it; print a text."""
    tool = _tool(config)
    from gateway.messages.spool import Folder

    entry = tool.find(message_id, (Folder.INBOX, Folder.PARTIAL))
    words = tool.text_of(entry)
    if words is not None:
        click.echo(words)
        return
    from gateway.tools.message_tool import play_sound

    pcm = tool.sound_of(entry, _codec(tool))
    play_sound(tool.config, pcm, lambda line: click.echo(f"clarilink: note: {line}", err=True))


@message.command()
@config_option
@id_argument
@click.argument("target", metavar="OUT")
def export(config: Path, message_id: str, target: str) -> None:
    """Write a message to a file: voice as WAV (what is here of it), text as UTF-8."""
    from gateway.audio.files import write_wav
    from gateway.errors import GatewayError

    tool = _tool(config)
    entry = tool.find(message_id)
    words = tool.text_of(entry)
    if words is None:
        write_wav(target, [tool.sound_of(entry, _codec(tool))])
        return
    try:
        Path(target).write_text(words, encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"{target}: cannot be written: {error.strerror or error}") from error


@message.command()
@config_option
@id_argument
def delete(config: Path, message_id: str) -> None:
    """Delete a message, wherever it is; one that is still arriving is refused from then on."""
    click.echo(_tool(config).delete(message_id))


@message.command()
@config_option
@id_argument
def retry(config: Path, message_id: str) -> None:
    """Send a message again that was given up."""
    click.echo(_tool(config).retry(message_id))
