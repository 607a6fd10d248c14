"""Protection by name: a preset, a file of one's own, or a few words on the command line.

Rule: a key that is not known or a value out of range is a ConfigError naming file and key; nothing is guessed.

A preset is a file `NAME.toml` in configs/protection/, found as those of channels are (see `preset_folders`).
"""

from __future__ import annotations

import difflib
from pathlib import Path

from gateway.config import ProtectionPreset, ProtectionSection, StrictModel, load_toml, parse_toml
from gateway.errors import ConfigError
from gateway.packaged import packaged_folders
from gateway.protocol.protection import Protection, ProtectionKind

KINDS = tuple(kind.value for kind in ProtectionKind)


class _ProtectionFile(StrictModel):
    """A file that describes one protection, or the words of the command line."""

    description: str = ""
    protection: ProtectionSection


def preset_folders() -> tuple[Path, ...]:
    """Folders searched for presets, in order: the checkout's, then the installation's."""
    return packaged_folders("protection")


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted({path.stem for folder in preset_folders() for path in folder.glob("*.toml")})


def build_protection(section: ProtectionSection) -> Protection:
    """The protection that a [protection] section asks for. Raises ConfigError for a preset that is not there."""
    if isinstance(section, ProtectionPreset):
        return load_protection(section.name)
    figures = section.model_dump(exclude={"kind", "code"})
    return Protection(ProtectionKind(section.kind), **figures)


def load_protection(source: str | Path) -> Protection:
    """What `source` stands for: a path (or text with a slash or ending in .toml), a kind with figures such as
    `reed-solomon:n=6,k=4`, or a preset by name. Raises ConfigError.
    """
    if isinstance(source, Path) or source.endswith(".toml") or "/" in source or "\\" in source:
        return _build(load_toml(Path(source), _ProtectionFile), str(source))
    kind, _, figures = source.partition(":")
    if kind in KINDS:
        lines = [f"[protection]\nkind = {_toml(kind)}", *map(_line, filter(None, figures.split(",")))]
        return _build(parse_toml("\n".join(lines), _ProtectionFile, Path(source)), source)
    for folder in preset_folders():
        if (folder / f"{source}.toml").is_file():
            return load_protection(folder / f"{source}.toml")
    known = [*KINDS, *preset_names()]
    near = difflib.get_close_matches(kind, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    raise ConfigError(f"no protection {source!r}; {hint} (a file is given as a path ending in .toml)")


def _build(file: _ProtectionFile, source: str) -> Protection:
    if isinstance(file.protection, ProtectionPreset):
        raise ConfigError(f"{source}: protection.kind: got 'preset'; needed: one of {', '.join(KINDS)}")
    return build_protection(file.protection)


def _line(figure: str) -> str:
    key, equals, value = figure.partition("=")
    if not equals or not key.strip().isidentifier():
        raise ConfigError(f"protection figure {figure!r}: needed: NAME=VALUE, as in distance=4")
    return f"{key.strip()} = {value.strip() if value.strip().isdecimal() else _toml(value.strip())}"


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
