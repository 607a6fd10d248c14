"""The codec as the rest of the gateway sees it: PCM to 3-byte frames and back, whole or as a stream.

Rule: everything runs in steps of exactly one 80 ms frame, whatever the caller's chunks, so the arithmetic, and with it
every bit, is the same for a file and for a live stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.codec import bits
from gateway.codec.checkpoint import DEFAULT_WEIGHTS, load_model
from gateway.codec.decoder import DecoderState
from gateway.codec.ear import load_ear
from gateway.codec.encoder import EncoderState
from gateway.codec.frozen import FrozenDecoder
from gateway.codec.frozen_ear import FrozenEar
from gateway.codec.level import LevelState, control_level
from gateway.codec.model import CodecModel
from gateway.codec.pace import SearchPace
from gateway.codec.packed import pack
from gateway.codec.search import Search, SearchSettings, for_search
from gateway.codec.spec import (
    DIGITS,
    FRAME_BYTES,
    FRAME_SAMPLES,
    MELS,
    STAGES,
    SYNTHESIS_DELAY,
    CodecSpec,
    algorithmic_delay_ms,
)
from gateway.codec.vocoder import VocoderState
from gateway.errors import LocalProtocolError, RemoteProtocolError

Pcm = NDArray[np.float32]

FADE_AFTER_FRAMES = 4
"""Erased frames in a row that are concealed at full level: 320 ms; speech guessed for longer is babble."""
FADE_FRAMES = 4
"""Frames over which concealment then fades to silence."""
RECOVERY_SAMPLES = 80
"""Ramp from silence back to speech, 5 ms: no click."""


class Codec:
    """Immutable weights; all state lives in the streams it makes. Safe to share between threads."""

    def __init__(self, model: CodecModel, weights: Path | None = None) -> None:
        """`weights` is where `model` came from if it has been packed since: a search loads it again."""
        self._model, self._weights = model, weights
        self._ear: tuple[FrozenDecoder, FrozenEar] | None = None

    @classmethod
    def load(cls, path: str | Path | None = None) -> Codec:
        """Load weights (the shipped ones by default); raises CheckpointError naming the file and the reason."""
        chosen = DEFAULT_WEIGHTS if path is None else Path(path)
        model = load_model(chosen)
        pack(model)
        return cls(model, chosen)

    @property
    def spec(self) -> CodecSpec:
        return self._model.spec

    @property
    def model(self) -> CodecModel:
        """The networks, for evaluation on mels."""
        return self._model

    def encoder_stream(
        self,
        lookahead: int | None = None,
        search: SearchSettings | None = None,
        pace: SearchPace | None = None,
        level_db: float | None = None,
    ) -> EncoderStream:
        """A fresh encoder for one over; `lookahead` in latent frames (80 ms each), the spec's default if None.

        With `search` it tries its digits on the decoder before it hands them out, a segment at a time (search.py);
        `pace` may cut its steps to what this machine has time for. `level_db`: the talker's active level, dBFS, where
        it is known from before (level.py).
        """
        chosen = self.spec.default_lookahead if lookahead is None else lookahead
        if not 0 <= chosen <= self.spec.max_lookahead:
            raise LocalProtocolError(
                f"lookahead {chosen} asked for; these weights allow 0 to {self.spec.max_lookahead}"
            )
        if search is None:
            return EncoderStream(self._model, chosen, level_db)
        return SearchingEncoderStream(self._model, chosen, level_db, lambda: Search(*self._listening(), search, pace))

    def _listening(self) -> tuple[FrozenDecoder, FrozenEar]:
        """The decoder that is tried, and the recogniser that listens; loaded at the first search."""
        if self._ear is None:
            model = self._model if self._weights is None else load_model(self._weights)
            self._ear = for_search(model, load_ear())
        return self._ear

    def decoder_stream(self) -> DecoderStream:
        """A fresh decoder for one talker's over."""
        return DecoderStream(self._model)

    def encode(
        self,
        pcm: NDArray[np.floating],
        lookahead: int | None = None,
        search: SearchSettings | None = None,
        level_db: float | None = None,
    ) -> bytes:
        """`pcm` (samples,) in -1..1 at 16 kHz to ceil(samples / 1280) frames of 3 bytes.

        `lookahead`, `search` and `level_db` as for `encoder_stream`.
        """
        stream = self.encoder_stream(lookahead, search, level_db=level_db)
        return b"".join([*stream.push(pcm), *stream.flush()])

    def decode(self, frames: bytes, erased: Collection[int] = (), stages: int = STAGES) -> Pcm:
        """Frames of 3 bytes to 1280 samples each, aligned with the encoder's input.

        `erased` are indices of frames that did not arrive; `stages` 1 decodes at 150 bit/s.
        """
        if len(frames) % FRAME_BYTES:
            raise RemoteProtocolError(f"{len(frames)} bytes of raw frames: not a multiple of {FRAME_BYTES}")
        stream = self.decoder_stream()
        count = len(frames) // FRAME_BYTES
        parts = [
            stream.decode(None if i in erased else frames[FRAME_BYTES * i : FRAME_BYTES * (i + 1)], stages)
            for i in range(count)
        ]
        return np.concatenate([*parts, stream.flush()])[SYNTHESIS_DELAY : SYNTHESIS_DELAY + count * FRAME_SAMPLES]

    def delay_ms(self, lookahead: int | None = None) -> float:
        """Algorithmic delay, computation aside."""
        return algorithmic_delay_ms(self.spec.default_lookahead if lookahead is None else lookahead)


class EncoderStream:
    """One over's encoder state: level control, front end, networks, and samples short of a frame."""

    def __init__(self, model: CodecModel, lookahead: int, level_db: float | None = None) -> None:
        self._model = model
        self.lookahead = lookahead
        self._expected_db = self.level_db = level_db
        """The talker's active level, dBFS: as expected, after `flush` as heard; for whoever codes the next over."""
        self._start()

    def _start(self) -> None:
        self._pending: Pcm = np.zeros(0, np.float32)
        self._level = LevelState.expecting(self._expected_db)
        self._mel: Tensor = self._model.mel.initial_state(1)
        self._state: EncoderState = self._model.encoder.initial_state(1)

    def push(self, pcm: NDArray[np.floating]) -> list[bytes]:
        """Take any number of samples; return the frames that became complete. Not-a-number counts as silence."""
        clean = np.nan_to_num(np.asarray(pcm, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        if clean.ndim != 1:
            raise LocalProtocolError(f"PCM of shape {clean.shape} given; needed (samples,)")
        whole = np.concatenate([self._pending, np.clip(clean, -1.0, 1.0)])
        full = len(whole) // FRAME_SAMPLES * FRAME_SAMPLES
        self._pending = whole[full:]
        return [code for frame in whole[:full].reshape(-1, FRAME_SAMPLES) for code in self._step(frame)]

    def flush(self) -> list[bytes]:
        """Fill the last frame with silence, return the frames still held back by the lookahead, and start afresh."""
        frames: list[bytes] = []
        if len(self._pending):
            frames += self.push(np.zeros(FRAME_SAMPLES - len(self._pending), np.float32))
        frames += self._rest()
        self.level_db = self._level.level_db
        self._start()
        return frames

    def _rest(self) -> list[bytes]:
        """The frames held back by the lookahead."""
        with torch.inference_mode():
            latent = self._model.encoder.finish(self._state, self.lookahead)
            self._state = self._state._replace(waiting=self._state.waiting[:, :0])
            return self._chosen(torch.zeros(0, MELS), latent)

    def _step(self, frame: Pcm) -> list[bytes]:
        levelled, self._level = control_level(frame, self._level)
        with torch.inference_mode():
            mel, self._mel = self._model.mel(torch.from_numpy(levelled)[None], self._mel)
            latent, self._state = self._model.encoder(mel, self._state, self.lookahead)
            return self._chosen(mel[0], latent)

    def _digits(self, latent: Tensor) -> Tensor:
        """Latents (1, n, width) to digits (n, 8)."""
        return self._model.quantizer(latent).digits[0] if latent.shape[1] else torch.zeros(0, DIGITS, dtype=torch.long)

    def _chosen(self, mel: Tensor, latent: Tensor) -> list[bytes]:
        """Frames to hand out, of mels (8 n, 80) that came in and latents (1, m, width) that became ready."""
        return pack_frames(self._digits(latent))


class SearchingEncoderStream(EncoderStream):
    """As its base, but digits go through a search, and come out segments later."""

    def __init__(
        self, model: CodecModel, lookahead: int, level_db: float | None, new_search: Callable[[], Search]
    ) -> None:
        self._new_search = new_search
        super().__init__(model, lookahead, level_db)

    def _start(self) -> None:
        super()._start()
        self._search = self._new_search()

    def _chosen(self, mel: Tensor, latent: Tensor) -> list[bytes]:
        guess = self._digits(self._model.encoder.finish(self._state, self.lookahead))
        return pack_frames(self._search.push(mel, self._digits(latent), guess))

    def _rest(self) -> list[bytes]:
        return super()._rest() + pack_frames(self._search.flush())


class DecoderStream:
    """One talker's decoder state: networks and how long nothing has arrived."""

    def __init__(self, model: CodecModel) -> None:
        self._model = model
        self._decoder: DecoderState = model.decoder.initial_state(1)
        self._vocoder: VocoderState = model.vocoder.initial_state(1)
        self._erased_in_a_row = 0
        self._gain = 1.0

    def decode(self, frame: bytes | None, stages: int = STAGES) -> Pcm:
        """One frame's 3 bytes, or None for an erased one, to 1280 samples (lagging by SYNTHESIS_DELAY)."""
        if frame is None:
            return self.decode_heard(bits.ERASED)
        if len(frame) != FRAME_BYTES:
            raise LocalProtocolError(f"a frame of {len(frame)} bytes given; needed {FRAME_BYTES}")
        return self.decode_heard(bits.hear(frame, stages))

    def decode_soft(self, one_probability: NDArray[np.float64]) -> Pcm:
        """As `decode`, from the probability (24,) that each bit of the frame is 1."""
        return self.decode_heard(bits.hear_soft(one_probability))

    def decode_heard(self, heard: bits.Heard) -> Pcm:
        """As `decode`, from level values and doubts."""
        with torch.inference_mode():
            values, doubt = (torch.from_numpy(part)[None, None] for part in heard)
            latent = self._model.quantizer.restore(values, doubt)
            mel, self._decoder = self._model.decoder(latent, self._decoder)
            wave, self._vocoder = self._model.vocoder(mel, self._vocoder)
        return self._faded(wave[0].numpy(), erased=bool(heard.doubt.min() >= 1.0))

    def _faded(self, wave: Pcm, erased: bool) -> Pcm:
        """Concealment at full level first, then a fade; recovery within 5 ms. Never above full scale."""
        self._erased_in_a_row = self._erased_in_a_row + 1 if erased else 0
        late = self._erased_in_a_row - FADE_AFTER_FRAMES
        target = 1.0 if late <= 0 else max(0.0, 1.0 - late / FADE_FRAMES)
        ramp = np.full(len(wave), target, np.float32)
        length = RECOVERY_SAMPLES if target > self._gain else len(wave)
        if target != self._gain:
            ramp[:length] = np.linspace(self._gain, target, length, dtype=np.float32)
        self._gain = target
        return np.asarray(np.clip(wave * ramp, -1.0, 1.0), dtype=np.float32)

    def flush(self) -> Pcm:
        """The samples still in the overlap of the window: (SYNTHESIS_DELAY,)."""
        return np.asarray(np.clip(self._vocoder.tail[0].numpy() * self._gain, -1.0, 1.0), dtype=np.float32)


def pack_frames(digits: Tensor) -> list[bytes]:
    """Digits (n, 8) to n frames of 3 bytes."""
    return [bits.pack(frame) for frame in digits.numpy()]


def frames_of(raw: bytes) -> Iterator[bytes]:
    """Cut raw frames into 3-byte pieces."""
    for start in range(0, len(raw), FRAME_BYTES):
        yield raw[start : start + FRAME_BYTES]
