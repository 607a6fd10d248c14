"""The one place that builds objects, starts and joins threads, and catches what nobody expected.

Rule: whatever happens here, the transmitter is unkeyed and files are closed before the process ends.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import structlog

from firmware_bridge.ptt.contact import Move
from firmware_bridge.ptt.inputs import InputThread, name_of
from firmware_bridge.ptt.keyed_link import KeyedLink
from firmware_bridge.ptt.keying import Keying
from gateway.adaptation import LinkCare, always_added, profile_of
from gateway.audio.base import DeviceEvent
from gateway.audio.denoise import DELAY_MS, Denoiser, wanted
from gateway.audio.select import open_audio
from gateway.channel.spec_file import load_channel
from gateway.clock import Clock, SystemClock, calendar_s
from gateway.codec import Codec, SearchPace, SearchSettings
from gateway.codec.pace import FEWEST_STEPS
from gateway.codec.spec import FRAME_SAMPLES
from gateway.config import BIT_WITH_SECURITY, BridgeLink, ModemLink, StationConfig, TraceSection, load_toml
from gateway.console.keyboard import Keyboard, PlayLast, Quit, RecordToggled, SendText, TextEdited, UnknownKey
from gateway.errors import ConfigError
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import ParrotLink
from gateway.links.recorded import LinkRecording, RecordedLink
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from gateway.logs import configure_logging
from gateway.mailbox import Mailbox
from gateway.metrics import Metrics
from gateway.protocol.cushion import AdaptiveCushion, CushionRules
from gateway.protocol.live import Fit, live_verdict
from gateway.protocol.live import Protection as LiveProtection
from gateway.protocol.protection import Protection
from gateway.protocol.protection_file import build_protection
from gateway.ptt_config import VoxInput
from gateway.receive import Receiver
from gateway.recording.recorder import Recorder, open_recorder
from gateway.secured import open_curve, open_security
from gateway.session.events import PttPressed, PttReleased, PttToggled
from gateway.station import Station
from gateway.traces.record import TraceHeader
from gateway.traces.recorder import TraceRecorder, trace_path
from gateway.traces.writer import WhenFull
from gateway.transmit import Transmitter

PARROT_QUIET_S = 1.0
JOIN_S = 5.0
KEYS_WAIT_S = 0.2
MOVES: dict[Move, PttPressed | PttReleased | PttToggled] = {
    Move.PRESSED: PttPressed(),
    Move.RELEASED: PttReleased(),
    Move.TOGGLED: PttToggled(),
}


def build_link(
    config: StationConfig,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None = None,
    keying: Keying | None = None,
) -> Link:
    """The configured link, wrapped in a channel and in a recorder if they are asked for, and keyed by `keying`; not yet
    open.

    `say` gets what a modem says, and the recorder if it has to end. Raises TraceError where it cannot begin.
    """
    recording = None if config.trace is None else build_recording(config, config.trace, clock, say)
    link = _build_channel(config, clock, metrics, say, keying, recording)
    # A modem on a serial port is keyed by its runner, which knows when its bytes have left.
    if config.keying is not None and keying is not None and config.link.kind != "modem":
        link = KeyedLink(link, keying, config.keying, clock)
    if recording is None:
        return link
    protection = build_protection(config.protection)
    recording.has_crc, recording.has_heads = wants_crc(config, link, protection), not protection.is_bit
    return RecordedLink(link, recording)


def build_recording(
    config: StationConfig, section: TraceSection, clock: Clock, say: Callable[[str], None] | None = None
) -> LinkRecording:
    """A trace of this station, begun. Raises TraceError."""
    name = config.station.name
    header = TraceHeader(
        name, clock.now(), calendar_s(), {"station_id": config.station.id, "link": config.link.kind, "program": "run"}
    )
    recorder = TraceRecorder(
        trace_path(section.record, name),
        header,
        max_bytes=section.max_bytes,
        when_full=WhenFull(section.when_full),
        say=say,
    )
    if say is not None:
        say(f"recording a trace: {recorder.path}")
    return LinkRecording(recorder, name, clock, name_of=config.net.name_of)


def _build_channel(
    config: StationConfig,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None,
    keying: Keying | None,
    recording: LinkRecording | None,
) -> Link:
    section = config.link
    measured = None if recording is None else recording.measured
    told = say if recording is None else _both(recording.status, say)
    link: Link
    if section.kind == "zeromq-peers":
        link = ZeromqPeersLink(section.bind, section.connect, metrics, clock, curve=open_curve(section.curve))
    elif section.kind == "zeromq-channel":
        name = section.station or config.station.name
        link = ZeromqChannelLink(section.endpoint, name, metrics, clock, curve=open_curve(section.curve))
    elif section.kind == "modem":
        link = build_modem_link(section, clock, metrics, told, keying, measured)
    elif section.kind == "bridge":
        link = build_bridge_link(section, config.station.name, clock, metrics, told, measured)
    else:
        link = ParrotLink(clock, PARROT_QUIET_S if section.mode == "parrot" else 0.0, metrics)
    if config.channel is None:
        return link
    source = config.channel.preset if config.channel.preset is not None else config.channel.file
    assert source is not None
    return EmulatedLink(link, load_channel(source), np.random.default_rng(config.channel.seed), clock)


def _both(first: Callable[[str], None], second: Callable[[str], None] | None) -> Callable[[str], None]:
    def tell(line: str) -> None:
        first(line)
        if second is not None:
            second(line)

    return tell


def build_modem_link(
    section: ModemLink,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None = None,
    keying: Keying | None = None,
    measured: Callable[[str, float], None] | None = None,
) -> Link:
    """The modem of a [link] section, keyed by `keying`. Raises ConfigError for a profile or settings that are wrong."""
    from firmware_bridge import link as modem
    from firmware_bridge.profile import load_profile

    return modem.ModemLink(
        modem.with_settings(load_profile(section.profile), section.settings),
        section.port,
        metrics=metrics,
        clock=clock,
        rng=random.Random(),
        raw_log=section.raw_log,
        on_status=say,
        make_keyer=None if keying is None else lambda: (keying, keying.line_among(section.port)),
        on_measured=measured,
    )


def build_bridge_link(
    section: BridgeLink,
    station: str,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None = None,
    measured: Callable[[str, float], None] | None = None,
) -> Link:
    """The modem behind a bridge process. Raises ConfigError for a profile that is wrong, SecurityError for keys."""
    from firmware_bridge import bridge_link
    from firmware_bridge.profile import load_profile

    return bridge_link.BridgeLink(
        section.endpoint,
        section.station or station,
        load_profile(section.profile),
        metrics=metrics,
        clock=clock,
        curve=open_curve(section.curve),
        on_status=say,
        on_measured=measured,
    )


def protection_of(path: Path, config: StationConfig) -> Protection:
    """What guards the voice. Raises ConfigError for a preset that is not there or cannot be with security."""
    protection = build_protection(config.protection)
    if protection.is_bit and config.security.mode != "none":
        raise ConfigError(f"{path}: protection.name: {BIT_WITH_SECURITY}")
    return protection


def wants_crc(config: StationConfig, link: Link, protection: Protection) -> bool:
    """Whether packets carry a CRC: as configured, or where neither the link nor security nor bit protection checks."""
    if protection.is_bit:
        return False
    checked = link.info.has_integrity or config.security.mode != "none"
    return config.packets.crc == "on" or (config.packets.crc == "auto" and not checked)


def check_live(path: Path, config: StationConfig, link: Link, always: LiveProtection) -> None:
    """Raise ConfigError where the link's known figures leave no room for live voice as configured.

    A link that learns its figures from the other side is looked at again when it has (`Station`). A station with a
    [messages] section starts all the same: what is said on it goes as a recorded message. `always` is what every
    voice packet has besides its frames.
    """
    verdict = live_verdict(profile_of(link.info), config.packets.frames_per_packet, always)
    if verdict.fit is not Fit.LIVE and config.messages is None:
        raise ConfigError(f"{path}: packets.frames_per_packet: {verdict.reason}")


def build_cushion(config: StationConfig) -> AdaptiveCushion | None:
    """What learns the wait before an over; None where it is pinned."""
    if config.jitter.adapt == "off":
        return None
    least_s = config.jitter.cushion_ms / 1000
    most_s = (config.jitter.cap_ms - config.packets.packet_ms) / 1000
    return AdaptiveCushion(CushionRules(least_s, max(least_s, most_s)))


def run_station(path: Path) -> None:
    """Run the station of a configuration file until the operator quits, a signal, or the end of standard input."""
    config = load_toml(path, StationConfig)
    configure_logging(config.log.level, config.log.format)
    log = structlog.get_logger("clarilink.station")
    clock, metrics = SystemClock(), Metrics()

    recorder: Recorder | None = None

    def say(line: str) -> None:
        log.info(line)
        if recorder is not None:
            recorder.note(line)

    def on_device(event: DeviceEvent) -> None:
        log.warning(
            "sound", direction=event.direction.value, device=event.device, state=event.state.value, why=event.text
        )

    keying = None if config.keying is None else Keying(config.keying, metrics, log.warning, station_beats=True)
    link = build_link(config, clock, metrics, say, keying)
    protection = protection_of(path, config)
    crc = wants_crc(config, link, protection)
    check_live(path, config, link, always_added(config, protection, crc=crc))
    codec, pace = _load_codec(config, clock)
    suppressor = Denoiser if wanted(config.audio.noise_suppression) else None
    with ExitStack() as stack:
        if keying is not None:
            stack.callback(keying.close)
        audio = open_audio(config.audio, clock, metrics, on_device)
        stack.callback(audio.close)
        if config.record is not None:
            recorder = open_recorder(config.record, config.station.name, config.station.id, clock, log.warning)
            stack.callback(recorder.close)
        security = open_security(config, log.warning)
        stack.callback(security.close)
        transmitter = Transmitter(
            codec,
            source=config.station.id,
            group=config.station.group,
            frames_per_packet=config.packets.frames_per_packet,
            crc=crc,
            rng=random.Random(),
            metrics=metrics,
            lookahead=config.codec.lookahead,
            suppressor=suppressor,
            sealer=security.sealer,
            protection=protection,
            search=config.codec.search != "off",
            pace=pace,
        )
        station = Station(
            config,
            transmitter,
            Receiver(
                codec,
                frames_per_packet=config.packets.frames_per_packet,
                crc=crc,
                cushion_s=config.jitter.cushion_ms / 1000,
                cap_s=config.jitter.cap_ms / 1000,
                metrics=metrics,
                cushion=build_cushion(config),
                opener=security.opener,
                protection=protection,
            ),
            link,
            (audio.input, audio.output),
            clock,
            metrics,
            say,
            LinkCare(config, protection, crc=crc, rng=random.Random(), metrics=metrics),
            Mailbox.of(config, codec, suppressor, link.info, transmitter.carriage, random.SystemRandom(), metrics, say),
            random.SystemRandom(),
            keying,
            recorder,
        )
        (log.info if security.sealer else log.warning)(security.told)
        log.info(
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
        media = MediaThread(station, log)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        media.start()
        if config.ptt.input is not None and not isinstance(config.ptt.input, VoxInput):
            switch = InputThread(config.ptt.input, lambda move: station.post(MOVES[move]), log.warning)
            switch.start()
            stack.callback(switch.stop)
        try:
            if config.ptt.source == "keyboard":
                _serve_keys(station, media, stop)
            else:
                while not stop.wait(KEYS_WAIT_S) and media.is_alive():
                    pass
        finally:
            media.stop()
        log.info("station stopped", **metrics.snapshot())
        if media.failure is not None:
            raise media.failure


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

    def __init__(self, station: Station, log: structlog.stdlib.BoundLogger) -> None:
        super().__init__(name="media", daemon=True)
        self._station, self._log = station, log
        self._stopping = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._station.step()
        except BaseException as error:
            self.failure = error
            self._log.exception("media thread failed; the transmitter is unkeyed")
        finally:
            self._station.close()

    def stop(self) -> None:
        """Let the running step end, unkey, and join."""
        self._stopping.set()
        self.join(JOIN_S)


def _serve_keys(station: Station, media: MediaThread, stop: threading.Event) -> None:
    with Keyboard() as keyboard:
        while not stop.is_set() and media.is_alive():
            for event in keyboard.poll(KEYS_WAIT_S):
                match event:
                    case Quit():
                        stop.set()
                    case PttToggled() | SendText() | RecordToggled() | PlayLast():
                        station.post(event)
                    case TextEdited(text):
                        _draw_line(text)
                    case UnknownKey():
                        _draw_hint()


def _draw_line(text: str | None) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" + ("" if text is None else f"message> {text}"))
        sys.stderr.flush()


def _draw_hint() -> None:
    sys.stderr.write(
        "keys: space talks and ends, b breaks in, t text message, m records a message, l plays the last, q quits\n"
    )


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
