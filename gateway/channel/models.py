"""Path models by the name that a `[model]` table gives as its `kind`.

Rule: a model is found here or nowhere, so that every channel file means the same everywhere.
"""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import pydantic
from pydantic import create_model

from gateway.channel.breaks import BreaksModel
from gateway.channel.conditions import PathModel
from gateway.channel.delivery import DeliveryByRangeModel
from gateway.channel.geo import GeoModel
from gateway.channel.iridium_call import IridiumCallModel
from gateway.channel.leo_pass import LeoPassModel
from gateway.channel.lora import LoraModel
from gateway.channel.lutz import LutzModel
from gateway.channel.rice import RiceModel
from gateway.channel.trace_model import TraceModel
from gateway.channel.underwater import UnderwaterModel
from gateway.channel.vhf import VhfModel
from gateway.channel.waveform import WaveformModel
from gateway.config import StrictModel

MODELS: Mapping[str, type[PathModel]] = MappingProxyType(
    {
        "breaks": BreaksModel,
        "delivery-by-range": DeliveryByRangeModel,
        "geo": GeoModel,
        "iridium-call": IridiumCallModel,
        "leo-pass": LeoPassModel,
        "lora": LoraModel,
        "lutz": LutzModel,
        "rice": RiceModel,
        "trace": TraceModel,
        "underwater": UnderwaterModel,
        "vhf": VhfModel,
        "waveform": WaveformModel,
    }
)
"""Each a frozen dataclass whose fields, with their defaults, are the keys of the table; wrong values raise ValueError
in `__post_init__`, beginning with the field's name and a colon."""


def build_model(table: Mapping[str, Any]) -> PathModel:
    """The model that a [model] table describes. Raises ValueError naming the key."""
    figures = dict(table)
    kind = figures.pop("kind", None)
    if not isinstance(kind, str) or kind not in MODELS:
        near = difflib.get_close_matches(str(kind), MODELS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(MODELS)) or 'none'}"
        raise ValueError(f"model.kind: got {kind!r}; {hint}")
    try:
        # By way of JSON, as for all configuration: strict validation then takes arrays as tuples and words as enums.
        built = _table_of(kind).model_validate_json(json.dumps({"model": figures}, default=str))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(_describe(first, kind)) from error
    model: PathModel = built.model  # type: ignore[attr-defined]
    return model


@cache
def _table_of(kind: str) -> type[pydantic.BaseModel]:
    """The dataclass as a field: it and those inside it then refuse unknown keys as every configuration does."""
    return create_model("ModelTable", __base__=StrictModel, model=(MODELS[kind], ...))


def _describe(item: Any, kind: str) -> str:
    parts = [str(part) for part in item["loc"] if str(part) != MODELS[kind].__name__]
    key, needed = ".".join(parts), item["msg"].removeprefix("Value error, ")
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        owner: Any = MODELS[kind]
        for part in parts[1:-1]:
            owner = typing.get_type_hints(owner).get(part)
        known = [field.name for field in fields(owner)] if is_dataclass(owner) else []
        near = difflib.get_close_matches(parts[-1], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"
        return f"{key}: unknown key of model {kind!r}; {hint}"
    if item["type"] == "value_error":  # of a table: it names the figure itself
        return f"{key}.{needed}"
    return f"{key}: got {item['input']!r}; {needed}"
