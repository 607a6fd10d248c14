"""`clarilink modem-test` at work: opens the port, waits for the modem, finds the other side, measures, reports.

Rule: this is the shell around `prober` and `answer`; each stage that fails ends in a diagnosis.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NoReturn

from firmware_bridge.driver import Lines, ModemStatus, PacketHeard, StatusChanged
from firmware_bridge.port import Port, open_port
from firmware_bridge.ports import holders
from firmware_bridge.probe.answer import Answerer
from firmware_bridge.probe.diagnosis import Diagnosis, Evidence, PeerEvidence, Stage, diagnose, is_garbage
from firmware_bridge.probe.figures import figures_of, measured_profile
from firmware_bridge.probe.prober import Prober
from firmware_bridge.probe.report import json_report, profile_text, text_report
from firmware_bridge.profile import ModemProfile, PortSection, load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.runner import ModemRunner
from gateway.clock import SystemClock, calendar_s
from gateway.errors import ConfigError, GatewayError
from gateway.metrics import Metrics

KEPT_BYTES = 8192
PORT_S = 4.0
"""A port that cannot be opened for so long is given up."""
BUSY_TIMES = 3
"""A modem that talks but is not ready gets so many times the patience."""
TRY_BAUDS = (9600, 115_200, 19_200, 57_600, 38_400, 4800, 2400, 1200)
TRY_BAUD_S = 3.0

Say = Callable[[str], None]


class NothingAnswers(GatewayError):
    """Nothing answered; the text is the diagnosis."""


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """`peer`: a second port on this machine that answers. `wait_s`: patience for modem and for the other side each."""

    port: str
    profile: str
    peer: str | None = None
    report: Path | None = None
    write_profile: Path | None = None
    wait_s: float = 45.0
    budget_s: float = 60.0


class TappedPort(Port):
    """A port whose bytes are looked at on the way; everything else is the port's own."""

    def __init__(self, port: Port, side: Side) -> None:
        self._port, self._side = port, side
        self.address = port.address

    def wait(self, timeout_s: float | None, *, to_write: bool = False) -> None:
        self._port.wait(timeout_s, to_write=to_write)

    def wake(self) -> None:
        self._port.wake()

    def close(self) -> None:
        self._port.close()

    def read(self) -> bytes:
        data = self._port.read()
        self._side.passed(data, b"")
        return data

    def write(self, data: bytes) -> int:
        taken = self._port.write(data)
        self._side.passed(b"", data[:taken])
        return taken

    def lines(self) -> Lines:
        self._side.lines = self._port.lines()
        return self._side.lines

    @property
    def has_lines(self) -> bool:
        return self._port.has_lines

    def set_line(self, line: str, is_on: bool) -> None:
        self._port.set_line(line, is_on)

    def unsent_bytes(self) -> int:
        return self._port.unsent_bytes()

    def _file(self) -> int:
        return self._port._file()

    def _close(self) -> None:
        self._port._close()


class Side:
    """One modem under test: its runner, and the bytes that crossed the port."""

    def __init__(self, address: str, profile: ModemProfile) -> None:
        """Raises ConfigError for a wrong profile or address."""
        self.address, self.profile = address, profile
        self.lines = Lines()
        self._clock = SystemClock()
        self._begun_s = 0.0
        self.received, self.written = bytearray(), bytearray()
        self.received_bytes = self.written_bytes = 0
        driver = build_driver(profile, Metrics(), Random())
        self.runner = ModemRunner(driver, address, open_with=self._open)

    def passed(self, received: bytes, written: bytes) -> None:
        """Bytes that crossed the port."""
        for kept, data in ((self.received, received), (self.written, written)):
            kept += data
            del kept[:-KEPT_BYTES]
        self.received_bytes += len(received)
        self.written_bytes += len(written)

    def start(self) -> None:
        """Begin; once."""
        self._begun_s = self._clock.now()
        self.runner.start()

    def wait_ready(self, patience_s: float, say: Say, *, for_ever: bool = False) -> Stage | None:
        """Wait; None: ready, otherwise where it stays stuck. A modem that is at it (STARTING: it dials) gets several
        times the patience, or all there is (`for_ever`), for the other side may have to call."""
        while True:
            status = self.runner.status  # before the events: a modem that is ready at the last moment is ready
            event = self.runner.next_event(0.0 if status is ModemStatus.READY else 0.1)
            if isinstance(event, StatusChanged):
                same = event.status.value == event.text
                say(f"{self.address}: {event.status.value}{'' if same else f': {event.text}'}")
            elif status is ModemStatus.READY:
                return None
            if self.runner.failure is not None:
                raise self.runner.failure
            spent_s = self._clock.now() - self._begun_s
            is_busy = status is ModemStatus.STARTING and self.received_bytes > 0
            may_s = patience_s * (BUSY_TIMES if is_busy else 1)
            if status is not ModemStatus.READY and spent_s >= may_s and not (for_ever and is_busy):
                break
            if status is ModemStatus.NO_PORT and spent_s > PORT_S:
                break
        return Stage.PORT if self.runner.status is ModemStatus.NO_PORT else Stage.MODEM

    def evidence(self, stage: Stage, prober: Prober | None = None, works_at_baud: int | None = None) -> Evidence:
        """What was seen up to now."""
        return Evidence(
            stage,
            self.address,
            self.profile,
            self.runner.status,
            self.runner.status_text,
            bytes(self.written),
            self.written_bytes,
            bytes(self.received),
            self.received_bytes,
            self.lines.cts,
            0 if prober is None else prober.heard.foreign,
            0 if prober is None else prober.heard.damaged,
            "" if prober is None else prober.heard.lost_text,
            works_at_baud,
            holders(self.address) or None if stage is Stage.PORT and "://" not in self.address else None,
        )

    def _open(self, address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> Port:
        return TappedPort(open_port(address, section, rts=rts, dtr=dtr), self)


class AnswerThread:
    """An `Answerer` behind a runner, until `stop`; `say` (if given) is told of each packet."""

    def __init__(self, side: Side, say: Say | None = None) -> None:
        self.answerer = Answerer(side.runner.info.mtu_bytes)
        self.side, self._say = side, say
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.run, name="modem-test answers", daemon=True)

    def start(self) -> None:
        """Answer in the background."""
        self._thread.start()

    def stop(self) -> None:
        """No more answers."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(2.0)

    def run(self) -> None:
        """Answer until `stop`, here."""
        runner, clock = self.side.runner, SystemClock()
        while not self._stopping.is_set():
            event = runner.next_event(0.02 if self.answerer.outbox else 0.25)
            if isinstance(event, PacketHeard):
                what = self.answerer.on_packet(event.data, clock.now())
                if self._say is not None:
                    self._say(f"heard {len(event.data)} bytes: {what}")
            elif isinstance(event, StatusChanged) and self._say is not None:
                self._say(f"{event.status.value}: {event.text}")
            while (packet := self.answerer.next_packet(clock.now())) is not None and runner.send(packet) is not None:
                self.answerer.done()
            if runner.failure is not None:
                raise runner.failure


def run_test(options: ProbeOptions, say: Say) -> None:
    """The whole test. Raises NothingAnswers with a diagnosis, ConfigError for what is wrong in options or profile."""
    profile = load_profile(options.profile)
    if options.write_profile is not None and not options.write_profile.parent.is_dir():
        raise ConfigError(f"{options.write_profile}: its folder is not there")
    side = Side(options.port, profile)
    other = None if options.peer is None else Side(options.peer, profile)
    answers: AnswerThread | None = None
    try:
        for one in (side, other):
            if one is not None:
                one.start()  # together, for one may have to call the other
        if other is not None:
            _make_ready(other, options, say)
            answers = AnswerThread(other)
            answers.start()
        _make_ready(side, options, say)
        prober = Prober(side.runner, SystemClock(), profile, budget_s=options.budget_s, say=say)
        say("asking the other side ...")
        if not prober.find_peer(options.wait_s):
            _fail(_peer_diagnosis(side, answers, prober))
        notes = prober.measure()
        figures = figures_of(notes, profile, side.runner.info, prober.voice_bytes)
    finally:
        if answers is not None:
            answers.stop()
        for one in (side, other):
            if one is not None:
                one.runner.stop()
    name = profile.name if options.write_profile is None else options.write_profile.stem
    measured = measured_profile(profile, figures, name)
    say("")
    say(text_report(profile, figures, notes, measured))
    if options.report is not None:
        found = json_report(profile, options.port, figures, notes, measured)
        _save(options.report, json.dumps(found, indent=2) + "\n")
    if options.write_profile is not None:
        when = datetime.fromtimestamp(calendar_s(), UTC).strftime("%Y-%m-%d")
        _save(options.write_profile, profile_text(profile, figures, name, when))
        say(f'written: {options.write_profile}; use it by profile = "{options.write_profile}" in [link]')


def run_answers(options: ProbeOptions, say: Say) -> None:
    """The other side of a test, until KeyboardInterrupt."""
    profile = load_profile(options.profile)
    side = Side(options.port, profile)
    side.start()
    try:
        _make_ready(side, options, say, for_ever=True)
        thread = AnswerThread(side, say)
        say("answering; Ctrl-C ends")
        try:
            thread.run()
        except KeyboardInterrupt:
            say(
                ", ".join(f"{count} {name}" for name, count in sorted(thread.answerer.counts.items()))
                or "heard nothing"
            )
    finally:
        side.runner.stop()


def _make_ready(side: Side, options: ProbeOptions, say: Say, *, for_ever: bool = False) -> None:
    stage = side.wait_ready(options.wait_s, say, for_ever=for_ever)
    if stage is None:
        return
    seen = side.evidence(stage)
    side.runner.stop()
    works = None
    says_nothing = not side.received or is_garbage(bytes(side.received))
    if stage is Stage.MODEM and says_nothing and "://" not in side.address:
        works = _other_baud(side, say)
    _fail(diagnose(seen if works is None else side.evidence(stage, works_at_baud=works)), side.address)


def _other_baud(side: Side, say: Say) -> int | None:
    """A rate at which the modem does answer."""
    say(f"{side.address}: no answer at {side.profile.port.baud} baud, trying others ...")
    for baud in TRY_BAUDS:
        if baud == side.profile.port.baud:
            continue
        port = side.profile.port.model_copy(update={"baud": baud})
        trial = Side(side.address, side.profile.model_copy(update={"port": port}))
        trial.start()
        stage = trial.wait_ready(TRY_BAUD_S, lambda _: None)
        answered = stage is None and trial.received_bytes > 0
        trial.runner.stop()
        if answered:
            return baud
    return None


def _peer_diagnosis(side: Side, answers: AnswerThread | None, prober: Prober) -> Diagnosis:
    heard = None if answers is None else (answers.side.address, answers.side.received_bytes, answers.answerer.counts)
    return diagnose(side.evidence(Stage.PEER, prober), None if heard is None else PeerEvidence(*heard))


def _fail(found: Diagnosis, address: str = "") -> NoReturn:
    begin = f"{address}: " if address and not found.what.startswith(address) else ""
    raise NothingAnswers(begin + found.text())


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
