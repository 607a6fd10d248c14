"""The model card of a file of weights, from what is on disk: the weights, run folders, prepared data, an evaluation.

Rule: every figure is read from a file that a program wrote; what nobody can measure (use, limits) comes from a
template beside the weights, and a fact that is not there is said to be missing, not guessed.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from string import Template
from typing import Any

from gateway.codec.checkpoint import load_model
from gateway.codec.spec import DIGITS_PER_STAGE, FRAME_BYTES, LEVELS, STAGES, CodecSpec, algorithmic_delay_ms
from gateway.errors import ConfigError
from gateway.evaluation.systems import OURS
from gateway.trainer.data import INDEX_FILE, SAMPLE_RATE

TEMPLATE_FILE = "MODEL_CARD.template.md"
SOURCES_FILE = Path(__file__).parents[2] / "configs" / "train" / "sources.toml"
UNKNOWN_LICENCE = "licence not known: see its origin"
BARE = (
    "# $name\n\n$facts\n\n## Training\n\n$runs\n\n### Data: $hours h of speech\n\n$data\n\n## Figures\n\n$evaluation\n"
)
"""The card of weights that have no template beside them."""
_PARTS = ("encoder", "quantizer", "decoder", "vocoder")
_FIGURES = {
    "dwer": ("dWER %", 100, 1),
    "wer": ("WER %", 100, 1),
    "cer": ("CER %", 100, 1),
    "stoi": ("STOI", 1, 3),
    "estoi": ("ESTOI", 1, 3),
    "pesq": ("PESQ", 1, 2),
    "dnsmos": ("DNSMOS", 1, 2),
    "phones": ("phones wrong %", 100, 1),
}
"""Figures of an evaluation report that are shown if they are there: heading, factor, decimals."""


@dataclass(frozen=True, slots=True)
class CardInputs:
    """Where the facts are: run folders in the order they were run, one prepared folder, one report.json."""

    weights: Path
    runs: tuple[Path, ...] = ()
    data: Path | None = None
    evaluation: Path | None = None
    template: Path | None = None
    """None: the one beside the weights, or a bare card."""
    sources: Path = SOURCES_FILE


def model_card(inputs: CardInputs) -> str:
    """Markdown. Raises ConfigError or CheckpointError for an input that is not there or not what it should be."""
    beside = inputs.template or inputs.weights.parent / TEMPLATE_FILE
    template = _read_text(beside) if inputs.template is not None or beside.is_file() else BARE
    hours, data = ("?", "Not recorded.") if inputs.data is None else data_table(inputs.data, inputs.sources)
    try:
        return Template(template).substitute(
            name=inputs.weights.stem,
            facts=weights_table(inputs.weights),
            runs=run_table(inputs.runs) if inputs.runs else "None recorded.",
            hours=hours,
            data=data,
            evaluation="Not measured." if inputs.evaluation is None else evaluation_table(inputs.evaluation),
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{beside}: not a template of a card: {error}") from error


def weights_table(path: Path) -> str:
    """File, size, parameters by part as counted, bits and delay as the spec inside the weights says."""
    model = load_model(path)
    spec = model.spec
    counts = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in _PARTS}
    shares = ", ".join(f"{'quantiser' if n == 'quantizer' else n} {c / 1e6:.2f}" for n, c in counts.items())
    stage_bits = DIGITS_PER_STAGE * (LEVELS.bit_length() - 1)
    return _markdown(
        ("", ""),
        [
            (
                "file",
                f"`{path.name}`, 8 or 16 bits a weight, {path.stat().st_size / 1e6:.2f} MB; spec in its metadata",
            ),
            ("size", f"{sum(counts.values()) / 1e6:.2f} million parameters: {shares}"),
            (
                "bits",
                f"{FRAME_BYTES * 8} per 80 ms: {STAGES} residual stages x {DIGITS_PER_STAGE} digits x {LEVELS} levels "
                f"(iFSQ); the first {stage_bits} bits of a frame decode alone at {stage_bits * 1000 // 80} bit/s",
            ),
            ("delay", _delay(spec)),
            ("codec id, version", f"{spec.codec_id}, {spec.codec_version}"),
        ],
    )


def _delay(spec: CodecSpec) -> str:
    default = spec.default_lookahead
    others = [n for n in range(spec.max_lookahead, -1, -1) if n != default]
    shown = ", ".join(f"{algorithmic_delay_ms(n):.0f} ms with {n}" for n in others)
    frames = "frame" if default == 1 else "frames"
    return f"{algorithmic_delay_ms(default):.0f} ms algorithmic at the default lookahead of {default} {frames}; {shown}"


def run_table(runs: Sequence[Path]) -> str:
    """One row a run folder: its last recipe, the losses that counted, where its curve ended, the code's revision."""
    rows = []
    for folder in runs:
        recipe = _read_json(folder / "recipe.json")
        last = last_of_curve(folder / "curve.csv")
        frames = recipe.get("clip_frames", 0)
        revision = folder / "revision.txt"
        rows.append(
            (
                folder.name,
                str(recipe.get("task", "?")),
                f"{last.pop('step', '?')} of {recipe.get('steps', '?')}",
                f"{recipe.get('batch', '?')} x {frames * 0.08:.2f} s",
                f"{recipe.get('learning_rate', 0):g}",
                _losses(recipe),
                ", ".join(f"{name} {value}" for name, value in last.items() if name not in ("seconds", "norm")) or "-",
                f"`{revision.read_text().strip()[:10]}`" if revision.is_file() else "-",
            )
        )
    return _markdown(("run", "task", "steps", "batch", "rate", "losses x weight", "ended at", "revision"), rows)


_OF_SOUND = ("stft", "mel", "balance", "features", "words", "adversarial", "feature_matching")
"""What of a recipe's [sound] weighs a term."""


def _losses(recipe: Mapping[str, Any]) -> str:
    """Loss terms with their weights: of [loss], of [sound], or of both, by what the task trains."""
    task = recipe.get("task")
    terms = {} if task == "vocoder" else dict(recipe.get("loss", {}))
    if task in ("vocoder", "whole"):
        sound = recipe.get("sound", {"stft": 1.0})
        prefix = "sound_" if task == "whole" else ""
        terms |= {prefix + name: sound[name] for name in _OF_SOUND if name in sound}
    if task == "reinforce":
        terms["policy"] = recipe.get("policy", {}).get("weight", 0)
    return ", ".join(f"{name} {weight:g}" for name, weight in terms.items() if weight) or "-"


def last_of_curve(path: Path) -> dict[str, str]:
    """The last row of a curve by the names of the last header above it; empty where there is none.

    A run that went on with another recipe may have begun a new header in the same file, or (in early runs) written
    rows that no header describes: of those only the step is known.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        header: list[str] = []
        last: list[str] = []
        for row in csv.reader(file):
            if row and row[0] == "step":
                header = row
            elif row:
                last = row
    known = header if len(header) == len(last) else header[:1]
    return {name: value for name, value in zip(known, last, strict=False) if value}


def data_table(prepared: Path, sources: Path) -> tuple[str, str]:
    """Hours of training speech in all, and a table by source with licence and credit."""
    samples: Counter[str] = Counter()
    try:
        with (prepared / INDEX_FILE).open(encoding="utf-8") as lines:
            for utterance in map(json.loads, lines):
                if utterance["split"] == "train":
                    samples[utterance["source"]] += utterance["samples"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{prepared}: not a prepared folder ({error})") from error
    known = _read_sources(sources)
    hours: dict[tuple[str, str, str], float] = {}
    for source, count in sorted(samples.items()):
        entry = next((e for pattern, e in known.items() if fnmatchcase(source, pattern)), {})
        row = (entry.get("name", source), entry.get("licence", UNKNOWN_LICENCE), entry.get("credit", "-"))
        hours[row] = hours.get(row, 0.0) + count / SAMPLE_RATE / 3600
    largest = sorted(hours.items(), key=lambda item: -item[1])
    rows = [(name, f"{amount:.2f}", licence, credit) for (name, licence, credit), amount in largest]
    return f"{sum(hours.values()):.2f}", _markdown(("source", "hours", "licence", "credit"), rows)


def _read_sources(path: Path) -> dict[str, dict[str, str]]:
    """Name patterns, in the order of the file, and what is known of such sources."""
    try:
        table = tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not readable as TOML: {error}") from error
    for pattern, entry in table.items():
        if not isinstance(entry, dict) or set(entry) != {"name", "licence", "credit"}:
            raise ConfigError(f"{path}: [{pattern}] needs name, licence and credit, and nothing else")
    return table


def evaluation_table(path: Path) -> str:
    """The report of `clarilink evaluate --out` as a table of the figures it has; others than known are passed over."""
    report = _read_json(path)
    rows = report.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "system" in row for row in rows):
        raise ConfigError(f"{path}: not a report.json of `clarilink evaluate`")
    columns: dict[tuple[str, str], None] = {}
    for row in rows:
        for figure in _FIGURES:
            columns.update(dict.fromkeys((figure, part) for part in _by_part(_found(row, figure))))
    ordered = sorted(columns, key=lambda c: list(_FIGURES).index(c[0]))
    heads = [f"{_FIGURES[figure][0]} {part}".strip() for figure, part in ordered]
    body = []
    for row in rows:
        cells = [_figure(_by_part(_found(row, figure)).get(part), figure) for figure, part in ordered]
        condition = row.get("condition")
        name = f"{row['system']}, {condition}" if condition else str(row["system"])
        body.append((name, str(row.get("bits_a_second") or "-"), *cells))
    counts = [
        f"{report[name]} {unit}" for name, unit in (("clips", "dev clips"), ("speakers", "speakers")) if name in report
    ]
    seconds = [f"{report['seconds']:.0f} s"] if "seconds" in report else []
    about = f"{report.get('subset', 'Clips')}: {', '.join(counts + seconds)}, one run; 95 % intervals by speaker."
    notes = [*_paired(rows), *(f"- {note}" for note in report.get("notes", []))]
    return "\n\n".join([about, _markdown(("system", "bit/s", *heads), body), *(["\n".join(notes)] if notes else [])])


def _paired(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Differences of dWER to ours, clip by clip, where the report has them; of ours among themselves only those to
    what is not searched."""
    return [
        f"- {row['system']} against {ours}, paired clip by clip: points of dWER "
        + ", ".join(f"{_figure(value, 'dwer')} {part}" for part, value in figures.items())
        for row in rows
        for ours, figures in row.get("behind", {}).items()
        if ours == OURS or not str(row["system"]).startswith("ours")
    ]


def _found(row: Mapping[str, Any], figure: str) -> Any:
    """A figure of a row of the report, or of its measures of sound."""
    return row.get(figure) or row.get("measures", {}).get(figure)


def _by_part(value: Any) -> dict[str, Any]:
    """Figures by recogniser (or another part); one without parts goes under an empty name."""
    if value is None:
        return {}
    if isinstance(value, dict) and "value" not in value:
        return value
    return {"": value}


def _figure(value: Any, figure: str) -> str:
    _, factor, places = _FIGURES[figure]
    if isinstance(value, int | float):
        return f"{factor * value:.{places}f}"
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return "-"
    shown = f"{factor * value['value']:.{places}f}"
    if "low" not in value or "high" not in value:
        return shown
    return f"{shown} ({factor * value['low']:.{places}f}..{factor * value['high']:.{places}f})"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except ValueError as error:
        raise ConfigError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no JSON object")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read: {getattr(error, 'strerror', None) or error}") from error
