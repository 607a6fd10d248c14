"""Analysis by synthesis: the encoder tries digits on its own decoder and keeps those that sound right to a recogniser.

A feed-forward encoder guesses the digits of a frame once. Here its guess is only the start: a segment of the over is
decoded, a recogniser's encoder (ear.py) listens to the result and to the original, and the gradient of what it hears
differently moves the digits, a few times over. Bits and decoder stay as they are: a receiver cannot tell.

Rule: what was handed out is never changed; each segment begins where the decoder stands after the one before it.
Closed-loop coding by the error after decoding is that of CELP (Schroeder and Atal, ICASSP 1985); the straight-through
gradient is that of training (quantizer.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.codec.ear import FEATURE_LAYERS, WhisperEncoder
from gateway.codec.frozen import FrozenDecoder
from gateway.codec.frozen_ear import FrozenEar
from gateway.codec.likeness import Likeness
from gateway.codec.model import CodecModel
from gateway.codec.pace import SearchPace
from gateway.codec.quantizer import level_value, nearest_digit
from gateway.codec.spec import DIGITS, FRAME_HOPS, MELS, STAGES

_EDGE = 0.95
"""Level values are kept this far inside (-1, 1), where the map to the real line is finite."""
_MOMENTA = (0.8, 0.95)


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """`steps` of gradient for each segment of `segment_frames`; `ahead_frames` are chosen with it and chosen again by
    the next; the recogniser has heard `context_frames` before it. `rate` is the first step's size before tanh."""

    steps: int = 6
    rate: float = 0.15
    segment_frames: int = 75
    ahead_frames: int = 6
    context_frames: int = 12
    features_weight: float = 1.5
    """Of the recogniser's features against log-mel L1."""
    layers: tuple[int, ...] = FEATURE_LAYERS
    """Of the recogniser, compared (0-based)."""
    looks_again: bool = True
    """Whether the last step's result is listened to, for a third of a step's computing, and left if another was better;
    else it is taken, unless the steps before it led astray."""
    stages: int = STAGES
    """1: for receivers that get the first 12 bits of each frame alone (150 bit/s); the others are left as they are."""

    @property
    def window_frames(self) -> int:
        """Frames chosen at a time."""
        return self.segment_frames + self.ahead_frames

    @classmethod
    def quick(cls) -> SearchSettings:
        """Three steps for half the computing, a few words dearer (README, "Measure")."""
        return cls(steps=3, rate=0.18, looks_again=False)

    @classmethod
    def thorough(cls) -> SearchSettings:
        """Four times the steps in some twice the computing, for sound that nobody waits for: a little clearer."""
        return cls(steps=24)

    @classmethod
    def live(cls, frames_per_packet: int, lookahead: int = 2) -> SearchSettings:
        """For speech that leaves in packets: each is searched when it is full, with guesses at the frames of the
        encoder's `lookahead`, so no delay is added but that of computing.

        Twice the context of files, for segments are short: by dev clips it is worth its little computing."""
        return cls(segment_frames=frames_per_packet, ahead_frames=lookahead, context_frames=24)


class Search:
    """Searches one over: mels and the encoder's digits in, the digits to send out, a segment at a time."""

    def __init__(
        self,
        decoder: FrozenDecoder,
        ear: FrozenEar,
        settings: SearchSettings | None = None,
        pace: SearchPace | None = None,
    ) -> None:
        """`pace` may take fewer steps than set."""
        self._decoder, self._pace = decoder, pace
        self._settings = SearchSettings() if settings is None else settings
        chosen = self._settings
        self._likeness = Likeness(ear, chosen.layers, chosen.features_weight, chosen.context_frames * FRAME_HOPS)
        self._state = decoder.initial_state()
        self._target = torch.zeros(0, MELS)
        self._digits = self._guess = torch.zeros(0, DIGITS, dtype=torch.long)

    def push(self, mel: Tensor, digits: Tensor, guess: Tensor) -> Tensor:
        """Mels (8 n, 80) that came in, and the encoder's digits (m, 8) of the next frames; `guess` (k, 8) are those it
        would give the frames after them if no more came. Gives the digits that are chosen now, perhaps none."""
        self._target = torch.cat([self._target, mel])
        self._digits, self._guess = torch.cat([self._digits, digits]), guess
        settings, chosen = self._settings, [self._digits[:0]]
        while len(self._digits) >= settings.segment_frames and self._heard() >= settings.window_frames:
            chosen.append(self._segment(settings.segment_frames, settings.window_frames))
        return torch.cat(chosen)

    def flush(self) -> Tensor:
        """The digits (m, 8) of all frames that are left."""
        chosen, settings = [self._digits[:0]], self._settings
        while left := len(self._digits):
            chosen.append(self._segment(min(left, settings.segment_frames), min(left, settings.window_frames)))
        return torch.cat(chosen)

    def _heard(self) -> int:
        """Frames with mels and digits or a guess at them."""
        return min(len(self._digits) + len(self._guess), len(self._target) // FRAME_HOPS)

    def _segment(self, keep: int, frames: int) -> Tensor:
        """Choose digits of the next `frames`, in as many steps as there is time for, and hand out the first `keep`."""
        settings, pace = self._settings, self._pace
        steps = settings.steps if pace is None else min(settings.steps, pace.steps(keep, frames))
        begun_s = 0.0 if pace is None else pace.now()
        digits = torch.cat([self._digits, self._guess])[:frames]
        target, hops = self._target[: frames * FRAME_HOPS], keep * FRAME_HOPS
        values = self._choose(digits, target, steps) if steps else level_value(digits)
        decoded, _, _ = self._decoder(values, self._state, settings.stages)
        _, self._state, _ = self._decoder(values[:keep], self._state, settings.stages)
        self._likeness.keep(target, decoded, hops)
        self._target, self._digits = self._target[hops:], self._digits[keep:]
        if pace is not None and steps:
            pace.took(steps, frames, pace.now() - begun_s)
        elif pace is not None:
            pace.skipped()
        return nearest_digit(values[:keep]).long()

    def _choose(self, digits: Tensor, target: Tensor, steps: int) -> Tensor:
        """The best level values (frames, 8) found for mels like `target` (8 frames, 80)."""
        settings = self._settings
        self._likeness.aim(target)
        best, losses = level_value(digits), list[float]()
        point = torch.atanh(best.clamp(-_EDGE, _EDGE))
        descent = _Adam(point)
        for step in range(steps + settings.looks_again):
            soft = torch.tanh(point)
            values = level_value(nearest_digit(soft))
            decoded, _, from_decoded = self._decoder(values, self._state, settings.stages)
            loss, from_loss = self._likeness(decoded)
            losses.append(loss)
            if loss < min(losses[:-1], default=float("inf")):
                best = values
            if step < steps:
                gradient = from_decoded(from_loss()) * (1 - soft * soft)  # as if rounding were not there
                descent.step(gradient, settings.rate * (1 - 0.7 * step / steps))
        if not settings.looks_again and losses[-1] <= losses[0]:
            return level_value(nearest_digit(torch.tanh(point)))
        return best


class _Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) for one tensor: torch's own loads a compiler as it is first made, some
    seconds and 80 MB that a station's start need not have."""

    def __init__(self, point: Tensor) -> None:
        self._point = point
        self._mean, self._power = torch.zeros_like(point), torch.zeros_like(point)
        self._steps = 0

    def step(self, gradient: Tensor, rate: float) -> None:
        """Move the point, in place."""
        first, second = _MOMENTA
        self._steps += 1
        self._mean.lerp_(gradient, 1 - first)
        self._power.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = (self._power.sqrt() / (1 - second**self._steps) ** 0.5).add_(1e-8)
        self._point.addcdiv_(self._mean, scale, value=-rate / (1 - first**self._steps))


def for_search(model: CodecModel, ear: WhisperEncoder) -> tuple[FrozenDecoder, FrozenEar]:
    """Both frozen, their matrices in bfloat16 where the processor is fast with it. `model` in float32, not packed."""
    kind = torch.bfloat16 if has_fast_bfloat16() else torch.float32
    return FrozenDecoder(model, kind), FrozenEar(ear, kind)


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
