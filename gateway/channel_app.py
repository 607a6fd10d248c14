"""The channel process and its control client put together, as gateway.app does for stations.

Rule: no codec and no sound in here: the process starts at once and stays small.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from gateway.channel.spec_file import load_channel_process
from gateway.config import ChannelCurveSection, check_curve_key
from gateway.errors import ConfigError, GatewayError, LinkError
from gateway.keys import load_curve_public
from gateway.links.channel_process import ChannelProcess
from gateway.links.channel_statistics import LogBoard, TableBoard, board_for
from gateway.links.router import ask
from gateway.logs import close_log, configure_logging, is_journal
from gateway.service.systemd import Systemd
from gateway.station.secured import open_curve

TABLE_EVERY_S = 1.0


def run_channel(path: Path, *, is_log: bool = False) -> None:
    """Run the channel emulator of a configuration file until SIGINT or SIGTERM."""
    config = load_channel_process(path)
    board = LogBoard() if is_log else board_for(sys.stderr)
    is_table = isinstance(board, TableBoard)
    form: Literal["console", "json"] = "json" if is_journal(os.environ, sys.stderr) else "console"
    configure_logging("warning" if is_table else "info", form)  # lines would come between those of the table
    if is_table:
        config = replace(config, statistics_s=min(config.statistics_s, TABLE_EVERY_S))
    process = ChannelProcess(config, curve=open_curve(config.curve), board=board)
    if is_table:
        control = "" if process.control is None else f", control at {process.control}"
        sys.stderr.write(f"stations at {process.endpoint}{control}; ^C ends\n")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: process.stop())
    gc.collect()
    gc.freeze()  # looking through all modules for garbage would hold up packets every now and then
    systemd = Systemd()
    systemd.ready(f"stations at {process.endpoint}")
    try:
        process.run(systemd.alive)
    finally:
        systemd.stopping()
        systemd.close()
        close_log()


class ControlClient:
    """Asks a channel process at its control endpoint."""

    def __init__(self, endpoint: str, key: Path | None, server_key: str | None, timeout_s: float) -> None:
        """`key`, `server_key`: own secret key file and the process's public key or its file; both or neither."""
        if (key is None) != (server_key is None):
            raise GatewayError("--key and --server-key: each needs the other")
        self._endpoint, self._timeout_s, self._curve = endpoint, timeout_s, None
        if key is not None and server_key is not None:
            public = load_curve_public(Path(server_key)) if Path(server_key).is_file() else server_key
            try:
                section = ChannelCurveSection(secret_key=key, server_key=check_curve_key(public))
            except ValueError as error:
                raise ConfigError(f"--server-key: {error}") from error
            self._curve = open_curve(section)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises LinkError where none comes, GatewayError with what the process says against it."""
        answered = ask(self._endpoint, json.dumps(request).encode(), self._timeout_s, self._curve)
        try:
            reply = json.loads(answered)
            is_done = reply["ok"] is True
        except (ValueError, KeyError, TypeError) as error:
            raise LinkError(f"{self._endpoint}: what answers there is no channel process's control") from error
        if not is_done:
            raise GatewayError(f"{self._endpoint}: {reply.get('error')}")
        return dict(reply)
