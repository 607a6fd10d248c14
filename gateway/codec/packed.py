"""Linear layers for run time: 8-bit weights, multiplied as they are stored.

One 80 ms step reads every weight once, so its time is that of reading them from memory: a quarter of the bytes makes a
product of a few rows two to three times as fast. PyTorch's kernel takes bfloat16 rows and a scale a row of weights (the
one that torchao and torch.compile use for weight-only quantisation); the result differs from float32's by about 0.3 %.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MULTIPLE = 32
"""Of inputs, for the kernel; fewer outputs than this do not pay."""


def packs(weight: Tensor) -> bool:
    """Whether a parameter is a matrix that 8 bits are for: not taps of a depthwise convolution, nor a narrow one."""
    return weight.ndim == 2 and weight.shape[0] >= MULTIPLE and weight.shape[1] % MULTIPLE == 0


def quantise_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix (rows, columns) as int8 and a scale (rows,) in bfloat16: weight = int8 * scale, within half a step.

    What was rounded once comes out as it was: a row's largest entry is always 127.
    """
    scale = (weight.abs().amax(dim=1) / 127).clamp_min(1e-20).to(torch.bfloat16)
    steps = (weight / scale[:, None].float()).round().clamp(-127, 127)
    return steps.to(torch.int8).contiguous(), scale


SCALE = ".scale"
"""What follows the name of a matrix in the name of its rows' scales."""


def stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they lie in a file: matrices that `packs` as int8 with `<name>.scale`, everything else float16."""
    kept: dict[str, Tensor] = {}
    for name, value in state.items():
        if packs(value):
            kept[name], kept[name + SCALE] = quantise_rows(value)
        else:
            kept[name] = value.to(torch.float16).contiguous()
    return kept


def restored(kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `stored` made, as float32; KeyError where a scale is missing."""
    return {
        name: value.float() * kept[name + SCALE].float()[:, None] if value.dtype == torch.int8 else value.float()
        for name, value in kept.items()
        if not name.endswith(SCALE)
    }


class PackedLinear(nn.Module):
    """As `nn.Linear`, for inference: (..., inputs) to (..., outputs) in float32."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight, scale = quantise_rows(layer.weight.detach().float())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.weight.shape[1]).to(torch.bfloat16)
        y: Tensor = torch.ops.aten._weight_int8pack_mm(rows, self.weight, self.scale)
        y = y.view(*x.shape[:-1], len(self.weight))
        return y.float() if self.bias is None else y + self.bias


def pack(model: nn.Module) -> None:
    """Put `PackedLinear` in the place of every linear layer that `packs`."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Linear) and packs(layer.weight):
                setattr(parent, name, PackedLinear(layer))
