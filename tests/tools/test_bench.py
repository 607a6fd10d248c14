"""The benchmark measures the weights it is given and has stable names."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.tools.bench import run_bench, table


def test_figures_of_a_small_codec(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, small_spec, small_codec.model.state_dict())
    figures = run_bench(path, repeats=1)
    values = json.loads(json.dumps(figures.as_dict()))
    assert 0 < values["encode_real_time_factor"] < 100
    assert 0 < values["encode_real_time_factor"] < values["live_search_real_time_factor"]
    assert values["encode_real_time_factor"] < values["quick_search_real_time_factor"]
    assert values["encode_step_ms_p50"] <= values["encode_step_ms_p99"]
    assert values["weights_mb"] == round(path.stat().st_size / 1e6, 2) or values["weights_mb"] > 0
    assert values["algorithmic_delay_ms"] == small_codec.delay_ms()
    assert "real time" in table(figures.as_dict())
