"""`clarilink protection --speech`: how many words each protection keeps, by the evaluation's own rules.

Rule: what is compared is the loss that a channel adds, clip by clip, to that of the codec without it.
"""

from __future__ import annotations

from pathlib import Path

from gateway.evaluation.evaluate import EvaluateOptions
from gateway.evaluation.report import EvaluationReport, percent, table
from gateway.evaluation.systems import ORIGINAL, OURS
from gateway.tools.protection_report import BIT_ERROR_RATE, BIT_TOOLS, PACKET_TOOLS

LOSSY_CHANNELS = ("loss-10-burst-2", "loss-10-burst-8")
NOISY_CHANNEL = "bit-errors-1pct"


def words_options(
    speech: Path, clips: int, asr: tuple[str, ...], weights: Path | None, out: Path | None, threads: int
) -> EvaluateOptions:
    """The evaluation that says how many words each protection keeps."""
    tools = (*PACKET_TOOLS[:5], *PACKET_TOOLS[6:])
    pairs = [(channel, tool) for channel in LOSSY_CHANNELS for tool in tools]
    pairs += [(NOISY_CHANNEL, "none"), (NOISY_CHANNEL, BIT_TOOLS[-1])]
    return EvaluateOptions(
        speech=speech,
        clips=clips,
        systems=(ORIGINAL, OURS),
        bit_errors=(BIT_ERROR_RATE,),
        protected=tuple(pairs),
        asr=asr,
        measures=(),
        speed=False,
        weights=weights,
        out=out,
        threads=threads,
    )


def words_table(report: EvaluationReport) -> str:
    """The evaluation's table, and how many more words each row loses than the codec without loss."""
    lines = [table(report), "dWER less that of ours-300 without loss, in points:"]
    for row in report.rows:
        for name, behind in row.behind.get(OURS, {}).items() if row.system.startswith("ours") else ():
            lines.append(f"  {row.name}, {name}: {percent(behind, '+')}")
    return "\n".join(lines)
