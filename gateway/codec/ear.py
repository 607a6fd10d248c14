"""A recogniser's ear: the encoder of Whisper tiny.en, frozen and differentiable, for what words sound like.

Rule: it only judges. The trainer's losses and the encoder's search (search.py) ask it how like two sounds are to a
recogniser; no bit on the air means anything because of it. Architecture after Radford et al. 2022.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gateway.codec.packed import restored, stored
from gateway.errors import CheckpointError

HEAD_SIZE = 64
"""Width of one attention head in every Whisper model."""
POSITIONS = 1500
FEATURE_LAYERS = (1, 2, 3)
"""Layers whose outputs are compared (0-based; tiny has 4): middle to last."""
DEFAULT_EAR = Path(__file__).parent / "weights" / "whisper-tiny-en-encoder.safetensors"
_POSITIONS = "encoder/position_encodings/encodings"


class WhisperPart(nn.Module):
    """Weights of one half of the model ("encoder" or "decoder") as buffers, and the layers made of them."""

    def __init__(self, weights: dict[str, Tensor], half: str) -> None:
        super().__init__()
        self._half = half
        self.width = weights["encoder/conv1/bias"].shape[0]
        self.layers = sum(1 for n in weights if n.startswith(f"{half}/layer_") and n.endswith("ffn/linear_0/bias"))

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name.replace("/", "__"), value, persistent=False)

    def weight(self, name: str) -> Tensor:
        """A variable, named as in CTranslate2's file but for its half."""
        return self.get_buffer(f"{self._half}__{name.replace('/', '__')}")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (self.width,), self.weight(f"{name}/gamma"), self.weight(f"{name}/beta"))

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weight(f"{name}/weight"), self.weight(f"{name}/bias"))

    def _heads(self, x: Tensor, parts: int) -> Tensor:
        """(batch, time, parts * width) to (parts, batch, heads, time, 64)."""
        batch, time, _ = x.shape
        return x.view(batch, time, parts, self.width // HEAD_SIZE, HEAD_SIZE).permute(2, 0, 3, 1, 4)

    def matrices_to(self, kind: torch.dtype) -> None:
        """Convert what is multiplied; norms and positions stay."""
        for name, value in self.named_buffers():
            if value.ndim >= 2 and not name.endswith("encodings"):
                setattr(self, name, value.to(kind))

    def _feed_forward(self, x: Tensor, layer: str) -> Tensor:
        y = F.gelu(self._linear(self._norm(x, f"{layer}/ffn/layer_norm"), f"{layer}/ffn/linear_0"))
        return x + self._linear(y, f"{layer}/ffn/linear_1")


class WhisperEncoder(WhisperPart):
    """The encoder with its weights as buffers: gradients flow through, never into it."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__(weights, "encoder")
        for name, value in weights.items():
            if name.startswith("encoder/"):
                self._keep(name, value)

    def forward(self, mel: Tensor, layers: int | None = None) -> list[Tensor]:
        """Mels (batch, frames, 80) in Whisper's units, an even number of frames up to 3000, to the outputs of the
        first `layers` (all if None), each (batch, frames / 2, width)."""
        x = F.gelu(F.conv1d(mel.transpose(1, 2), self.weight("conv1/weight"), self.weight("conv1/bias"), padding=1))
        x = F.gelu(F.conv1d(x, self.weight("conv2/weight"), self.weight("conv2/bias"), stride=2, padding=1))
        x = x.transpose(1, 2)
        x = x + self.weight("position_encodings/encodings")[: x.shape[1]]
        outputs = []
        for i in range(self.layers if layers is None else layers):
            layer = f"layer_{i}"
            qkv = self._linear(self._norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
            mixed = F.scaled_dot_product_attention(*self._heads(qkv, 3)).transpose(1, 2).flatten(2)
            x = self._feed_forward(x + self._linear(mixed, f"{layer}/self_attention/linear_1"), layer)
            outputs.append(x)
        return outputs

    def normalised(self, last: Tensor) -> Tensor:
        """The last layer's output as the decoder attends to it."""
        return self._norm(last, "layer_norm")


def relative_l1(decoded: list[Tensor], original: list[Tensor]) -> Tensor:
    """Mean absolute difference of feature maps over the mean absolute original, averaged over the layers."""
    terms = [
        (d.float() - o.float()).abs().mean() / (o.float() - o.float().mean()).abs().mean()
        for d, o in zip(decoded, original, strict=True)
    ]
    return torch.stack(terms).mean()


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's positions: (length, channels), sines then cosines of wavelengths from 2 pi to 20000 pi."""
    steps = torch.exp(-torch.arange(channels // 2) * (torch.log(torch.tensor(10_000.0)) / (channels // 2 - 1)))
    angles = torch.arange(length)[:, None] * steps[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def save_ear(path: Path, weights: dict[str, Tensor]) -> None:
    """Write the encoder's variables (named as in CTranslate2's file), large matrices with 8 bits a weight."""
    kept = {n: v for n, v in weights.items() if n.startswith("encoder/") and v.ndim and n != _POSITIONS}
    save_file(stored(kept), str(path))
    path.chmod(0o644)


def load_ear(path: Path | None = None) -> WhisperEncoder:
    """The shipped encoder, or that of `path`, in float32; raises CheckpointError naming the file."""
    chosen = DEFAULT_EAR if path is None else path
    try:
        kept = load_file(str(chosen))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{chosen}: not readable as a recogniser's encoder ({error})") from error
    try:
        weights = restored(kept)
        weights[_POSITIONS] = sinusoids(POSITIONS, len(weights["encoder/conv1/bias"]))
        return WhisperEncoder(weights).eval()
    except KeyError as error:
        raise CheckpointError(f"{chosen}: holds no recogniser's encoder ({error} is missing)") from error
