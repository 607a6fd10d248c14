"""Channels from TOML files: one channel (a preset or a file of one's own), or the net of a channel process.

Rule: a key that is not known or a value out of range is a ConfigError naming file and key; nothing is guessed.

A preset is a file `NAME.toml` in configs/channel/. In a checkout the folder is found beside the package; an
installation keeps it in `share/clarilink/channel` under its data prefix (see `preset_folders`).
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pydantic
from pydantic import ConfigDict, ValidationInfo, create_model, field_validator, model_validator

from gateway.channel.conditions import PathModel
from gateway.channel.impairments import LIMITS, ChannelSpec, check_figure
from gateway.channel.models import build_model
from gateway.channel.outages import parse_schedule
from gateway.channel.topology import Node, Pair, pairs, parse_losses, placed
from gateway.channel.trace_model import LoadedTrace, TraceModel
from gateway.config import ConfigPath, CurveSection, Endpoint, Name, StrictModel, check_exposure, load_toml, model_of
from gateway.errors import ConfigError, TraceError
from gateway.packaged import packaged_folders
from gateway.traces.load import load_trace

T = TypeVar("T")


class _Figures(StrictModel):
    """Checks shared by all models that hold figures of a ChannelSpec; keys that are not given stay unset."""

    model: dict[str, Any] | None = None

    @field_validator("*")
    @classmethod
    def _within_limits(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name or ""
        if name in LIMITS and value is not None:
            check_figure(name, value)
        return value

    @field_validator("model")
    @classmethod
    def _file_beside(cls, table: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        """A model's `file` counts from the folder of the channel file, as every path in a file does."""
        base = (info.context or {}).get("base")
        if table is not None and base is not None and isinstance(table.get("file"), str):
            return {**table, "file": str(Path(base) / Path(table["file"]).expanduser())}
        return table

    def apply_to(self, spec: ChannelSpec) -> ChannelSpec:
        """`spec` with the figures that the file gives in place of its own."""
        given = {name: getattr(self, name) for name in self.model_fields_set & _SPEC_FIELDS.keys()}
        if self.model is not None:
            given["model"] = model = _with_data(build_model(self.model))
            if isinstance(model, LoadedTrace):
                given.setdefault("ordered", False)  # a recording has an order of its own
        return replace(spec, **given)


def _with_data(model: PathModel) -> PathModel:
    """The model, its trace read if it is one: models are pure and read nothing. Raises ValueError."""
    if not isinstance(model, TraceModel):
        return model
    try:
        trace = load_trace(Path(model.file))
        return LoadedTrace(model, trace.direction(model.direction), bool(trace.header.notes.get("times", True)))
    except (TraceError, ValueError) as error:
        raise ValueError(f"model.{'file: ' if isinstance(error, TraceError) else ''}{error}") from error


def _spec_field(figure: Field[Any]) -> tuple[Any, Any]:
    return typing.get_type_hints(ChannelSpec)[figure.name], "" if figure.default is MISSING else figure.default


_SPEC_FIELDS = {figure.name: _spec_field(figure) for figure in fields(ChannelSpec) if figure.name != "model"}
"""Type and default of every figure: the keys of a channel file are those of ChannelSpec, written down once."""

_FiguresBase: type[_Figures] = create_model("_FiguresBase", __base__=_Figures, **_SPEC_FIELDS)  # type: ignore[call-overload]


class _ChannelFile(_FiguresBase):  # type: ignore[valid-type,misc]
    """A file that describes one channel. `outages_file`: `outages_s` as CSV, start,end in seconds a row."""

    outages_file: ConfigPath | None = None

    @model_validator(mode="after")
    def _figures_agree(self) -> _ChannelFile:
        if self.outages_file is not None and self.outages_s:
            raise ValueError("outages_file: give it or outages_s, not both")
        self.apply_to(ChannelSpec("file"))
        return self

    def apply_to(self, spec: ChannelSpec) -> ChannelSpec:
        """As of all, with the schedule read."""
        if self.outages_file is not None:
            spec = replace(spec, outages_s=_parsed(self.outages_file, parse_schedule))
        applied: ChannelSpec = super().apply_to(spec)
        return applied


class _ChannelTable(_FiguresBase):  # type: ignore[valid-type,misc]
    """A channel inside another file: a preset or a file to begin with, and the figures that differ from it."""

    preset: Name | None = None
    file: ConfigPath | None = None

    @model_validator(mode="after")
    def _one_source(self) -> _ChannelTable:
        if self.preset is not None and self.file is not None:
            raise ValueError("give preset or file, not both")
        return self

    def build(self, otherwise: ChannelSpec, place: Callable[[ChannelSpec], ChannelSpec] | None = None) -> ChannelSpec:
        """The channel described, beginning with `otherwise` if the table names no preset or file, which `place` puts
        between the stations that it is for."""
        source = self.preset if self.preset is not None else self.file
        begun = otherwise if source is None else load_channel(source)
        if place is not None and (source is not None or self.model is not None):
            begun = place(begun if self.model is None else replace(begun, model=build_model(self.model)))
            given = {name: getattr(self, name) for name in self.model_fields_set & _SPEC_FIELDS.keys()}
            return replace(begun, **given)
        built: ChannelSpec = self.apply_to(begun)
        return built


class _PathTable(_ChannelTable):
    """One direction of one pair of stations."""

    model_config = ConfigDict(populate_by_name=False)

    from_: Name = pydantic.Field(alias="from")
    to: Name


class _NodeTable(StrictModel):
    """Where a station is; see `topology.Node`."""

    x_m: float = pydantic.Field(ge=-1e6, le=1e6)
    y_m: float = pydantic.Field(ge=-1e6, le=1e6)
    depth_m: float = pydantic.Field(default=0.0, ge=0, le=12_000)
    noise_db: float = pydantic.Field(default=0.0, ge=0, le=100)
    source_level_db: float | None = pydantic.Field(default=None, ge=60, le=260)


class _MatrixTable(StrictModel):
    """Measured figures of each direction in files: `loss` as `topology.parse_losses` reads it."""

    loss: ConfigPath


class _ProcessFile(StrictModel):
    """The file of `clarilink channel -c`. Later ones win: [channel], places of nodes, [matrix], [[path]]."""

    endpoint: Endpoint
    control: Endpoint | None = None
    seed: int = pydantic.Field(default=0, ge=0)
    statistics_s: float = pydantic.Field(default=10.0, gt=0, le=3600)
    channel: _ChannelTable = _ChannelTable()
    path: tuple[_PathTable, ...] = ()
    node: dict[Name, _NodeTable] = pydantic.Field(default_factory=dict, max_length=64)
    matrix: _MatrixTable | None = None
    sound_speed_m_s: float = pydantic.Field(default=1500.0, ge=1000, le=2000)
    curve: CurveSection | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _not_open_to_all(self) -> _ProcessFile:
        check_exposure("endpoint", self.endpoint, is_guarded=self.curve is not None, insecure=self.insecure)
        if self.control is not None:
            check_exposure("control", self.control, is_guarded=self.curve is not None, insecure=self.insecure)
            if self.control == self.endpoint:
                raise ValueError(f"control {self.control} is the stations' endpoint; needed: an address of its own")
        return self


@dataclass(frozen=True, slots=True)
class ChannelProcessConfig:
    """What a channel process needs: where to listen and to whom, and the channel of every (from, to) pair of stations.

    `statistics_s` is the time between two log lines with figures; `control` where it can be changed while it runs.
    """

    endpoint: str
    default: ChannelSpec
    paths: Mapping[tuple[str, str], ChannelSpec] = field(default_factory=dict)
    seed: int = 0
    statistics_s: float = 10.0
    curve: CurveSection | None = None
    control: str | None = None


def preset_folders() -> tuple[Path, ...]:
    """Folders searched for presets, in order: the checkout's, then the installation's."""
    return packaged_folders("channel")


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
    nodes = {name: Node(**table.model_dump()) for name, table in file.node.items()}
    paths = _placed_paths(path, file, nodes, default)
    described: set[Pair] = set()
    for index, table in enumerate(file.path):
        pair = (table.from_, table.to)
        if pair in described:
            raise ConfigError(f"{path}: path.{index}: from {pair[0]!r} to {pair[1]!r} was described before")
        if pair[0] == pair[1]:
            raise ConfigError(f"{path}: path.{index}: from and to are both {pair[0]!r}; needed: two stations")
        described.add(pair)
        try:
            paths[pair] = table.build(paths.get(pair, default), _placing(nodes, pair, file.sound_speed_m_s))
        except ValueError as error:
            raise ConfigError(f"{path}: path.{index}: {error}") from error
    for spec in (default, *paths.values()):
        if spec.model is not None:
            spec.model.check_files()
    return ChannelProcessConfig(
        file.endpoint, default, MappingProxyType(paths), file.seed, file.statistics_s, file.curve, file.control
    )


def _placed_paths(
    path: Path, file: _ProcessFile, nodes: Mapping[str, Node], default: ChannelSpec
) -> dict[Pair, ChannelSpec]:
    """What places and matrix make of each direction."""
    paths: dict[Pair, ChannelSpec] = {}
    for pair in pairs(nodes):
        try:
            paths[pair] = placed(default, nodes[pair[0]], nodes[pair[1]], file.sound_speed_m_s)
        except ValueError as error:
            raise ConfigError(f"{path}: node: from {pair[0]} to {pair[1]}: {error}") from error
    losses = {} if file.matrix is None else _parsed(file.matrix.loss, parse_losses)
    for pair, loss in losses.items():
        stranger = next((name for name in pair if nodes and name not in nodes), None)
        if stranger is not None:
            raise ConfigError(f"{path}: matrix.loss: station {stranger!r} has no [node.{stranger}]")
        try:
            paths[pair] = replace(paths.get(pair, default), loss=loss)
        except ValueError as error:
            raise ConfigError(f"{path}: matrix.loss: from {pair[0]} to {pair[1]}: {error}") from error
    return paths


def _placing(
    nodes: Mapping[str, Node], pair: Pair, sound_speed_m_s: float
) -> Callable[[ChannelSpec], ChannelSpec] | None:
    """How a channel is put between two stations, None where a place is not known."""
    source, destination = nodes.get(pair[0]), nodes.get(pair[1])
    if source is None or destination is None:
        return None
    return lambda spec: placed(spec, source, destination, sound_speed_m_s)


def _parsed(path: Path, parse: Callable[[str], T]) -> T:
    """What `parse` makes of a file beside a configuration file. Raises ConfigError naming it."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text: {error.reason}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def figures_change(table: Mapping[str, Any]) -> Callable[[ChannelSpec], ChannelSpec]:
    """What a table of figures as in a channel file, `preset` and `model` included, makes of a channel; None takes a
    figure away. What is changed so has a star behind its name. Files are not read, for the table may come from
    elsewhere. Raises ConfigError naming the key; what is
    returned raises ValueError where the figures do not fit to the channel's others.
    """
    given = dict(table)
    if "file" in given:
        raise ConfigError("file: cannot be given here; give preset or figures")
    if isinstance(given.get("model"), Mapping) and given["model"].get("file") is not None:
        raise ConfigError("model.file: cannot be given here: files are read when the channel starts, from its own file")
    if "name" in given or not given:
        raise ConfigError("figures: needs at least one of a channel file's, `name` excepted")
    if given.get("preset") is not None and given["preset"] not in preset_names():
        raise ConfigError(f"preset: no channel preset {given['preset']!r}; known: {', '.join(preset_names())}")
    checked = model_of(given, _ChannelTable, "figures")
    try:
        if checked.model is not None:
            build_model(checked.model)
    except ValueError as error:
        raise ConfigError(f"figures: {error}") from error

    is_preset = checked.model_fields_set == {"preset"}
    made: dict[int, tuple[ChannelSpec, ChannelSpec]] = {}  # by id: most paths of a net share one spec

    def change(spec: ChannelSpec) -> ChannelSpec:
        if id(spec) not in made:
            built = checked.build(replace(spec, model=None) if "model" in checked.model_fields_set else spec)
            named = built if is_preset or built.name.endswith("*") else replace(built, name=f"{built.name}*")
            made[id(spec)] = spec, named
        return made[id(spec)][1]

    return change


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
