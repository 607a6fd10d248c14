"""A channel file that replays a trace, checked before it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from gateway.channel.spec_file import load_channel
from gateway.errors import ConfigError, TraceError
from gateway.traces.load import load_trace


def write_replay(source: Path, target: Path, offset_s: str, figures: Mapping[str, object]) -> list[str]:
    """Write `target`; lines for the user. Raises TraceError or ConfigError, and then leaves no file of its own."""
    direction = load_trace(source).direction(str(figures["direction"]))
    if target.exists() and 'kind = "trace"' not in target.read_text(encoding="utf-8", errors="replace"):
        raise TraceError(f"{target}: is there and replays no trace; give another name with -o")
    lines = [f"description = {json.dumps(f'Replay of {source.name}, {direction.name}')}", "[model]", 'kind = "trace"']
    lines.append(f"file = {json.dumps(os.path.relpath(source, target.parent))}")
    defaults = {"direction": "", "end": "wrap", "window_s": None, "speed": 1.0, "by": "auto", "seed": None}
    try:
        offset: object = offset_s if offset_s == "random" else float(offset_s)
    except ValueError as error:
        raise ConfigError(f"--offset-s: got {offset_s!r}; needed: seconds, or random") from error
    chosen = {key: value for key, value in figures.items() if value != defaults[key]}
    if offset != 0:
        chosen["offset_s"] = offset
    lines += [f"{key} = {json.dumps(value)}" for key, value in chosen.items()]
    try:
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{target}: cannot be written: {error.strerror or error}") from error
    try:
        load_channel(target)
    except ConfigError:
        target.unlink()
        raise
    share = f", {100 * direction.n_lost / len(direction):.1f} % lost" if len(direction) else ""
    return [
        f"{target}: replays {direction.name} of {source}: {len(direction)} packets{share}",
        f'hear it: clarilink loopback --channel {target}; a station: [channel] file = "{target}"',
    ]
