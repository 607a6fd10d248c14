"""The web console beside a station: a thread with a loop of its own that serves gateway.web.site.

Rule: it stands on the hub alone and is never waited for; when it stops, every key that a browser held goes up.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gateway.clock import Clock, SystemClock, calendar_s
from gateway.control.hub import ControlHub
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.operator_config import WebSection
from gateway.web.token import read_token

STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 5.0


def check_available() -> None:
    """Raises ConfigError where the library is not installed."""
    if importlib.util.find_spec("aiohttp") is None:
        raise ConfigError("[web]: aiohttp is not installed; install clarilink[web]")


class WebConsole:
    """The web console of one station: `start` it, say its `address`, `stop` it."""

    def __init__(
        self,
        section: WebSection,
        hub: ControlHub,
        *,
        station: str,
        recordings: Path | None,
        config: Callable[[], dict[str, Any]],
        say: Callable[[str], None],
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        wall: Callable[[], float] = calendar_s,
    ) -> None:
        """`recordings` is their folder (None: there are none); `config` gives the configuration to be shown, with
        secrets or not: they are taken out here (gateway.web.wire). `say` gets lines, from the console's thread."""
        check_available()
        self._section, self._hub = section, hub
        self._token = None if section.token_file is None else read_token(section.token_file)
        self._tls = _tls(section)
        self._settings: dict[str, Any] = {
            "station": station,
            "recordings": recordings,
            "config": config,
            "say": say,
            "metrics": metrics or Metrics(),
            "clock": clock or SystemClock(),
            "wall": wall,
        }
        self._thread = threading.Thread(target=self._run, name="web console", daemon=True)
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = Future()
        self._address = ""

    @property
    def address(self) -> str:
        """Where it is, for a browser: http://127.0.0.1:8300."""
        return self._address

    def start(self) -> None:
        """Listen from now on. Raises ConfigError naming web.bind if that cannot be, or not soon."""
        self._thread.start()
        try:
            _, _, self._address = self._ready.result(STARTS_WITHIN_S)
        except TimeoutError:
            raise ConfigError(
                f"web.bind: the console did not listen at {self._section.bind} within {STARTS_WITHIN_S:g} s; "
                "is this machine busy with something else?"
            ) from None

    def stop(self) -> None:
        """Close all sockets and join; again does nothing."""
        if self._thread.is_alive() and self._ready.done() and self._ready.exception() is None:
            loop, stopping, _ = self._ready.result()
            with contextlib.suppress(RuntimeError):  # it ended in this moment
                loop.call_soon_threadsafe(stopping.set)
        if self._thread.ident is not None:
            self._thread.join(STOPS_WITHIN_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
                return
            self._settings["say"](f"web console: stopped: {type(error).__name__}: {error}")
            raise

    async def _serve(self) -> None:
        from aiohttp import web

        from gateway.web.site import Site

        stopping = asyncio.Event()
        site = Site(self._section, self._hub, token=self._token, **self._settings)
        feeding = asyncio.create_task(site.feed.run())
        runner = web.AppRunner(site.app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=30.0)
        try:
            await runner.setup()
            host, _, port = self._section.bind.rpartition(":")
            try:
                listening = web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=self._tls)
                await listening.start()
            except (OSError, OverflowError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise ConfigError(f"web.bind: cannot listen at {self._section.bind}: {why}") from error
            bound = runner.addresses[0][1]
            scheme = "http" if self._tls is None else "https"
            self._ready.set_result((asyncio.get_running_loop(), stopping, f"{scheme}://{host}:{bound}"))
            stop = asyncio.create_task(stopping.wait())
            await asyncio.wait({stop, feeding}, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if feeding.done():
                feeding.result()
        finally:
            feeding.cancel()
            await site.close()
            await runner.cleanup()


def _tls(section: WebSection) -> ssl.SSLContext | None:
    if section.certificate is None or section.private_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for key, path in (("certificate", section.certificate), ("private_key", section.private_key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"web.{key}: {path}: cannot read: {error.strerror or error}") from error
    try:
        context.load_cert_chain(section.certificate, section.private_key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigError(
            f"web.certificate {section.certificate} and web.private_key {section.private_key}: not a certificate and "
            f"its key in PEM, without a password ({error})"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key asks for a password")
