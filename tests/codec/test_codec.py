"""The codec's promises: one result however the audio is cut, causality, independence of streams, graceful damage."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codec import Codec
from gateway.codec.quantizer import bounded
from gateway.codec.spec import FRAME_SAMPLES, SYNTHESIS_DELAY, algorithmic_delay_ms
from gateway.errors import CheckpointError, LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_three_bytes_per_80_ms(small_codec: Codec, lookahead: int) -> None:
    for samples in (0, 1, 1279, 1280, 1281, 12_800, 16_000):
        raw = small_codec.encode(np.zeros(samples, np.float32), lookahead)
        assert len(raw) == 3 * -(-samples // FRAME_SAMPLES)
        assert len(small_codec.decode(raw)) == len(raw) // 3 * FRAME_SAMPLES


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 5000), max_size=30), lookahead=st.integers(0, 2))
def test_bits_do_not_depend_on_chunks(small_codec: Codec, cuts: list[int], lookahead: int) -> None:
    pcm = np.random.default_rng(1).standard_normal(20_000).astype(np.float32) * 0.1
    whole = small_codec.encode(pcm, lookahead)
    stream = small_codec.encoder_stream(lookahead)
    parts = np.split(pcm, np.minimum(np.cumsum(cuts), len(pcm)).astype(int))
    assert b"".join([f for part in parts for f in stream.push(part)] + stream.flush()) == whole


def test_streams_do_not_touch_each_other(small_codec: Codec, speechlike: np.ndarray) -> None:
    other = speechlike[::-1].copy()
    a, b = small_codec.encoder_stream(), small_codec.encoder_stream()
    got_a: list[bytes] = []
    got_b: list[bytes] = []
    for start in range(0, len(speechlike), 700):
        got_a += a.push(speechlike[start : start + 700])
        got_b += b.push(other[start : start + 700])
    assert b"".join(got_a + a.flush()) == small_codec.encode(speechlike)
    assert b"".join(got_b + b.flush()) == small_codec.encode(other)


def test_replay_from_a_saved_state_is_bitwise_equal(small_codec: Codec, speechlike: np.ndarray) -> None:
    raw = small_codec.encode(speechlike)
    stream = small_codec.decoder_stream()
    for i in range(10):
        stream.decode(raw[3 * i : 3 * i + 3])
    saved = copy.copy(stream)
    first = [stream.decode(raw[3 * i : 3 * i + 3]) for i in range(10, 20)]
    second = [saved.decode(raw[3 * i : 3 * i + 3]) for i in range(10, 20)]
    assert all(np.array_equal(x, y) for x, y in zip(first, second, strict=True))


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_encoder_is_causal_up_to_its_lookahead(small_codec: Codec, speechlike: np.ndarray, lookahead: int) -> None:
    changed = speechlike.copy()
    cut = 12 * FRAME_SAMPLES
    changed[cut:] = np.random.default_rng(2).standard_normal(len(changed) - cut) * 0.2
    before, after = small_codec.encode(speechlike, lookahead), small_codec.encode(changed, lookahead)
    known = 3 * (12 - lookahead)
    assert before[:known] == after[:known]
    assert before[known:] != after[known:]


def test_decoder_is_causal(small_codec: Codec, speechlike: np.ndarray) -> None:
    raw = small_codec.encode(speechlike)
    changed = raw[:30] + bytes(b ^ 0xFF for b in raw[30:])
    same = 10 * FRAME_SAMPLES - SYNTHESIS_DELAY
    a, b = small_codec.decode(raw), small_codec.decode(changed)
    assert np.array_equal(a[:same], b[:same])
    assert not np.array_equal(a[same:], b[same:])


def test_whole_file_networks_equal_the_stream(small_codec: Codec, speechlike: np.ndarray) -> None:
    """One long chunk against 80 ms steps: latents agree, and so do all digits not on a decision boundary."""
    model = small_codec.model
    pcm = torch.from_numpy(np.pad(speechlike, (0, -len(speechlike) % FRAME_SAMPLES)))[None].double()
    double = copy.deepcopy(model).double()
    mel, _ = double.mel(pcm, double.mel.initial_state(1).double())
    for lookahead in (0, 1, 2):
        gates = torch.tensor([1.0 if k < lookahead else 0.0 for k in range(2)]).double()
        whole = double.encoder.train_path(mel, gates)
        state = double.encoder.initial_state(1)
        parts = []
        for start in range(0, mel.shape[1], 8):
            latent, state = double.encoder(mel[:, start : start + 8], state, lookahead)
            parts.append(latent)
        stepped = torch.cat([*parts, double.encoder.finish(state, lookahead)], dim=1)
        assert stepped.shape == whole.shape
        assert torch.allclose(stepped, whole, rtol=1e-12, atol=1e-12)
        a, b = double.quantizer(whole), double.quantizer(stepped)
        cells = (bounded(a.projections) + 1) * 4
        on_boundary = (cells - cells.round()).abs() < 1e-5
        assert torch.equal(a.digits[~on_boundary], b.digits[~on_boundary])


def test_damage_never_bangs(small_codec: Codec) -> None:
    rng = np.random.default_rng(3)
    raw = rng.bytes(3 * 200)
    erased = set(rng.choice(200, 60, replace=False).tolist())
    pcm = small_codec.decode(raw, erased=erased)
    assert np.isfinite(pcm).all()
    assert np.abs(pcm).max() <= 1.0


def test_long_gap_fades_to_silence_and_comes_back(small_codec: Codec, speechlike: np.ndarray) -> None:
    raw = small_codec.encode(speechlike)
    stream = small_codec.decoder_stream()
    for i in range(10):
        stream.decode(raw[3 * i : 3 * i + 3])
    gap = [stream.decode(None) for _ in range(12)]
    assert np.abs(gap[0]).max() > 0
    assert all(np.abs(part).max() == 0 for part in gap[8:])
    assert np.abs(stream.decode(raw[30:33])).max() > 0


def test_stage_one_ignores_the_last_twelve_bits(small_codec: Codec) -> None:
    raw = np.random.default_rng(4).bytes(60)
    spoilt = bytes(b if i % 3 == 0 else (b & 0xF0) if i % 3 == 1 else 0 for i, b in enumerate(raw))
    assert np.array_equal(small_codec.decode(raw, stages=1), small_codec.decode(spoilt, stages=1))
    assert not np.array_equal(small_codec.decode(raw), small_codec.decode(spoilt))


def test_soft_bits_without_doubt_are_hard_bits(small_codec: Codec) -> None:
    raw = b"\xa5\x3c\x0f"
    certain = np.unpackbits(np.frombuffer(raw, np.uint8)).astype(float)
    hard = small_codec.decoder_stream().decode(raw)
    assert np.allclose(small_codec.decoder_stream().decode_soft(certain), hard, atol=1e-6)
    erased = small_codec.decoder_stream().decode(None)
    assert np.allclose(small_codec.decoder_stream().decode_soft(np.full(24, 0.5)), erased, atol=1e-6)


@pytest.mark.parametrize("bad", [np.full(4000, np.nan), np.full(4000, np.inf), np.full(4000, 1e30)])
def test_absurd_samples_are_survived(small_codec: Codec, bad: np.ndarray) -> None:
    assert len(small_codec.encode(bad)) == 12


def test_wrong_shapes_are_named(small_codec: Codec) -> None:
    with pytest.raises(LocalProtocolError, match=r"\(100, 2\).*needed \(samples,\)"):
        small_codec.encode(np.zeros((100, 2), np.float32))
    with pytest.raises(RemoteProtocolError, match="not a multiple of 3"):
        small_codec.decode(b"1234")
    with pytest.raises(LocalProtocolError, match="lookahead 3 asked for"):
        small_codec.encoder_stream(3)
    with pytest.raises(LocalProtocolError, match="frame of 2 bytes"):
        small_codec.decoder_stream().decode(b"12")


def test_delay_formula() -> None:
    assert [algorithmic_delay_ms(n) for n in (0, 1, 2)] == [95.0, 175.0, 255.0]


def test_missing_weights_are_named(tmp_path: object) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors: no such codec weights"):
        Codec.load("nowhere.safetensors")
