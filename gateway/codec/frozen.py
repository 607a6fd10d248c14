"""The decoder for a search: frozen, one over at a time, each layer with the gradient for its input written out.

A live search listens to half a second at a time, some thousand small operations a step. Autograd's bookkeeping and
autocast's conversions made a step a third longer; here is nothing but the arithmetic.

Rule: a layer gives what its model's gives (layers.py, ear.py), and a function from the gradient of its output to that
of its input, its pullback. Tensors are (time, channels) in float32; matrices are multiplied as `kind`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gateway.codec.layers import (
    CausalDepthwise,
    ConvNextBlock,
    GlobalResponseNorm,
    MemoryAttention,
    Upsample,
    distance_bias,
)
from gateway.codec.model import CodecModel
from gateway.codec.quantizer import ResidualFsq
from gateway.codec.spec import DIGITS_PER_STAGE

Pullback = Callable[[Tensor], Tensor]
"""The gradient of a loss for a layer's output to that for its input, of the same shapes as those."""
Given = tuple[Tensor, Any, Pullback]
"""A layer's output, its state after it (None without one), and its pullback."""
_EPSILON = 1e-5  # of torch's norms


class Matrix:
    """A linear layer of weight (outputs, inputs); what it and its pullback give is of its `kind`."""

    def __init__(self, weight: Tensor, bias: Tensor, kind: torch.dtype) -> None:
        self._kind = kind
        self._weight, self._bias = weight.detach().to(kind).contiguous(), bias.detach().to(kind)

    @classmethod
    def of(cls, layer: nn.Linear, kind: torch.dtype) -> Matrix:
        """That of a model's layer."""
        return cls(layer.weight, layer.bias, kind)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self._bias, x.to(self._kind), self._weight.t())

    def back(self, gradient: Tensor) -> Tensor:
        """Its pullback; it is the same for every input."""
        return torch.mm(gradient.to(self._kind), self._weight)


class Norm:
    """Layer normalisation."""

    def __init__(self, gain: Tensor, bias: Tensor) -> None:
        self._gain, self._bias = gain.detach(), bias.detach()

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        shape = [x.shape[1]]
        y, mean, scale = torch.native_layer_norm(x, shape, self._gain, self._bias, _EPSILON)

        def back(gradient: Tensor) -> Tensor:
            to_input: Tensor = torch.ops.aten.native_layer_norm_backward(
                gradient.float(), x, shape, mean, scale, self._gain, self._bias, [True, False, False]
            )[0]
            return to_input

        return y, back


def attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Pullback]:
    """Attention of the last t of n times: `query` (heads, t, size), `keys` and `values` (heads, n, size), `bias` added
    to the logits (heads, t, n). Gives (t, heads * size), and a pullback to the (t, 3 * heads * size) of which queries
    and the last t keys and values are made."""
    heads, time, size = query.shape
    scaled = query * size**-0.5
    logits = torch.bmm(scaled, keys.transpose(1, 2))
    shares = torch.softmax(logits if bias is None else logits + bias, dim=-1)
    y = torch.bmm(shares, values).transpose(0, 1).reshape(time, heads * size)

    def back(gradient: Tensor) -> Tensor:
        mixed = gradient.view(time, heads, size).transpose(0, 1)
        to_shares = torch.bmm(mixed, values.transpose(1, 2))
        to_logits = torch._softmax_backward_data(to_shares, shares, -1, torch.float32)
        own = slice(keys.shape[1] - time, None)
        to_query = torch.bmm(to_logits, keys) * size**-0.5
        to_keys = torch.bmm(to_logits[:, :, own].transpose(1, 2), scaled)
        to_values = torch.bmm(shares[:, :, own].transpose(1, 2), mixed)
        joined = torch.stack([to_query, to_keys, to_values])
        return joined.permute(2, 0, 1, 3).reshape(time, 3 * heads * size)

    return y, back


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(t, 3 * heads * size) to queries, keys and values, each (heads, t, size)."""
    query, keys, values = qkv.view(len(qkv), 3, heads, -1).permute(1, 2, 0, 3)
    return query, keys, values


class _Depthwise:
    """Causal depthwise convolution; its state is the last kernel - 1 inputs."""

    def __init__(self, layer: CausalDepthwise) -> None:
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._mirrored = self._weight.flip(0).contiguous()

    def __call__(self, x: Tensor, state: Tensor) -> Given:
        joined = torch.cat([state, x])
        edge = len(self._weight) - 1

        def back(gradient: Tensor) -> Tensor:
            return _taps(F.pad(gradient, (0, 0, 0, edge)), self._mirrored)

        return _taps(joined, self._weight) + self._bias, joined[len(x) :], back


def _taps(joined: Tensor, weight: Tensor) -> Tensor:
    """Sum over the taps: (t + kernel - 1, channels) and (kernel, channels) to (t, channels)."""
    return (joined.unfold(0, len(weight), 1).transpose(1, 2) * weight).sum(dim=1)


class _ResponseNorm:
    """ConvNeXt V2's, of each time alone."""

    def __init__(self, layer: GlobalResponseNorm) -> None:
        self._gain, self._bias = layer.gain.detach(), layer.bias.detach()

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        magnitude = x.abs()
        mean = magnitude.mean(dim=-1, keepdim=True) + 1e-4
        scaled = self._gain * (magnitude / mean)

        def back(gradient: Tensor) -> Tensor:
            to_mean = (gradient * x * scaled).sum(dim=-1, keepdim=True) / (-mean * x.shape[1])
            return gradient * (1 + 2 * scaled) + x.sign() * to_mean

        return torch.addcmul(self._bias, x, 1 + scaled), back


class _Block:
    """A ConvNeXt V2 block."""

    def __init__(self, layer: ConvNextBlock, kind: torch.dtype) -> None:
        self._depthwise = _Depthwise(layer.depthwise)
        self._norm = Norm(layer.norm.weight, layer.norm.bias)
        self._expand, self._contract = Matrix.of(layer.expand, kind), Matrix.of(layer.contract, kind)
        self._response = _ResponseNorm(layer.grn)

    def __call__(self, x: Tensor, state: Tensor) -> Given:
        spread, state, from_spread = self._depthwise(x, state)
        normal, from_normal = self._norm(spread)
        wide = self._expand(normal)
        response, from_response = self._response(F.gelu(wide, approximate="tanh").float())

        def back(gradient: Tensor) -> Tensor:
            to_active = from_response(self._contract.back(gradient).float())
            to_wide = torch.ops.aten.gelu_backward(to_active.to(wide.dtype), wide, approximate="tanh")
            return gradient + from_spread(from_normal(self._expand.back(to_wide)))

        return x + self._contract(response), state, back


class _Memory:
    """Attention over the last frames; its state holds keys and values (heads, memory - 1, size) and which are real."""

    def __init__(self, layer: MemoryAttention, kind: torch.dtype) -> None:
        self._heads, self._bias = layer.heads, layer.bias.detach()
        self._norm = Norm(layer.norm.weight, layer.norm.bias)
        self._project, self._output = Matrix.of(layer.project, kind), Matrix.of(layer.output, kind)
        self._biases: dict[int, Tensor] = {}

    def __call__(self, x: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> Given:
        time = len(x)
        normal, from_normal = self._norm(x)
        query, key, value = split_heads(self._project(normal).float(), self._heads)
        keys, values = torch.cat([state[0], key], dim=1), torch.cat([state[1], value], dim=1)
        filled = torch.cat([state[2], state[2].new_ones(time)])
        if time not in self._biases:
            self._biases[time] = distance_bias(self._bias, time)
        bias = torch.where(filled, self._biases[time], float("-inf"))
        mixed, from_mixed = attend(query, keys, values, bias)

        def back(gradient: Tensor) -> Tensor:
            return gradient + from_normal(self._project.back(from_mixed(self._output.back(gradient).float())))

        return x + self._output(mixed), (keys[:, time:], values[:, time:], filled[time:]), back


class _Up:
    """One time becomes a pair."""

    def __init__(self, layer: Upsample, kind: torch.dtype) -> None:
        self._outputs = layer.outputs
        self._norm, self._project = Norm(layer.norm.weight, layer.norm.bias), Matrix.of(layer.project, kind)

    def __call__(self, x: Tensor, state: None) -> Given:
        normal, from_normal = self._norm(x)

        def back(gradient: Tensor) -> Tensor:
            return from_normal(self._project.back(gradient.reshape(len(x), -1)))

        return self._project(normal).float().view(-1, self._outputs), None, back


class _Restore:
    """Level values to latents; those of the stages that do not arrive are in full doubt."""

    def __init__(self, quantizer: ResidualFsq) -> None:
        self._outputs = torch.cat([stage.get_parameter("weight").detach() for stage in quantizer.outputs], dim=1)
        self._doubt, self._bias = quantizer.doubt.weight.detach(), quantizer.doubt.bias.detach()

    def __call__(self, values: Tensor, stages: int) -> tuple[Tensor, Pullback]:
        heard = stages * DIGITS_PER_STAGE
        certain = self._bias + self._doubt[:, heard:].sum(dim=1)

        def back(gradient: Tensor) -> Tensor:
            return F.pad(gradient @ self._outputs[:, :heard], (0, values.shape[1] - heard))

        return torch.addmm(certain, values[:, :heard], self._outputs[:, :heard].t()), back


class FrozenDecoder:
    """Quantiser and decoder of a model as they are now, for one over at a time."""

    def __init__(self, model: CodecModel, kind: torch.dtype = torch.float32) -> None:
        self._restore = _Restore(model.quantizer)
        self._layers = [_frozen(layer, kind) for layer in model.decoder.layers]
        self._initial = [_of_one(state) for state in model.decoder.initial_state(1)]

    def initial_state(self) -> list[Any]:
        """That of an over's beginning; states are never changed in place."""
        return self._initial

    def __call__(self, values: Tensor, states: list[Any], stages: int) -> Given:
        """Level values (n, 8), of which the first `stages` arrive, to mels (8 n, 80), the states after them, and the
        pullback."""
        after, backs = list[Any](), list[Pullback]()
        x, from_latent = self._restore(values, stages)
        for layer, state in zip(self._layers, states, strict=True):
            x, new, back = layer(x, state)
            after.append(new)
            backs.append(back)

        def back_through(gradient: Tensor) -> Tensor:
            for back in reversed(backs):
                gradient = back(gradient)
            return from_latent(gradient)

        return x, after, back_through


def _of_one(state: Any) -> Any:
    """A batch's state of one, without the batch."""
    return tuple(part[0] for part in state) if isinstance(state, tuple) else None if state is None else state[0]


def _frozen(layer: nn.Module, kind: torch.dtype) -> Callable[[Tensor, Any], Given]:
    match layer:
        case ConvNextBlock():
            return _Block(layer, kind)
        case MemoryAttention():
            return _Memory(layer, kind)
        case Upsample():
            return _Up(layer, kind)
    raise TypeError(f"no layer of a decoder: {layer}")
