"""The weights in the package: what an operator hears. Thresholds have a margin below what MODEL_CARD.md reports."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path

import numpy as np
import pytest
from pystoi import stoi

from gateway.audio.files import read_audio
from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel
from gateway.codec import Codec, SearchSettings
from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.codec.spec import FRAME_SAMPLES
from gateway.evaluation import codec2
from gateway.evaluation.asr import load_recogniser
from gateway.evaluation.quality import align
from gateway.evaluation.speech import Clip, load_clips
from gateway.evaluation.wer import normalise, word_errors
from gateway.metrics import Metrics
from gateway.receive import Receiver
from gateway.samples import sample_path
from gateway.tools.loopback import LoopbackOptions, run_loopback
from gateway.transmit import Transmitter

GOLDEN = Path(__file__).parent / "golden" / "codec_v1.json"


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    return read_audio(sample_path())


@pytest.fixture(scope="module")
def clips(speech_folder: Path) -> list[Clip]:
    return load_clips(speech_folder, "cv-native", 16)


def intelligibility(original: np.ndarray, heard: np.ndarray) -> float:
    return float(stoi(*align(original, heard), 16_000))


def test_size_rate_and_delay(codec: Codec, sample: np.ndarray) -> None:
    assert DEFAULT_WEIGHTS.stat().st_size <= 20e6
    assert len(codec.encode(sample)) == 3 * -(-len(sample) // FRAME_SAMPLES)
    assert codec.delay_ms() <= 255


def test_bits_do_not_depend_on_chunks(codec: Codec, sample: np.ndarray) -> None:
    whole = codec.encode(sample[:50_000])
    stream = codec.encoder_stream()
    cuts = np.split(sample[:50_000], [1, 700, 1980, 1981, 20_000, 33_333])
    assert b"".join([f for cut in cuts for f in stream.push(cut)] + stream.flush()) == whole


def test_replay_from_a_saved_state(codec: Codec, sample: np.ndarray) -> None:
    stream = codec.encoder_stream()
    stream.push(sample[:20_000])
    saved = copy.deepcopy(stream)
    first = [*stream.push(sample[20_000:40_000]), *stream.flush()]
    assert [*saved.push(sample[20_000:40_000]), *saved.flush()] == first


def test_the_packaged_sample_is_understandable(codec: Codec, sample: np.ndarray) -> None:
    heard = codec.decode(codec.encode(sample))[: len(sample)]
    assert intelligibility(sample, heard) > 0.75


def test_frames_of_the_frozen_version_are_read(codec: Codec, sample: np.ndarray) -> None:
    """Codec version 1 is frozen: these are the sample's frames as its first encoder made them, and every later decoder
    reads them as well (SPEC.md 4.6). Whoever changes the weights leaves the file alone."""
    golden = json.loads(GOLDEN.read_text())
    heard = codec.decode(bytes.fromhex(golden["frames"]))[: len(sample)]
    assert intelligibility(sample, heard) > golden["stoi"] - 0.03
    recogniser = load_recogniser("base", threads=2)
    text = normalise(recogniser.transcribe(heard))
    assert word_errors(normalise(golden["text"]), text) <= golden["word_errors"] + 3


def test_all_codes_are_used(codec: Codec, clips: list[Clip]) -> None:
    frames = b"".join(codec.encode(clip.pcm) for clip in clips)
    values = np.unpackbits(np.frombuffer(frames, np.uint8)).reshape(-1, 8, 3) @ [4, 2, 1]
    for digit in range(8):
        shares = np.bincount(values[:, digit], minlength=8) / len(values)
        assert -(shares[shares > 0] * np.log2(shares[shares > 0])).sum() > 2.5  # of 3 bits


def test_human_speech_keeps_its_words_better_than_codec2_700c(codec: Codec, clips: list[Clip]) -> None:
    """Sixteen clips of sixteen speakers: a guard against a broken release, not the figure of the model card."""
    if not codec2.available():
        pytest.skip("c2enc and c2dec are not installed (Debian package codec2)")
    recogniser = load_recogniser("base", threads=2)
    words = ours = searched = classic = 0
    scores = []
    for clip in clips:
        reference = normalise(recogniser.transcribe(clip.pcm))
        heard = codec.decode(codec.encode(clip.pcm))[: len(clip.pcm)]
        scores.append(intelligibility(clip.pcm, heard))
        words += len(reference.split())
        ours += word_errors(reference, normalise(recogniser.transcribe(heard)))
        heard = codec.decode(codec.encode(clip.pcm, search=SearchSettings()))[: len(clip.pcm)]
        searched += word_errors(reference, normalise(recogniser.transcribe(heard)))
        classic += word_errors(reference, normalise(recogniser.transcribe(codec2.through_codec2(clip.pcm, "700C"))))
    assert np.mean(scores) > 0.75
    assert ours / words < 0.6
    assert ours < classic
    assert searched < 0.7 * ours


def test_ten_percent_loss_is_bounded(codec: Codec, clips: list[Clip]) -> None:
    lossy = load_channel("loss-10-burst-2")
    clean_scores, lossy_scores = [], []
    for seed, clip in enumerate(clips[:8]):
        clean = run_loopback(codec, clip.pcm, ChannelSpec("clean")).heard
        result = run_loopback(codec, clip.pcm, lossy, LoopbackOptions(seed=seed))
        assert np.isfinite(result.heard).all()
        # No bang where packets are missing: never louder than the same speech was without loss.
        assert np.abs(result.heard).max() <= 1.5 * np.abs(clean).max() + 0.02
        assert result.report.frames_skipped == 0
        clean_scores.append(intelligibility(clip.pcm, clean))
        lossy_scores.append(intelligibility(clip.pcm, result.heard))
    assert np.mean(clean_scores) - np.mean(lossy_scores) < 0.15


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_bit_errors_do_not_bang(codec: Codec, sample: np.ndarray, share: float) -> None:
    raw = np.frombuffer(codec.encode(sample), np.uint8)
    flips = np.packbits(np.random.default_rng(1).random(len(raw) * 8) < share)
    heard = codec.decode((raw ^ flips).tobytes())
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1.0


def test_silence_stays_silent(codec: Codec) -> None:
    heard = codec.decode(codec.encode(np.zeros(48_000, np.float32)))
    assert np.abs(heard[FRAME_SAMPLES:]).max() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_concealment_begins_and_ends_without_a_click(codec: Codec, sample: np.ndarray, seed: int) -> None:
    """Gaps of 1 to 18 frames: at their borders the sound jumps no more than within the speech around them."""
    rng, raw, erased, place = np.random.default_rng(seed), codec.encode(sample), set(), 0
    count = len(raw) // 3
    while place < count:
        place += int(rng.integers(3, 25))
        gap = int(rng.choice([1, 3, 6, 12, 18]))
        erased |= set(range(place, place + gap))
        place += gap
    stream = codec.decoder_stream()
    parts = [stream.decode(None if k in erased else raw[3 * k : 3 * k + 3]) for k in range(count)]
    jumps = np.abs(np.diff(np.concatenate(parts)))
    borders = [k * FRAME_SAMPLES - 1 for k in range(1, count) if (k in erased) != (k - 1 in erased)]
    assert len(borders) > 10
    for at in borders:
        around = np.delete(jumps[at - 320 : at + 321], 320)  # 20 ms on each side
        assert jumps[at] <= around.max() + 2e-3


def test_a_long_gap_leaves_and_returns_without_a_click(codec: Codec, sample: np.ndarray) -> None:
    """Nothing comes for 3 s: the sound has faded before the speaker runs dry, and comes back from silence."""
    sender = Transmitter(
        codec, source=1, group=1, frames_per_packet=6, crc=False, rng=random.Random(1), metrics=Metrics()
    )
    receiver = Receiver(codec, frames_per_packet=6, crc=False, cushion_s=0.06, cap_s=1.5, metrics=Metrics())
    sender.start()
    packets = sender.push(sample) + sender.finish()
    waiting = [(0.48 * n, data) for n, data in enumerate(packets) if not 6 <= n < 12]
    heard, now, was_dry, borders = [], 0.0, True, []
    while waiting or receiver.busy:
        while waiting and waiting[0][0] <= now:
            receiver.on_packet(waiting.pop(0)[1], now)
        played, _ = receiver.play(now)
        if (played is None) != was_dry:
            borders.append(len(heard) * FRAME_SAMPLES - 1)
            was_dry = played is None
        heard.append(np.zeros(FRAME_SAMPLES, np.float32) if played is None else played.pcm)
        now += 0.08
    assert len(borders) >= 3  # in, out into the gap, back
    jumps = np.abs(np.diff(np.concatenate([*heard, np.zeros(FRAME_SAMPLES, np.float32)])))
    assert max(jumps[at] for at in borders if at >= 0) < 5e-3
    for at in borders:
        if at >= 0:
            around = np.delete(jumps[max(0, at - 320) : at + 321], min(at, 320))
            assert jumps[at] <= around.max() + 2e-3
