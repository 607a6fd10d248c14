"""How like a decoded stretch of speech is to the original, by mels and by what a recogniser hears, with the gradient.

Rule: the recogniser goes through a sound once; what it heard before a stretch it remembers, and attends to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.codec.ear import POSITIONS
from gateway.codec.frozen_ear import FrozenEar, Heard, Listened
from gateway.codec.mel import FLOOR
from gateway.codec.spec import MELS

_RANGE = 2.0
"""What lies further below the loudest bin is not heard (Whisper's floor, 8 decades, in its units)."""
_LEAST_SPREAD = 1e-6
_MARGIN = 4
"""Mel frames before those listened to that the recogniser's convolutions reach, made even."""


class Likeness:
    """Log-mel L1 and the recogniser's features apart (`relative_l1`), for one stretch after the other: `aim` at the
    original, ask for any decoded mels, and `keep` what was decided on."""

    def __init__(self, ear: FrozenEar, layers: Sequence[int], features_weight: float, context: int) -> None:
        """`layers` are compared, their sum weighing `features_weight` against mels; `context` is how many mel frames
        before a stretch are attended to."""
        self._layers, self._weight = layers, features_weight
        self._original, self._decoded = (_Listener(ear, 1 + max(layers), context) for _ in range(2))
        self._floor = FLOOR
        self._wanted = torch.zeros(0, MELS)
        self._wanted_features: list[Tensor] = []
        self._shares: list[float] = []
        self._original_heard: Heard | None = None

    def aim(self, original: Tensor) -> None:
        """At mels (n, 80), n even, that follow those that were kept."""
        self._floor = max(FLOOR, max(float(original.max()), self._original.peak) - _RANGE)
        for listener in (self._original, self._decoded):
            listener.ready(len(original), self._floor)
        self._wanted = original.clamp_min(self._floor)
        listened = self._original.listen(self._wanted)
        self._original_heard = listened.heard
        self._wanted_features = [listened.outputs[layer] for layer in self._layers]
        spreads = [(wanted - wanted.mean()).abs().sum() for wanted in self._wanted_features]
        self._shares = [self._weight / (len(spreads) * max(float(spread), _LEAST_SPREAD)) for spread in spreads]

    def __call__(self, decoded: Tensor) -> tuple[float, Callable[[], Tensor]]:
        """How far mels (n, 80) are from those aimed at, and what gives its gradient for them."""
        heard = decoded.clamp_min(self._floor)
        listened = self._decoded.listen(heard)
        apart = heard - self._wanted
        features_apart = [
            listened.outputs[layer] - wanted for layer, wanted in zip(self._layers, self._wanted_features, strict=True)
        ]
        loss = apart.abs().mean()
        for difference, share in zip(features_apart, self._shares, strict=True):
            loss = loss + difference.abs().sum() * share

        def gradient() -> Tensor:
            signs = zip(self._layers, features_apart, self._shares, strict=True)
            to_heard = listened.back({layer: difference.sign() * share for layer, difference, share in signs})
            return (to_heard + apart.sign() / apart.numel()) * (decoded >= self._floor)

        return float(loss), gradient

    def keep(self, original: Tensor, decoded: Tensor, count: int) -> None:
        """The first `count` frames of mels (n, 80) were decided on; what follows them is heard with them."""
        heard = None if self._original_heard is None else self._decoded.listen(decoded.clamp_min(self._floor)).heard
        self._decoded.keep(decoded, heard, count)
        self._original.keep(original, self._original_heard, count)
        self._original_heard = None


class _Listener:
    """A recogniser's ear on one sound, a stretch at a time."""

    def __init__(self, ear: FrozenEar, layers: int, context: int) -> None:
        self._ear, self._count, self._context = ear, layers, context
        self._floor, self._past = FLOOR, torch.zeros(0, MELS)
        self._before: Heard | None = None

    @property
    def peak(self) -> float:
        """The loudest bin of the context."""
        return float(self._past.max()) if len(self._past) else FLOOR

    def ready(self, count: int, floor: float) -> None:
        """For stretches of `count` mel frames: the context is listened to again where it was not before, or the
        recogniser has no more positions."""
        self._floor = floor
        if len(self._past) and (self._before is None or self._before.position + count // 2 > POSITIONS):
            sound, _ = self._ear.embed(self._past.clamp_min(floor))
            self._before = self._ear.listen(sound, self._count).heard

    def listen(self, mel: Tensor) -> Listened:
        """Mels (n, 80) that follow the context; `back` leads to them."""
        edge = self._past[-_MARGIN:].clamp_min(self._floor)
        sound, from_sound = self._ear.embed(torch.cat([edge, mel]))
        skipped = len(edge) // 2
        listened = self._ear.listen(sound[skipped:], self._count, self._before)

        def back(gradients: dict[int, Tensor]) -> Tensor:
            return from_sound(F.pad(listened.back(gradients), (0, 0, skipped, 0)))[len(edge) :]

        return listened._replace(back=back)

    def keep(self, mel: Tensor, heard: Heard | None, count: int) -> None:
        """The first `count` frames of `mel` join the context, as they were `heard` with the rest, if they were."""
        self._past = torch.cat([self._past, mel[:count]])[-self._context :]
        self._before = None if heard is None else heard.until((len(mel) - count) // 2, self._context // 2)
