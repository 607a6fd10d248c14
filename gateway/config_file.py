"""Configuration files: TOML in, frozen values out.

Rule: an unknown key or a wrong type is an error that names file and key, and all of them are named at once.

`load_toml` is generic: stations, channels and modems all read their files by the same rules. Relative paths in a file
count from the folder that the file lies in.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from gateway.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of every configuration model: unknown keys refused, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def resolve_path(path: Path, info: ValidationInfo) -> Path:
    """`path` from the folder of the file that is being read."""
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path.expanduser()


ConfigPath = Annotated[Path, AfterValidator(resolve_path)]
"""A path in a configuration file; a relative one counts from that file's folder."""

Name = Annotated[str, Field(min_length=1, max_length=64)]


def load_toml(path: Path, model: type[M]) -> M:
    """Read the TOML file `path` as a `model`; relative `ConfigPath`s are resolved against the file's folder.

    Raises ConfigError naming the file and, for every problem in it, the key, what was got and what was needed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read configuration: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error
    return parse_toml(text, model, path)


def parse_toml(text: str, model: type[M], path: Path) -> M:
    """`load_toml` of a text already read; `path` names it in messages and anchors its relative paths."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return model_of(data, model, str(path), path.absolute().parent)


def parse_json(text: str, model: type[M], where: str) -> M:
    """A `model` that another process wrote as JSON. Raises ConfigError as `load_toml` does."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{where}: not valid JSON: {error}") from error
    return model_of(data, model, where)


def model_of(data: object, model: type[M], where: str, base: Path | None = None) -> M:
    """`data` as a `model`; `where` begins every message, relative paths count from `base`.

    Raises ConfigError as `load_toml` does.
    """
    try:
        # By way of JSON, for strict validation then takes arrays as tuples and keys as integers, as TOML needs.
        return model.model_validate_json(json.dumps(data, default=str), context={"base": base})
    except ValidationError as error:
        problems = [_describe(item, data, model) for item in _told_once(error.errors(include_url=False), data)]
        if len(problems) == 1:
            raise ConfigError(f"{where}: {problems[0]}") from error
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigError(f"{where}: {len(problems)} problems{listed}") from error


def _told_once(items: Sequence[Any], data: object) -> list[Any]:
    """Of a key that takes one value or several: what is wrong with that which is there, not that it is no list, or no
    single one."""
    keys = [tuple(_key_path(item["loc"], data, item["type"])) for item in items]

    def is_needless(place: int) -> bool:
        item, key = items[place], keys[place]
        others = [other for index, other in enumerate(keys) if index != place and other[: len(key)] == key]
        is_other_form = item["type"] == ("string_type" if isinstance(item["input"], list) else "tuple_type")
        return is_other_form and bool(others)

    return [item for place, item in enumerate(items) if not is_needless(place)]


def _describe(item: Mapping[str, Any], data: object, model: type[BaseModel]) -> str:
    kind, loc = item["type"], item["loc"]
    keys = _key_path(loc, data, kind)
    key = ".".join(keys) or "(whole file)"
    if kind == "extra_forbidden":
        known = _known_keys(model, loc[:-1])
        near = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"
        return f"{key}: unknown key; {hint}"
    if kind == "missing":
        return f"{key}: missing; this key is needed"
    needed = item["msg"].removeprefix("Value error, ")
    if kind == "union_tag_not_found":
        return f"{key}.kind: missing; needed: one of {_tags(model, loc)}"
    if kind == "union_tag_invalid":
        got = item["ctx"]["tag"]
        return f"{key}.kind: got {got!r}; needed: one of {item['ctx']['expected_tags']}"
    if kind == "value_error" and isinstance(item["input"], dict):
        return f"{key}: {needed}" if keys else needed  # about the whole file: it names the keys itself
    return f"{key}: got {_short(item['input'])}; {needed}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _key_path(loc: Sequence[int | str], data: object, kind: str) -> list[str]:
    """The keys as the file's author wrote them: pydantic's location less union tags and its `[key]` marks."""
    keys: list[str] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(data, dict):
            if part in data:
                data = data[part]
            elif not (last and kind == "missing"):
                continue
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif part == "[key]" or not isinstance(part, int):
            continue
        keys.append(str(part))
    return keys


def _known_keys(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Field names of the model that `loc` leads to, or [] where there is no model."""
    node: Any = model
    for part in loc:
        node = _step(node, part)
    models = _models(node)
    return [f.alias or name for name, f in models[0].model_fields.items()] if len(models) == 1 else []


def _step(node: Any, part: int | str) -> Any:
    """One location part down the annotation `node`: a field, a union tag, or an element of a collection."""
    models = _models(node)
    for candidate in models:
        if len(models) == 1 and part in candidate.model_fields:
            return candidate.model_fields[str(part)].annotation
        for field in candidate.model_fields.values():
            if typing.get_origin(field.annotation) is Literal and part in typing.get_args(field.annotation):
                return candidate
    arguments = [argument for argument in typing.get_args(node) if argument is not Ellipsis]
    return arguments[-1] if arguments else None


def _models(node: Any) -> list[type[BaseModel]]:
    """The models that a value of annotation `node` may be, without looking into collections."""
    if isinstance(node, type) and issubclass(node, BaseModel):
        return [node]
    origin = typing.get_origin(node)
    if origin is Annotated:
        return _models(typing.get_args(node)[0])
    if origin in (typing.Union, types.UnionType):
        return [found for argument in typing.get_args(node) for found in _models(argument)]
    return []


def _tags(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    node: Any = model
    for part in loc:
        node = _step(node, part)
    kinds = [
        typing.get_args(found.model_fields["kind"].annotation)
        for found in _models(node)
        if "kind" in found.model_fields
    ]
    return ", ".join(repr(tag) for tags in kinds for tag in tags)
