"""Channels from TOML files: one channel (a preset or a file of one's own), or the net of a channel process.

Rule: a key that is not known or a value out of range is a ConfigError naming file and key; nothing is guessed.

A preset is a file `NAME.toml` in configs/channel/. In a checkout the folder is found beside the package; an
installation keeps it in `share/clarilink/channel` under its data prefix (see `preset_folders`).
"""

from __future__ import annotations

import difflib
import sysconfig
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pydantic
from pydantic import ConfigDict, ValidationInfo, create_model, field_validator, model_validator

from gateway.channel.impairments import LIMITS, ChannelSpec, check_figure
from gateway.channel.models import build_model
from gateway.config import ConfigPath, CurveSection, Endpoint, Name, StrictModel, check_exposure, load_toml
from gateway.errors import ConfigError


class _Figures(StrictModel):
    """Checks shared by all models that hold figures of a ChannelSpec; keys that are not given stay unset."""

    model: dict[str, Any] | None = None

    @field_validator("model")
    @classmethod
    def _file_beside_this_one(cls, model: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        """As any path in a configuration file, that of a model's `file` counts from the file's folder."""
        base = (info.context or {}).get("base")
        if model is None or base is None or not isinstance(model.get("file"), str) or not model["file"]:
            return model
        return {**model, "file": str(Path(base) / Path(model["file"]).expanduser())}

    @field_validator("*")
    @classmethod
    def _within_limits(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name or ""
        if name in LIMITS and value is not None:
            check_figure(name, value)
        return value

    def apply_to(self, spec: ChannelSpec) -> ChannelSpec:
        """`spec` with the figures that the file gives in place of its own."""
        given = {name: getattr(self, name) for name in self.model_fields_set & _SPEC_FIELDS.keys()}
        if self.model is not None:
            given["model"] = build_model(self.model)
        return replace(spec, **given)


def _spec_field(figure: Field[Any]) -> tuple[Any, Any]:
    return typing.get_type_hints(ChannelSpec)[figure.name], "" if figure.default is MISSING else figure.default


_SPEC_FIELDS = {figure.name: _spec_field(figure) for figure in fields(ChannelSpec) if figure.name != "model"}
"""Type and default of every figure: the keys of a channel file are those of ChannelSpec, written down once."""

_FiguresBase: type[_Figures] = create_model("_FiguresBase", __base__=_Figures, **_SPEC_FIELDS)  # type: ignore[call-overload]


class _ChannelFile(_FiguresBase):  # type: ignore[valid-type,misc]
    """A file that describes one channel."""

    @model_validator(mode="after")
    def _figures_agree(self) -> _ChannelFile:
        self.apply_to(ChannelSpec("file"))
        return self


class _ChannelTable(_FiguresBase):  # type: ignore[valid-type,misc]
    """A channel inside another file: a preset or a file to begin with, and the figures that differ from it."""

    preset: Name | None = None
    file: ConfigPath | None = None

    @model_validator(mode="after")
    def _one_source(self) -> _ChannelTable:
        if self.preset is not None and self.file is not None:
            raise ValueError("give preset or file, not both")
        return self

    def build(self, otherwise: ChannelSpec) -> ChannelSpec:
        """The channel described, beginning with `otherwise` if the table names no preset or file."""
        source = self.preset if self.preset is not None else self.file
        built: ChannelSpec = self.apply_to(otherwise if source is None else load_channel(source))
        return built


class _PathTable(_ChannelTable):
    """One direction of one pair of stations."""

    model_config = ConfigDict(populate_by_name=False)

    from_: Name = pydantic.Field(alias="from")
    to: Name


class _ProcessFile(StrictModel):
    """The file of `clarilink channel -c`."""

    endpoint: Endpoint
    seed: int = pydantic.Field(default=0, ge=0)
    statistics_s: float = pydantic.Field(default=10.0, gt=0, le=3600)
    channel: _ChannelTable = _ChannelTable()
    path: tuple[_PathTable, ...] = ()
    curve: CurveSection | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _not_open_to_all(self) -> _ProcessFile:
        check_exposure("endpoint", self.endpoint, is_guarded=self.curve is not None, insecure=self.insecure)
        return self


@dataclass(frozen=True, slots=True)
class ChannelProcessConfig:
    """What a channel process needs: where to listen and to whom, and the channel of every (from, to) pair of stations.

    `statistics_s` is the time between two log lines with figures.
    """

    endpoint: str
    default: ChannelSpec
    paths: Mapping[tuple[str, str], ChannelSpec] = field(default_factory=dict)
    seed: int = 0
    statistics_s: float = 10.0
    curve: CurveSection | None = None


def preset_folders() -> tuple[Path, ...]:
    """Folders searched for presets, in order: the checkout's, then the installation's."""
    checkout = Path(__file__).parents[2] / "configs" / "channel"
    return checkout, Path(sysconfig.get_path("data")) / "share" / "clarilink" / "channel"


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted({path.stem for folder in preset_folders() for path in folder.glob("*.toml")})


def load_channel(source: str | Path) -> ChannelSpec:
    """The channel that `source` stands for: a path (or text with a slash or ending in .toml), or a preset by name.

    Raises ConfigError: no such preset or file, or a wrong key or value in it.
    """
    path = _find(source)
    file = load_toml(path, _ChannelFile)
    spec: ChannelSpec = file.apply_to(ChannelSpec(path.stem))
    return spec if spec.name else replace(spec, name=path.stem)


def load_channel_process(path: Path) -> ChannelProcessConfig:
    """Read the file of a channel process. Raises ConfigError."""
    file = load_toml(path, _ProcessFile)
    try:
        default = file.channel.build(ChannelSpec("clean"))
    except ValueError as error:
        raise ConfigError(f"{path}: channel: {error}") from error
    paths: dict[tuple[str, str], ChannelSpec] = {}
    for index, table in enumerate(file.path):
        pair = (table.from_, table.to)
        if pair in paths:
            raise ConfigError(f"{path}: path.{index}: from {pair[0]!r} to {pair[1]!r} was described before")
        if pair[0] == pair[1]:
            raise ConfigError(f"{path}: path.{index}: from and to are both {pair[0]!r}; needed: two stations")
        try:
            paths[pair] = table.build(default)
        except ValueError as error:
            raise ConfigError(f"{path}: path.{index}: {error}") from error
    for spec in (default, *paths.values()):
        if spec.model is not None:
            spec.model.check_files()
    return ChannelProcessConfig(
        file.endpoint, default, MappingProxyType(paths), file.seed, file.statistics_s, file.curve
    )


def _find(source: str | Path) -> Path:
    if isinstance(source, Path) or source.endswith(".toml") or "/" in source or "\\" in source:
        return Path(source)
    for folder in preset_folders():
        if (folder / f"{source}.toml").is_file():
            return folder / f"{source}.toml"
    known = preset_names()
    near = difflib.get_close_matches(source, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
    folders = " or ".join(str(folder) for folder in preset_folders())
    raise ConfigError(f"no channel preset {source!r} in {folders}; {hint} (a file is given as a path ending in .toml)")
