"""Search: the same frames however the sound comes in, nothing taken back, and closer to the original to the ear."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gateway.audio.files import read_audio
from gateway.codec import Codec, SearchPace, SearchSettings, search
from gateway.codec.bits import hear
from gateway.codec.ear import load_ear, relative_l1
from gateway.samples import sample_path

QUICK = SearchSettings(steps=2, segment_frames=10, ahead_frames=2, context_frames=4)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(sample_path())[: 5 * 16_000]


@pytest.mark.parametrize("samples", [0, 1, 1280, 1281, 12_800, 30_000])
def test_as_many_frames_as_without(small_codec: Codec, speechlike: np.ndarray, samples: int) -> None:
    pcm = speechlike[:samples]
    assert len(small_codec.encode(pcm, search=QUICK)) == len(small_codec.encode(pcm))


def test_processors_without_fast_bfloat16_search_in_float32(
    small_codec: Codec, speechlike: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.codec.search.has_fast_bfloat16", lambda: False)
    plain, searched = (Codec(small_codec.model).encode(speechlike, search=search) for search in (None, QUICK))
    assert len(searched) == len(plain)
    assert searched != plain


def test_silence_and_full_scale_are_searched_too(codec: Codec) -> None:
    rng = np.random.default_rng(1)
    loud = np.sign(rng.standard_normal(20_000)).astype(np.float32)
    for pcm in (np.zeros(20_000, np.float32), loud, np.full(20_000, np.nan, np.float32)):
        raw = codec.encode(pcm, search=QUICK)
        assert len(raw) == 3 * 16
        assert np.isfinite(codec.decode(raw)).all()


def test_bits_do_not_depend_on_chunks_and_are_never_taken_back(codec: Codec, speech: np.ndarray) -> None:
    pcm = speech[:30_000]
    whole = codec.encode(pcm, search=QUICK)
    stream, handed_out = codec.encoder_stream(search=QUICK), b""
    for cut in np.split(pcm, [1, 700, 1980, 20_000]):
        handed_out += b"".join(stream.push(cut))
        assert whole.startswith(handed_out)
    # 23 whole frames came in; two segments of ten are out as soon as the guesses of the lookahead suffice.
    assert len(handed_out) == 3 * 20
    assert handed_out + b"".join(stream.flush()) == whole
    assert b"".join([*stream.push(pcm), *stream.flush()]) == whole, "a stream begins afresh after flush"


@pytest.mark.parametrize(
    "settings",
    [SearchSettings(), SearchSettings.quick(), SearchSettings.thorough(), SearchSettings.live(6)],
    ids=["whole", "quick", "thorough", "live"],
)
def test_the_ear_hears_less_difference(codec: Codec, speech: np.ndarray, settings: SearchSettings) -> None:
    """In the decoder's mels, which the search listens to, and in the vocoder's sound of them."""
    ear, model = load_ear(), codec.model

    @torch.no_grad()
    def differences(frames: bytes) -> tuple[float, float]:
        original = ear(model.mels(torch.from_numpy(speech)[None]))[:3]
        values = torch.from_numpy(np.stack([hear(frames[i : i + 3]).values for i in range(0, len(frames), 3)]))[None]
        mels = model.decode_values(values, torch.zeros_like(values))[:, : len(speech) // 160]
        sound = torch.from_numpy(codec.decode(frames)[: len(speech)])[None]
        in_mels, in_sound = (float(relative_l1(ear(m)[:3], original)) for m in (mels, model.mels(sound)))
        return in_mels, in_sound

    plain, searched = differences(codec.encode(speech)), differences(codec.encode(speech, search=settings))
    assert searched[0] < 0.97 * plain[0]
    assert searched[1] < 0.99 * plain[1]


def test_a_search_that_leads_astray_is_not_followed(codec: Codec, speech: np.ndarray) -> None:
    """At a rate beyond all reason each step makes it worse."""
    pcm = speech[:30_000]
    for looks_again in (True, False):
        wild = SearchSettings(steps=2, rate=50.0, segment_frames=30, looks_again=looks_again)
        assert codec.encode(pcm, search=wild) == codec.encode(pcm)


def test_live_search_hands_out_a_packet_when_it_is_full(codec: Codec, speech: np.ndarray) -> None:
    """With a lookahead of 2 the sixth frame is known when the eighth has come in, searched or not."""
    plain, live = codec.encoder_stream(2), codec.encoder_stream(2, SearchSettings.live(6))
    counts = [(len(plain.push(block)), len(live.push(block))) for block in speech[: 20 * 1280].reshape(-1, 1280)]
    assert np.cumsum([a for a, _ in counts])[[7, 13, 19]].tolist() == [6, 12, 18]
    assert np.cumsum([b for _, b in counts])[[7, 13, 19]].tolist() == [6, 12, 18]
    assert {b for _, b in counts} == {0, 6}


def test_a_search_for_the_first_stage_serves_who_gets_it_alone(codec: Codec, speech: np.ndarray) -> None:
    ear = load_ear()

    def difference(frames: bytes) -> float:
        heard = codec.decode(frames, stages=1)[: len(speech)]
        with torch.no_grad():
            original, decoded = (ear(codec.model.mels(torch.from_numpy(pcm)[None])) for pcm in (speech, heard))
        return float(relative_l1(decoded[:3], original[:3]))

    plain = codec.encode(speech)
    first = codec.encode(speech, search=SearchSettings(stages=1))
    assert difference(first) < 0.97 * difference(plain)
    # Stage 2's 12 bits are the encoder's own still.
    halves = [np.unpackbits(np.frombuffer(raw, np.uint8)).reshape(-1, 24) for raw in (plain, first)]
    assert (halves[0][:, 12:] == halves[1][:, 12:]).all()
    assert (halves[0][:, :12] != halves[1][:, :12]).any()


def test_a_pace_without_time_leaves_the_encoders_digits_and_with_time_changes_nothing(
    codec: Codec, speech: np.ndarray
) -> None:
    pcm = speech[:30_000]

    def paced(seconds_a_search: float) -> bytes:
        times = iter(range(10_000))
        pace = SearchPace(lambda: seconds_a_search * next(times), QUICK.steps)
        pace.took(QUICK.steps, QUICK.window_frames, seconds_a_search)
        stream = codec.encoder_stream(search=QUICK, pace=pace)
        return b"".join([*stream.push(pcm), *stream.flush()])

    assert paced(100.0) == codec.encode(pcm)
    assert paced(0.001) == codec.encode(pcm, search=QUICK)


def test_its_descent_is_that_of_torch() -> None:
    torch.manual_seed(3)
    ours = torch.randn(5, 8)
    theirs = ours.clone().requires_grad_(True)
    descent, optimiser = search._Adam(ours), torch.optim.Adam([theirs], lr=0.15, betas=search._MOMENTA)
    for step in range(6):
        gradient = torch.randn(5, 8)
        optimiser.param_groups[0]["lr"] = 0.15 - 0.01 * step
        theirs.grad = gradient
        optimiser.step()
        descent.step(gradient, 0.15 - 0.01 * step)
        assert torch.equal(ours, theirs)
