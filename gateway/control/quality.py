"""Reception in words: what a share of packets that could not be played means to an ear. Pure.

The thresholds follow what `clarilink study` shows of words kept: below 3 % nobody notices, at 10 % one asks back now
and then, from 25 % on live voice is a guess.
"""

from __future__ import annotations

from gateway.control.snapshot import Quality, ReceptionView

GOOD_UP_TO = 0.03
FAIR_UP_TO = 0.10
POOR_UP_TO = 0.25


def reception_view(
    *, expected: int, lost: int, late: int, bursts: int, frames: int, concealed: int, snr_db: float | None = None
) -> ReceptionView:
    """From counts of packets (and `frames` played, `concealed` of them) over the last overs."""
    if expected <= 0:
        return ReceptionView()
    missing = (lost + late) / expected
    quality = (
        Quality.GOOD
        if missing <= GOOD_UP_TO
        else Quality.FAIR
        if missing <= FAIR_UP_TO
        else Quality.POOR
        if missing <= POOR_UP_TO
        else Quality.BAD
    )
    mean_burst = lost / bursts if bursts else 0.0
    words = f"{quality.value}: {100 * lost / expected:.0f} % lost"
    if lost:
        words += f", {mean_burst:.1f} in a row"
    if late:
        words += f", {100 * late / expected:.0f} % late"
    share = concealed / frames if frames else 0.0
    return ReceptionView(quality, expected, lost / expected, late / expected, mean_burst, share, snr_db, words)
