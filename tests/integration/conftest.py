"""Programs that end with the test, and station files for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import write_wav
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.tools.program import Program
from tests.integration.programs import Start


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Program] = []

    def begin(*arguments: str) -> Program:
        running.append(Program(*arguments))
        return running[-1]

    yield begin
    for program in running:
        program.close()


@pytest.fixture
def station(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> Callable[..., str]:
    """Writes a station file with small weights and returns its path."""
    weights = tmp_path / "small.safetensors"
    save_weights(weights, small_spec, small_codec.model.state_dict())
    write_wav(tmp_path / "said.wav", [np.tile(speechlike, 3)])

    def write(name: str, number: int, link: str, more: str = "") -> str:
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f"""
[station]
name = "{name}"
id = {number}
group = 4
[net.names]
1 = "alpha"
2 = "bravo"
[audio]
input = "file:said.wav"
output = "file:{name}-heard.wav"
[codec]
weights = "small.safetensors"
search = "off"
[ptt]
tones = false
[log]
format = "json"
[link]
{link}
{more}
"""
        )
        return str(path)

    return write
