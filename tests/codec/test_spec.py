"""The spec travels as JSON and refuses what this program cannot run."""

from __future__ import annotations

import pytest

from gateway.codec.spec import CodecSpec, algorithmic_delay_ms
from gateway.errors import CheckpointError


def test_round_trip() -> None:
    spec = CodecSpec(widths=(8, 16, 24), default_lookahead=2)
    assert CodecSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"colour": 3}'])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="not readable"):
        CodecSpec.from_json(text)


def test_another_codec_is_refused() -> None:
    text = CodecSpec().to_json().replace('"codec_id": 1', '"codec_id": 7')
    with pytest.raises(CheckpointError, match="codec 7 version 1"):
        CodecSpec.from_json(text)


def test_delay_grows_by_a_frame_for_each_frame_of_lookahead() -> None:
    assert [algorithmic_delay_ms(n) for n in range(3)] == [95.0, 175.0, 255.0]
