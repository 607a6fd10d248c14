"""The one place that builds objects, starts and joins threads, and catches what nobody expected.

Rule: whatever happens here, the transmitter is unkeyed and files are closed before the process ends.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import structlog

from firmware_bridge.ptt.contact import Move
from firmware_bridge.ptt.inputs import InputThread, name_of
from firmware_bridge.ptt.keying import Keying
from gateway.audio.denoise import DELAY_MS, Denoiser, wanted
from gateway.audio.select import open_audio
from gateway.clock import Clock, SystemClock
from gateway.codec import Codec, SearchPace, SearchSettings
from gateway.codec.pace import FEWEST_STEPS
from gateway.codec.spec import FRAME_SAMPLES
from gateway.config import StationConfig, load_toml
from gateway.console.lines import serve_lines
from gateway.console.screen import run_screen, screen_wanted
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept
from gateway.control.requests import PressKey, ReleaseKey, ToggleKey
from gateway.errors import ConfigError, RestartWanted
from gateway.logs import LogFile, close_log, configure_logging, held_back
from gateway.memory import give_back
from gateway.metrics import Metrics
from gateway.ptt_config import VoxInput
from gateway.recording.facts import config_excerpt
from gateway.recording.recorder import Recorder, open_recorder
from gateway.service.control_socket import ControlSocket
from gateway.service.exporter import MetricsExporter
from gateway.service.restart import RestartWatch
from gateway.service.state import StateKeeper
from gateway.service.systemd import Systemd
from gateway.station.adaptation import always_added
from gateway.station.build import StationParts, build_station
from gateway.station.link import build_link, check_live, protection_of, wants_crc, with_profiles_key
from gateway.station.secured import open_security
from gateway.station.station import Station
from gateway.station.teller import Teller

JOIN_S = 5.0
KEYS_WAIT_S = 0.2
SWITCH = "switch"
MOVES: dict[Move, PressKey | ReleaseKey | ToggleKey] = {
    Move.PRESSED: PressKey(SWITCH),
    Move.RELEASED: ReleaseKey(SWITCH),
    Move.TOGGLED: ToggleKey(SWITCH),
}


def run_station(path: Path) -> None:
    """Run the station of a configuration file until the operator quits, a signal, or the end of standard input.

    Raises RestartWanted where a service had better be started anew.
    """
    config = with_profiles_key(path, load_toml(path, StationConfig))
    _start_logging(config)
    with ExitStack() as stack:
        stack.callback(close_log)
        _Program(path, config, stack).run()


class _Program:
    """One station with all that runs beside it; what it opens is closed by `stack`, the newest first."""

    def __init__(self, path: Path, config: StationConfig, stack: ExitStack) -> None:
        self._config, self._stack = config, stack
        self._log = structlog.get_logger("clarilink.station")
        self._has_screen = config.ptt.source == "keyboard" and screen_wanted(config.console.kind)
        self._clock, self._metrics = SystemClock(), Metrics()
        self._hub = ControlHub(self._clock)
        self._teller = Teller(self._log, self._hub)
        self._systemd = Systemd()
        stack.callback(self._systemd.close)
        self._stop = threading.Event()
        self._station = self._build(path)
        self._media = MediaThread(self._station, self._log, self._systemd.alive)

    def run(self) -> None:
        """From the first turn to the last."""
        if self._audio.keeper is not None:
            self._audio.keeper.is_busy = lambda: self._station.is_in_use
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop.set())
        self._media.start()
        self._systemd.ready("ready")
        self._stack.callback(self._systemd.follow(self._hub))
        ptt = self._config.ptt
        if ptt.input is not None and not isinstance(ptt.input, VoxInput):
            switch = InputThread(ptt.input, lambda move: self._hub.post(MOVES[move]), self._teller.warn)
            switch.start()
            self._stack.callback(switch.stop)
        try:
            if ptt.source == "keyboard":
                self._serve_operator()
            else:
                self._serve()
        finally:
            self._systemd.stopping("over; unkeys and stops")
            self._media.stop()
            self._log.info("station stopped", **self._metrics.snapshot())
        if self._media.failure is not None:
            raise self._media.failure

    def _serve_operator(self) -> None:
        """Until the operator at the keyboard quits."""
        if not self._has_screen:
            serve_lines(self._hub, self._stop, self._media.is_alive)
            return
        with held_back():
            run_screen(self._hub, self._stop, self._media.is_alive)

    def _serve(self) -> None:
        """Until a signal. Raises RestartWanted."""
        when, keeper = self._config.audio.when_driver_hangs, self._audio.keeper
        may_restart = when == "restart" or (when == "auto" and self._systemd.is_there)
        watch = RestartWatch()
        while not self._stop.wait(KEYS_WAIT_S) and self._media.is_alive():
            hangs = may_restart and keeper is not None and keeper.wants_restart
            if watch.is_due(self._clock.now(), hangs=hangs, in_use=self._station.is_in_use):
                raise RestartWanted("the sound driver hangs: ended while nobody talks, to be started anew")

    def _build(self, path: Path) -> Station:
        """Open everything, and say that the station is ready."""
        config, clock, metrics, teller, stack = self._config, self._clock, self._metrics, self._teller, self._stack
        keying = None if config.keying is None else Keying(config.keying, metrics, teller.warn, station_beats=True)
        if keying is not None:
            stack.callback(keying.close)
        link = build_link(config, clock, metrics, teller.say, keying, teller.warn)
        protection = protection_of(path, config)
        crc = wants_crc(config, link, protection)
        check_live(path, config, link, always_added(config, protection, crc=crc))
        codec, pace = _load_codec(config, clock)
        give_back()
        suppressor = Denoiser if wanted(config.audio.noise_suppression) else None
        if suppressor is not None:
            suppressor()  # the first loads a library, which would tear the sound when an over begins
        self._audio = open_audio(config.audio, clock, metrics, teller.on_device)
        stack.callback(self._audio.close)
        recorder = self._record()
        self._start_services()
        kept = self._keep_state()
        security = open_security(config, teller.warn)
        stack.callback(security.close)
        station = build_station(
            StationParts(
                config,
                codec,
                link,
                (self._audio.input, self._audio.output),
                clock,
                metrics,
                teller.say,
                crc,
                protection,
                security,
                suppressor,
                pace,
                keying,
                recorder,
                self._hub,
                kept,
            )
        )
        (self._log.info if security.sealer else self._log.warning)(security.told)
        self._log.info(
            "station ready",
            name=config.station.name,
            link=link.info.name,
            codec_delay_ms=codec.delay_ms(config.codec.lookahead),
            packet_ms=config.packets.packet_ms,
            protection=protection.name,
            protection_delay_ms=protection.delay_packets * config.packets.packet_ms,
            search=describe_search(config, codec, pace),
            noise_suppression=f"rnnoise, {DELAY_MS:.0f} ms" if suppressor else "off",
            ptt=_ptt_line(config),
        )
        return station

    def _record(self) -> Recorder | None:
        """What keeps overs, where they are to be kept."""
        config = self._config
        if config.record is None:
            return None
        recorder = self._teller.recorder = open_recorder(
            config.record,
            config.station.name,
            config.station.id,
            self._clock,
            self._teller.warn,
            excerpt=config_excerpt(config),
            name_of=config.net.name_of,
        )
        self._stack.callback(recorder.close)
        return recorder

    def _keep_state(self) -> Kept | None:
        """What was kept over the restart, where that is wanted; from now on kept again."""
        if self._config.state is None:
            return None
        keeper = StateKeeper(self._config.state, self._hub, self._teller.tell)
        kept = keeper.load()
        keeper.start()
        self._stack.callback(keeper.stop)
        return kept

    def _start_services(self) -> None:
        """What consoles and other programs reach the station by."""
        config, hub, teller, stack = self._config, self._hub, self._teller, self._stack
        if config.control is not None:
            control = ControlSocket(config.control, hub, teller.tell)
            control.start()
            stack.callback(control.stop)
        if config.metrics is not None:
            exporter = MetricsExporter(config.metrics, hub, self._metrics, teller.tell)
            exporter.start()
            stack.callback(exporter.stop)
        if config.web is not None:
            from gateway.web.server import WebConsole  # a web server is ten megabytes

            web = WebConsole(
                config.web,
                hub,
                station=config.station.name,
                recordings=None if config.record is None else config.record.folder,
                config=config.model_dump,
                say=teller.warn,
                metrics=self._metrics,
            )
            web.start()
            stack.callback(web.stop)
            self._log.info("web console", address=web.address)
            hub.tell(f"web console at {web.address}")


def _start_logging(config: StationConfig) -> None:
    section = config.log
    file = None if section.file is None else LogFile(section.file, section.max_bytes, section.keep)
    try:
        configure_logging(section.level, section.format, station=config.station.name, file=file)
    except OSError as error:
        raise ConfigError(f"log.file: {section.file}: {error.strerror or error}") from error


def _ptt_line(config: StationConfig) -> str:
    """What the operator talks with."""
    ptt, ways = config.ptt, []
    if ptt.source == "keyboard":
        ways.append("space talks and ends, t sends a text, q quits")
    if isinstance(ptt.input, VoxInput):
        ways.append(f"voice above {ptt.input.threshold_db:g} dB")
    elif ptt.input is not None:
        ways.append(f"{name_of(ptt.input)} ({ptt.input.mode})")
    return "; ".join(ways) or "none"


class MediaThread(threading.Thread):
    """Runs `Station.step`; the one catch-all of the program: it logs, unkeys, and hands the failure on."""

    def __init__(
        self, station: Station, log: structlog.stdlib.BoundLogger, alive: Callable[[], None] = lambda: None
    ) -> None:
        """`alive` is called every turn."""
        super().__init__(name="media", daemon=True)
        self._station, self._log, self._alive = station, log, alive
        self._stopping = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._station.step()
                self._alive()
        except BaseException as error:
            self.failure = error
            self._log.exception("media thread failed; the transmitter is unkeyed")
        finally:
            self._station.close()

    def stop(self) -> None:
        """Let the running step end, unkey, and join."""
        self._stopping.set()
        self.join(JOIN_S)


def _load_codec(config: StationConfig, clock: Clock) -> tuple[Codec, SearchPace | None]:
    """The codec, and what paces its search where that is "auto"."""
    import torch

    torch.set_num_threads(config.codec.threads)
    codec = Codec.load(config.codec.weights)
    if config.codec.search == "off":
        return codec, None
    # The first search loads and compiles for a second or more: not while somebody talks, nor does it count.
    settings, lookahead = _live_search(config, codec), config.codec.lookahead
    silence = np.zeros(3 * settings.segment_frames * FRAME_SAMPLES, np.float32)
    codec.encode(silence, lookahead, settings)
    if config.codec.search == "on":
        return codec, None
    pace = SearchPace(clock.now, settings.steps)
    codec.encoder_stream(lookahead, settings, pace).push(silence)
    return codec, pace


def _live_search(config: StationConfig, codec: Codec) -> SearchSettings:
    lookahead = codec.spec.default_lookahead if config.codec.lookahead is None else config.codec.lookahead
    return SearchSettings.live(config.packets.frames_per_packet, lookahead)


def describe_search(config: StationConfig, codec: Codec, pace: SearchPace | None) -> str:
    """The encoder's search, for the operator."""
    if pace is None:
        return "off" if config.codec.search == "off" else "on"
    settings = _live_search(config, codec)
    steps = pace.steps(settings.segment_frames, settings.window_frames)
    if steps == 0:
        needed = pace.real_time_factor(FEWEST_STEPS, settings.segment_frames, settings.window_frames)
        return f"off: {FEWEST_STEPS} steps would take {needed:.2f} of real time here"
    factor = pace.real_time_factor(steps, settings.segment_frames, settings.window_frames)
    return f"{steps} steps, {factor:.2f} of real time"
