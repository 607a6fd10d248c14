"""`clarilink ctl`: a running station from the command line, by its control socket.

Rule: as for the other commands, arguments in, one call, a line out; errors are the caller's to word. Exit codes: 0
done, 1 refused or no station there (the reason is on standard error), 2 not understood.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from gateway.cli.group import CommandGroup
from gateway.errors import ConfigError

PATH = click.Path(path_type=Path)
RUN = Path("/run/clarilink")
"""Where stations that systemd started have their sockets: NAME/control.sock."""
break_in_option = click.option("--break-in", is_flag=True, help="Talk over others.")
on_off = click.Choice(["on", "off"])


def _set_json(ctx: click.Context, _: click.Parameter, is_set: bool) -> None:
    if is_set:
        ctx.ensure_object(_Session).is_json = True


class _Command(click.Command):
    """Takes --json behind its name as well."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        told = "What the station says as JSON, one object a line."
        self.params.append(click.Option(["--json"], is_flag=True, expose_value=False, callback=_set_json, help=told))


class _Commands(CommandGroup):
    command_class = _Command


@click.group(cls=_Commands)
@click.option("-c", "--config", type=PATH, help="Station file with a [control] section.")
@click.option("--socket", "socket", type=PATH, envvar="CLARILINK_SOCKET", help="Its socket instead (CLARILINK_SOCKET).")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)
@click.option("--json", "is_json", is_flag=True, help="What the station says as JSON, one object a line.")
@click.pass_context
def ctl(ctx: click.Context, config: Path | None, socket: Path | None, timeout_s: float, is_json: bool) -> None:
    """Ask a running station, talk and write with it. Without -c and --socket: the one that runs as a service here."""
    ctx.obj = _Session(ctx, config, socket, timeout_s, is_json=is_json)


class _Session:
    """Connects when a command first needs it, so that `--help` needs no station."""

    def __init__(
        self, ctx: click.Context, config: Path | None, socket: Path | None, timeout_s: float, *, is_json: bool
    ) -> None:
        self._ctx, self._config, self._socket, self._timeout_s = ctx, config, socket, timeout_s
        self.is_json = is_json
        self._operator: Any = None

    @property
    def operator(self) -> Any:
        from gateway.service.client import ControlClient
        from gateway.service.operator import Operator

        if self._operator is None:
            client = ControlClient(socket_path(self._config, self._socket), self._timeout_s)
            self._ctx.call_on_close(client.close)
            self._operator = Operator(client)
        return self._operator

    def do(self, told: str, op: str, **fields: Any) -> None:
        """One request; what the station says to it, else `told`."""
        said = self.operator.do(op, **fields)
        if self.is_json:
            click.echo(json.dumps({"ok": True, "said": said}))
        else:
            click.echo("\n".join(said) or told)

    def rows(self, rows: list[Any], draw: Callable[[Any], str], nothing: str) -> None:
        """A list, a line each."""
        for row in rows:
            click.echo(json.dumps(row) if self.is_json else draw(row))
        if not rows and not self.is_json:
            click.echo(nothing)


pass_session = click.make_pass_decorator(_Session)


def socket_path(config: Path | None, socket: Path | None) -> Path:
    """Where the station listens. Raises ConfigError."""
    if socket is not None and config is None:
        return socket
    if config is not None:
        from gateway.config import StationConfig, load_toml

        section = load_toml(config, StationConfig).control
        if section is None:
            raise ConfigError(f'{config}: has no [control] section; needed: [control] and socket = "PATH"')
        return section.socket
    found = sorted(RUN.glob("*/control.sock"))
    if len(found) == 1:
        return found[0]
    there = (
        "no station runs as a service here" if not found else f"{len(found)} stations run: {', '.join(map(str, found))}"
    )
    raise ConfigError(f"which station? {there}; needed: -c STATION.toml or --socket PATH")


@ctl.command()
@pass_session
def status(session: _Session) -> None:
    """What the station does, hears and sends, and what is amiss."""
    from gateway.service import words

    snap = session.operator.snapshot()
    if session.is_json:
        click.echo(json.dumps(snap))
    else:
        click.echo("\n".join(words.page(snap, snap["wall_s"])))


@ctl.command()
@click.option("--every", "every_s", type=click.FloatRange(0, 3600), default=0.5, show_default=True, help="Seconds.")
@pass_session
def watch(session: _Session, every_s: float) -> None:
    """Go on telling: a line that changes on a terminal, else a line for each change; ends with the station or ^C."""
    live = _Live(is_json=session.is_json)
    with suppress(KeyboardInterrupt), live:
        for event in session.operator.watch(every_s):
            live.show(event)
        live.show({"event": "end"})


class _Live:
    """Draws events: news scroll, the state stays below them."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json, self._is_terminal = is_json, sys.stdout.isatty()
        self._state = ""

    def __enter__(self) -> _Live:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal and self._state:
            click.echo()  # the shell begins on a line of its own

    def show(self, event: Mapping[str, Any]) -> None:
        """An event of the station."""
        from gateway.service import words

        if self._is_json:
            click.echo(json.dumps(event))
        elif event["event"] == "news":
            self._scroll(words.news(event["news"]))
        elif event["event"] == "snapshot":
            self._draw(words.state_line(event["snapshot"]), event["snapshot"]["audio"]["level_db"])
        elif event["event"] == "end":
            self._scroll("the station was stopped")
        sys.stdout.flush()

    def snapshot(self, snap: Mapping[str, Any]) -> None:
        """The state while a key is down: on a terminal, for elsewhere it is nobody's."""
        if self._is_terminal and not self._is_json:
            self.show({"event": "snapshot", "snapshot": snap})

    def _scroll(self, line: str) -> None:
        click.echo(f"\r\x1b[K{line}\n{self._state}" if self._is_terminal else line, nl=not self._is_terminal)

    def _draw(self, line: str, level_db: float) -> None:
        from gateway.service import words

        if not self._is_terminal:
            if line != self._state:
                click.echo(line)
            self._state = line
            return
        self._state = f"[{words.meter(level_db)}] {line}"[: shutil.get_terminal_size().columns - 1]
        click.echo(f"\r\x1b[K{self._state}", nl=False)


def _hold(session: _Session, seconds: float | None, *, break_in: bool) -> None:
    def ended(*_: object) -> None:
        raise KeyboardInterrupt  # a shell that closes, or whoever stops us: let go of the key first

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    live = _Live(is_json=session.is_json)
    with live:
        talked_s = session.operator.hold(seconds, live.snapshot, break_in=break_in)
        session.operator.until_sent()
    click.echo(
        json.dumps({"ok": True, "talked_s": round(talked_s, 2)}) if session.is_json else f"talked {talked_s:.1f} s"
    )


@ctl.command()
@click.option("--seconds", type=click.FloatRange(0.1, 3600), required=True, help="Of talk, from when the over begins.")
@break_in_option
@pass_session
def talk(session: _Session, seconds: float, break_in: bool) -> None:
    """Key down for some seconds; ^C ends it sooner. Says what the station's microphone hears."""
    _hold(session, seconds, break_in=break_in)


@ctl.command()
@break_in_option
@pass_session
def press(session: _Session, break_in: bool) -> None:
    """Key down until ^C. The key goes up by itself a second after this command dies."""
    _hold(session, None, break_in=break_in)


@ctl.command()
@click.option("--all", "everybody", is_flag=True, help="Other consoles' keys, too.")
@pass_session
def release(session: _Session, everybody: bool) -> None:
    """Let go of the keys that other `ctl` hold, or of all."""
    held = session.operator.release(everybody=everybody)
    session.rows(held, lambda who: f"let go: {who}", "no key is down")


@ctl.command()
@break_in_option
@pass_session
def toggle(session: _Session, break_in: bool) -> None:
    """A latching key: begins an over that lasts until it is pressed again or times out, or ends the one that runs."""
    session.do("done", "toggle", holder=session.operator.holder, break_in=break_in)


@ctl.command()
@click.argument("text")
@click.option("--to", "to", metavar="NAME", help="Station by name or number; else the own group.")
@pass_session
def text(session: _Session, text: str, to: str | None) -> None:
    """Send a text message."""
    session.do("asked to send", "text", text=text, to=None if to is None else session.operator.station(to))


@ctl.command()
@pass_session
def record(session: _Session) -> None:
    """Begin to record a voice message, or end it and send it."""
    session.do("done", "record")


@ctl.command()
@click.argument("message_id", metavar="[ID]", required=False)
@pass_session
def play(session: _Session, message_id: str | None) -> None:
    """Play a voice message at the station's speaker; without ID the last that came."""
    session.do("plays", "play", id=message_id)


@ctl.command()
@click.argument("message_id", metavar="ID")
@pass_session
def retry(session: _Session, message_id: str) -> None:
    """Send a message again that was given up."""
    session.do("done", "retry", id=message_id)


@ctl.command()
@click.argument("message_id", metavar="ID")
@pass_session
def delete(session: _Session, message_id: str) -> None:
    """Drop a message."""
    session.do("done", "delete", id=message_id)


@ctl.command()
@click.argument("index", metavar="[N]", type=click.IntRange(1, 100), default=1)
@pass_session
def replay(session: _Session, index: int) -> None:
    """Play an over that was heard again: 1 is the newest (`overs` lists them)."""
    session.do("plays", "replay", index=index)


@ctl.command()
@pass_session
def stop(session: _Session) -> None:
    """Be silent: messages, replays and test tones end."""
    session.do("silent", "stop")


@ctl.command()
@click.argument("state", type=on_off)
@pass_session
def parrot(session: _Session, state: str) -> None:
    """Overs come back to the speaker in place of going on the air."""
    session.do(f"parrot {state}", "parrot", is_on=state == "on")


@ctl.command(context_settings={"ignore_unknown_options": True})
@click.argument("volume_db", metavar="DB", type=click.FloatRange(-40, 20))
@pass_session
def volume(session: _Session, volume_db: float) -> None:
    """The speaker's level, -40 to 20 dB; 0 is as received."""
    session.do(f"volume {volume_db:+g} dB", "volume", volume_db=volume_db)


@ctl.command()
@click.argument("state", type=on_off)
@pass_session
def mute(session: _Session, state: str) -> None:
    """The speaker is silent, tones too."""
    session.do(f"mute {state}", "mute", is_on=state == "on")


@ctl.command()
@pass_session
def tone(session: _Session) -> None:
    """A second of tone to the speaker."""
    session.do("a second of tone", "tone")


@ctl.command()
@pass_session
def microphone(session: _Session) -> None:
    """Three seconds of the microphone, then played back, with its level told."""
    session.do("listens for 3 s, then plays it back", "microphone")


@ctl.command()
@pass_session
def messages(session: _Session) -> None:
    """Texts and voice messages, newest first."""
    from gateway.service import words

    session.rows(session.operator.snapshot()["messages"], words.message, "no messages")


@ctl.command()
@pass_session
def overs(session: _Session) -> None:
    """Overs heard and said, newest first."""
    from gateway.service import words

    session.rows(session.operator.snapshot()["overs"], words.over, "no overs yet")


@ctl.command()
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many lines.")
@pass_session
def news(session: _Session, count: int) -> None:
    """The last lines for the operator, newest last."""
    from gateway.service import words

    session.rows(session.operator.news(count), words.news, "nothing yet")


@ctl.command()
@click.argument("prefix", default="")
@pass_session
def counters(session: _Session, prefix: str) -> None:
    """All counters, or those whose names begin with PREFIX."""
    rows = [row for row in session.operator.snapshot()["counters"] if row[0].startswith(prefix)]
    if session.is_json:
        click.echo(json.dumps(dict(rows)))
    else:
        session.rows(rows, lambda row: f"{row[0]:<32} {row[1]:g}", "no such counters")
