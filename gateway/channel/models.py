"""Path models by the name that a `[model]` table gives as its `kind`.

Rule: a model is found here or nowhere, so that every channel file means the same everywhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pydantic

from gateway.channel.conditions import PathModel

MODELS: Mapping[str, type[PathModel]] = MappingProxyType({})
"""Each a frozen dataclass whose fields, with their defaults, are the keys of the table; wrong values raise ValueError
in `__post_init__`, beginning with the field's name and a colon."""


def build_model(table: Mapping[str, Any]) -> PathModel:
    """The model that a [model] table describes. Raises ValueError naming the key."""
    figures = dict(table)
    kind = figures.pop("kind", None)
    if kind not in MODELS:
        near = difflib.get_close_matches(str(kind), MODELS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(MODELS)) or 'none'}"
        raise ValueError(f"model.kind: got {kind!r}; {hint}")
    adapter = pydantic.TypeAdapter(MODELS[kind], config=pydantic.ConfigDict(extra="forbid"))
    try:
        return adapter.validate_python(figures)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(["model", *(str(part) for part in first["loc"])])
        if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            raise ValueError(f"{key}: unknown key of model {kind!r}") from error
        raise ValueError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from error
