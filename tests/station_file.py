"""Station files as text, for tests of what they may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import StationConfig, parse_toml
from gateway.errors import ConfigError

CONFIGS = Path(__file__).parent.parent / "configs"
SHORT = '[station]\nname = "x"\nid = 7\n[link]\nkind = "memory"\n'


def parse(text: str, path: Path = Path("x.toml")) -> StationConfig:
    return parse_toml(text, StationConfig, path)


def refusal(text: str) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)
