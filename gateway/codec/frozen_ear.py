"""The recogniser's ear for a search: frozen, one sound at a time, with the gradient for its mels written out.

Rule: what it hears is what the ear hears (ear.py); see frozen.py for why this is not left to autograd. Whisper's
layers after Radford et al. 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.codec.ear import HEAD_SIZE, WhisperEncoder
from gateway.codec.frozen import Matrix, Norm, Pullback, attend, split_heads

_TAPS = 3


class KeysValues(NamedTuple):
    """What one layer of attention keeps of what it listened to, each (heads, n, 64)."""

    keys: Tensor
    values: Tensor


class Heard(NamedTuple):
    """What is attended to of the sound before: keys and values of each layer, and the position of what comes next."""

    layers: list[KeysValues]
    position: int

    def until(self, ahead: int, most: int) -> Heard:
        """Without its last `ahead`, and of the rest only the last `most`."""
        end = self.layers[0].keys.shape[1] - ahead
        part = slice(max(0, end - most), end)
        return Heard([KeysValues(k[:, part], v[:, part]) for k, v in self.layers], self.position - ahead)


class Listened(NamedTuple):
    """`outputs` of the layers, each (n, width), what is `heard` of it by a continuation, and `back`: from gradients for
    some outputs (by layer) to that for the input."""

    outputs: list[Tensor]
    heard: Heard
    back: Callable[[dict[int, Tensor]], Tensor]


class _Convolution:
    """Over time, kernel 3, as much silence at either end as keeps its length, and GELU."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, kind: torch.dtype) -> None:
        self._stride, self._inputs = stride, weight.shape[1]
        self._matrix = Matrix(weight.flatten(1), bias, kind)

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        windows = F.pad(x, (0, 0, 1, 1)).unfold(0, _TAPS, self._stride)
        wide = self._matrix(windows.reshape(len(windows), -1))

        def back(gradient: Tensor) -> Tensor:
            to_wide = torch.ops.aten.gelu_backward(gradient.to(wide.dtype), wide)
            to_windows = self._matrix.back(to_wide).view(len(wide), self._inputs, _TAPS)
            padded = wide.new_zeros(len(x) + 2, self._inputs)
            reach = self._stride * len(wide)
            for tap in range(_TAPS):
                padded[tap : tap + reach : self._stride] += to_windows[:, :, tap]
            return padded[1:-1]

        return F.gelu(wide), back


class _Layer:
    """One of Whisper's encoder: attention, then a feed-forward network, each beside a way round it."""

    def __init__(self, ear: WhisperEncoder, name: str, kind: torch.dtype) -> None:
        def norm(part: str) -> Norm:
            return Norm(ear.weight(f"{name}/{part}/gamma"), ear.weight(f"{name}/{part}/beta"))

        def matrix(part: str) -> Matrix:
            return Matrix(ear.weight(f"{name}/{part}/weight"), ear.weight(f"{name}/{part}/bias"), kind)

        self._heads = ear.width // HEAD_SIZE
        self._norm, self._wide_norm = norm("self_attention/layer_norm"), norm("ffn/layer_norm")
        self._project, self._output = matrix("self_attention/linear_0"), matrix("self_attention/linear_1")
        self._expand, self._contract = matrix("ffn/linear_0"), matrix("ffn/linear_1")

    def __call__(self, x: Tensor, before: KeysValues | None) -> tuple[Tensor, KeysValues, Pullback]:
        normal, from_normal = self._norm(x)
        query, keys, values = split_heads(self._project(normal).float(), self._heads)
        if before is not None:
            keys, values = torch.cat([before.keys, keys], dim=1), torch.cat([before.values, values], dim=1)
        mixed, from_mixed = attend(query, keys, values, None)
        attended = x + self._output(mixed)
        wide_normal, from_wide_normal = self._wide_norm(attended)
        wide = self._expand(wide_normal)

        def back(gradient: Tensor) -> Tensor:
            to_wide = torch.ops.aten.gelu_backward(self._contract.back(gradient), wide)
            gradient = gradient + from_wide_normal(self._expand.back(to_wide))
            return gradient + from_normal(self._project.back(from_mixed(self._output.back(gradient).float())))

        return attended + self._contract(F.gelu(wide)), KeysValues(keys, values), back


class FrozenEar:
    """`WhisperEncoder` as it is now, for one sound at a time."""

    def __init__(self, ear: WhisperEncoder, kind: torch.dtype = torch.float32) -> None:
        self._convolutions = [
            _Convolution(ear.weight(f"conv{i}/weight"), ear.weight(f"conv{i}/bias"), i, kind) for i in (1, 2)
        ]
        self._positions = ear.weight("position_encodings/encodings")
        self._layers = [_Layer(ear, f"layer_{i}", kind) for i in range(ear.layers)]

    def embed(self, mel: Tensor) -> tuple[Tensor, Pullback]:
        """Mels (frames, 80) to what the layers begin with, but for positions: (frames / 2, width)."""
        x, from_first = self._convolutions[0](mel)
        x, from_second = self._convolutions[1](x)
        return x, lambda gradient: from_first(from_second(gradient))

    def listen(self, x: Tensor, layers: int, before: Heard | None = None) -> Listened:
        """What `embed` gave (n, width) through the first `layers`; no position reaches `POSITIONS`.

        The sound `before` is attended to without being listened to again, so it does not know of what follows, as it
        would in one piece.
        """
        begin = before.position if before else 0
        x = x + self._positions[begin : begin + len(x)]
        outputs, kept, backs = list[Tensor](), list[KeysValues](), list[Pullback]()
        for i, layer in enumerate(self._layers[:layers]):
            x, keeps, back = layer(x, before.layers[i] if before else None)
            outputs.append(x)
            kept.append(keeps)
            backs.append(back)

        def back_through(gradients: dict[int, Tensor]) -> Tensor:
            gradient = torch.zeros_like(x)
            for i in reversed(range(len(backs))):
                gradient = backs[i](gradient + gradients[i] if i in gradients else gradient)
            return gradient

        return Listened(outputs, Heard(kept, begin + len(x)), back_through)
