"""Systems: rates, repeatable damage, and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.denoise import denoise
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.codec.level import active_level_db
from gateway.errors import ConfigError, EvaluationError
from gateway.evaluation import systems as systems_module
from gateway.evaluation.systems import bits_a_second, build_damaged, build_protected, build_systems, with_bit_errors


def test_rates() -> None:
    names = (
        "original",
        "8khz",
        "codec2-700C",
        "codec2-3200",
        "ours-300",
        "ours-150",
        "ours through geo",
        "ours-300-denoised",
    )
    assert [bits_a_second(name) for name in names] == [None, None, 700, 3200, 300, 150, 300, 300]


def test_ours_gives_as_many_samples_as_it_got(
    tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray
) -> None:
    weights = tmp_path / "w.safetensors"
    save_weights(weights, small_spec, small_codec.model.state_dict())
    systems = build_systems(("original", "ours-300", "ours-150", "ours-300-quick", "ours-300-thorough"), weights, [])
    systems |= build_damaged(("loss-10-burst-2",), (0.01,), weights)
    systems |= build_damaged(("loss-10-burst-2",), (0.01,), weights, search=True)
    assert list(systems)[5:] == [
        "ours through loss-10-burst-2",
        "ours, bit errors 1 %",
        "ours searched through loss-10-burst-2",
        "ours searched, bit errors 1 %",
    ]
    for name, system in systems.items():
        first, again = system(4, speechlike), system(4, speechlike)
        assert np.array_equal(first, again), name
        assert abs(len(first) - len(speechlike)) <= 1280, name
    assert not np.array_equal(systems["ours, bit errors 1 %"](4, speechlike), systems["ours-300"](4, speechlike))


def test_no_bit_errors_no_difference(small_codec: Codec, speechlike: np.ndarray) -> None:
    frames = small_codec.encode(speechlike, level_db=active_level_db(speechlike))
    untouched = small_codec.decode(frames)[: len(speechlike)]
    assert np.array_equal(with_bit_errors(small_codec, speechlike, 0.0, 1), untouched)


def test_noise_suppression_is_a_system_of_its_own(
    tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "w.safetensors"
    save_weights(weights, small_spec, small_codec.model.state_dict())
    notes: list[str] = []
    if systems_module.available():
        names = ("ours-300", "ours-300-live", "ours-300-denoised", "ours-300-denoised-live")
        systems = build_systems(names, weights, notes)
        heard = systems["ours-300-denoised"](0, speechlike)
        assert np.array_equal(heard, systems["ours-300"](0, denoise(speechlike)))
        searched = systems["ours-300-denoised-live"](0, speechlike)
        assert np.array_equal(searched, systems["ours-300-live"](0, denoise(speechlike)))
        assert not np.array_equal(searched, heard)
        assert notes == []
    monkeypatch.setattr(systems_module, "available", lambda: False)
    assert build_systems(("ours-300-denoised",), weights, notes) == {}
    assert notes == ["ours-300-denoised skipped: pyrnnoise is not installed (extra denoise)"]


def test_mistakes_are_named() -> None:
    with pytest.raises(EvaluationError, match="system 'codec2-9600' is not known"):
        build_systems(("codec2-9600",), None, [])
    with pytest.raises(ConfigError, match="nowhere"):
        build_damaged(("nowhere",), (), None)
    assert build_damaged((), (), None) == {}


def test_protected_systems_are_pairs_of_channel_and_protection(
    tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray
) -> None:
    weights = tmp_path / "w.safetensors"
    save_weights(weights, small_spec, small_codec.model.state_dict())
    systems = build_protected((("loss-20-burst-2", "none"), ("loss-20-burst-2", "payload-repeat")), weights)
    assert list(systems) == ["ours through loss-20-burst-2, none", "ours through loss-20-burst-2, payload-repeat"]
    heard = [system(1, speechlike) for system in systems.values()]
    assert len(heard[0]) == len(heard[1]) == len(speechlike)
    assert build_protected((), None) == {}
    with pytest.raises(ConfigError, match="no protection 'nothing'"):
        build_protected((("clean", "nothing"),), weights)
