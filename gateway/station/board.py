"""What a station knows of itself, gathered for its operators: the one maker of snapshots.

Rule: told by the station's media thread and asked by it; facts go in as they happen, `view` puts them together.
What a restart kept comes in as `Kept`, and goes out by way of the snapshot.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from gateway.audio.base import FloatArray
from gateway.clock import Clock, calendar_s
from gateway.config import StationConfig
from gateway.control.hub import HistoryPoint
from gateway.control.kept import Kept
from gateway.control.quality import reception_view
from gateway.control.snapshot import (
    AirtimeView,
    HeardView,
    MessageView,
    OverView,
    ReceptionView,
    StationView,
    TalkerView,
)
from gateway.protocol.report import LinkReport, Reception

LEVEL_S = 0.1
CLIP_SHOWN_S = 1.0
CLIPPED = 0.999
RECEPTIONS = 5
"""Overs that reception is told of."""
RECEPTION_S = 900.0
MAX_TEXTS = 100
MAX_OVERS = 50
MAX_HEARD = 64
HOUR_S = 3600.0
NO_SOUND_DB = -100.0


@dataclass(frozen=True, slots=True)
class _Counted:
    at_s: float
    reception: Reception
    frames: int
    concealed: int


class LevelMeter:
    """RMS and peak of the last 100 ms, and whether it clipped within the last second."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[float, int, float, float]] = deque()
        self._clipped_s = float("-inf")

    def hear(self, pcm: FloatArray, now_s: float) -> None:
        """Sound (samples,) that came until now."""
        if not len(pcm):
            return
        peak = max(float(pcm.max()), -float(pcm.min()))
        if peak >= CLIPPED:
            self._clipped_s = now_s
        self._blocks.append((now_s, len(pcm), float(pcm.dot(pcm)), peak))
        while self._blocks[0][0] < now_s - LEVEL_S:
            self._blocks.popleft()

    @property
    def level_db(self) -> float:
        """RMS, dB of full scale."""
        count = sum(block[1] for block in self._blocks)
        return decibels(sum(block[2] for block in self._blocks) / count) if count else NO_SOUND_DB

    @property
    def peak_db(self) -> float:
        """Highest sample, dB of full scale."""
        return decibels(max((block[3] for block in self._blocks), default=0.0) ** 2)

    def is_clipping(self, now_s: float) -> bool:
        """Whether it clipped within the last second."""
        return now_s - self._clipped_s < CLIP_SHOWN_S


def decibels(power: float) -> float:
    """dB of full scale; silence is -100."""
    return max(NO_SOUND_DB, 10 * math.log10(power + 1e-10))


class StationBoard:
    """One station's."""

    def __init__(
        self,
        config: StationConfig,
        clock: Clock,
        kept: Kept | None = None,
        wall: Callable[[], float] = calendar_s,
    ) -> None:
        kept = Kept() if kept is None else kept
        self._config, self._clock, self._wall = config, clock, wall
        self.microphone = LevelMeter()
        self._began_s = clock.now()
        self._version = program_version()
        self._talker: TalkerView | None = None
        self._talking_since_s = 0.0
        self._frames = self._concealed = 0
        self._receptions: deque[_Counted] = deque(maxlen=RECEPTIONS)
        self._reported: deque[tuple[float, LinkReport]] = deque(maxlen=RECEPTIONS)
        self._heard = {view.source: view for view in reversed(kept.last_heard)}
        self._overs = deque((replace(view, index=0) for view in kept.overs), maxlen=MAX_OVERS)
        self._texts = deque(kept.texts, maxlen=MAX_TEXTS)
        self._own_began_s: float | None = None
        self._own_air_s = self._own_over_bytes = 0.0
        self._air: deque[list[float]] = deque()  # [minute it began, seconds on the air]
        self._heard_s = 0.0
        self._sent_bytes = 0
        self._on_air_bps: float | None = None

    # What happens.

    def over_begins(self) -> None:
        """Somebody is heard."""
        self._talker, self._talking_since_s = TalkerView("unknown talker"), self._clock.now()
        self._frames = self._concealed = 0

    def talker_known(self, source: int, group: int) -> str:
        """Who it is; returns the name."""
        station, net = self._config.station, self._config.net
        # A parrot gives back what this station said, which need not be in its own directory.
        name = station.name if source == station.id and source not in net.names else net.name_of(source)
        self._talker = TalkerView(name, source, group)
        return name

    @property
    def talker(self) -> str | None:
        """The name of who is heard."""
        return None if self._talker is None else self._talker.name

    def played(self, *, concealed: bool) -> None:
        """80 ms of the over went to the speaker."""
        self._frames += 1
        self._concealed += concealed

    def over_ends(self, reception: Reception | None) -> None:
        """The over that was heard is over."""
        now, talker, self._talker = self._clock.now(), self._talker, None
        if talker is None:
            return
        duration_s = now - self._talking_since_s
        self._heard_s += duration_s
        lost = None if reception is None or not reception.expected else reception.loss
        snr_db = None if reception is None else reception.snr_db
        if reception is not None:
            self._receptions.append(_Counted(now, reception, self._frames, self._concealed))
        self._overs.appendleft(
            OverView("heard", talker.name, talker.source, self._wall(), round(duration_s, 2), lost, snr_db)
        )
        if talker.source is not None:
            overs = self._heard[talker.source].overs + 1 if talker.source in self._heard else 1
            self._heard.pop(talker.source, None)
            self._heard[talker.source] = HeardView(talker.source, talker.name, self._wall(), overs, lost, snr_db)
            if len(self._heard) > MAX_HEARD:
                del self._heard[next(iter(self._heard))]

    def own_over_begins(self) -> None:
        """The operator talks."""
        self._own_began_s, self._own_over_bytes = self._clock.now(), 0.0

    def own_over_ends(self) -> None:
        """The operator's over was sent."""
        if self._own_began_s is None:
            return
        duration_s = self._clock.now() - self._own_began_s
        self._own_began_s = None
        if duration_s > 0:
            self._on_air_bps = 8 * self._own_over_bytes / duration_s
        station = self._config.station
        self._overs.appendleft(OverView("said", station.name, station.id, self._wall(), round(duration_s, 2)))

    def sent(self, n_bytes: int, air_s: float) -> None:
        """A packet left, and takes `air_s` on the air."""
        now = self._clock.now()
        self._own_air_s += air_s
        self._own_over_bytes += n_bytes
        self._sent_bytes += n_bytes
        if not self._air or now - self._air[-1][0] >= 60:
            self._air.append([now, 0.0])
        self._air[-1][1] += air_s
        while now - self._air[0][0] >= HOUR_S:
            self._air.popleft()

    def reported(self, report: LinkReport) -> None:
        """Another station tells how an own over arrived."""
        if report.about == self._config.station.id:
            self._reported.append((self._clock.now(), report))

    def text(self, direction: str, peer: str, text: str, state: str) -> None:
        """A short text was sent or received."""
        self._texts.appendleft(MessageView("text", direction, peer, self._wall(), text, state=state))

    # What is shown.

    def station_view(self) -> StationView:
        """Who this is."""
        station = self._config.station
        return StationView(station.name, station.id, station.group, self._version, self._clock.now() - self._began_s)

    def talker_view(self) -> TalkerView | None:
        """Who is heard."""
        if self._talker is None:
            return None
        return replace(self._talker, talking_s=self._clock.now() - self._talking_since_s)

    def reception_view(self) -> ReceptionView:
        """How the last overs arrived here."""
        since_s = self._clock.now() - RECEPTION_S
        counted = [one for one in self._receptions if one.at_s >= since_s]
        told = [one.reception.snr_db for one in counted if one.reception.snr_db is not None]
        return reception_view(
            expected=sum(one.reception.expected for one in counted),
            lost=sum(one.reception.lost for one in counted),
            late=sum(one.reception.late for one in counted),
            bursts=sum(one.reception.bursts for one in counted),
            frames=sum(one.frames for one in counted),
            concealed=sum(one.concealed for one in counted),
            snr_db=told[-1] if told else None,
        )

    def sent_reception_view(self) -> ReceptionView:
        """How own overs arrived elsewhere, by reports."""
        since_s = self._clock.now() - RECEPTION_S
        reports = [report for at_s, report in self._reported if at_s >= since_s]
        lost = sum(report.lost for report in reports)
        bursts = sum(round(report.lost / report.mean_burst) for report in reports if report.mean_burst)
        return reception_view(
            expected=sum(report.expected for report in reports),
            lost=lost,
            late=sum(report.late for report in reports),
            bursts=bursts,
            frames=0,
            concealed=0,
            snr_db=reports[-1].snr_db if reports else None,
        )

    def airtime_view(self) -> AirtimeView:
        """Time on the air."""
        now = self._clock.now()
        hour_s = sum(air_s for began_s, air_s in self._air if now - began_s < HOUR_S)
        return AirtimeView(
            self._own_air_s,
            hour_s,
            hour_s / min(HOUR_S, max(60.0, now - self._began_s)),
            self._heard_s,
            self._sent_bytes,
            self._on_air_bps,
        )

    @property
    def last_heard(self) -> tuple[HeardView, ...]:
        """Newest first."""
        return tuple(reversed(self._heard.values()))

    @property
    def overs(self) -> tuple[OverView, ...]:
        """Newest first."""
        return tuple(self._overs)

    @property
    def texts(self) -> tuple[MessageView, ...]:
        """Newest first."""
        return tuple(self._texts)

    def history_point(self, delay_ms: float) -> HistoryPoint:
        """A point of the charts: the level now, reception of the overs that ended in the last minute."""
        now = self._clock.now()
        view = ReceptionView()
        if self._receptions and now - self._receptions[-1].at_s < 60:
            view = self.reception_view()
        is_known = view.expected > 0
        return HistoryPoint(
            self._wall(),
            self.microphone.level_db,
            view.lost if is_known else None,
            view.late if is_known else None,
            view.concealed if is_known else None,
            delay_ms,
            view.snr_db,
            self.airtime_view().share_hour,
        )


def program_version() -> str:
    """The installed version, empty where the program runs from its sources alone."""
    try:
        return version("clarilink")
    except PackageNotFoundError:
        return ""
