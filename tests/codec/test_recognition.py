"""The recognition branch: chunks equal the whole, nothing reaches back from the future, positions come round."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.codec.recognition import FRAMES_A_CODE, POSITIONS, RecognitionBranch, sinusoids


@pytest.fixture
def branch() -> RecognitionBranch:
    torch.manual_seed(2)
    return RecognitionBranch(width=64, depth=2, memory_frames=4, outputs=12).double().eval()


@pytest.fixture
def mels() -> Tensor:
    return torch.rand(2, 80, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def in_chunks(branch: RecognitionBranch, mels: Tensor, codes: int) -> Tensor:
    state, outputs = branch.initial_state(len(mels)), []
    for chunk in mels.split(8 * codes, dim=1):
        out, state = branch(chunk, state)
        outputs.append(out)
    return torch.cat(outputs, dim=1)


@torch.no_grad()
@pytest.mark.parametrize("codes", [1, 2, 5])
def test_chunks_equal_the_whole(branch: RecognitionBranch, mels: Tensor, codes: int) -> None:
    whole, _ = branch(mels, branch.initial_state(2))
    assert whole.shape == (2, 10, 12)
    assert torch.allclose(in_chunks(branch, mels, codes), whole, atol=1e-12)


@torch.no_grad()
def test_a_code_frame_knows_itself_and_the_past_within_its_memory(branch: RecognitionBranch, mels: Tensor) -> None:
    whole, _ = branch(mels, branch.initial_state(2))
    changed = mels.clone()
    changed[:, 5 * 8 : 6 * 8] += 1.0
    differs = (branch(changed, branch.initial_state(2))[0] - whole).abs().amax(dim=(0, 2)) > 1e-9
    assert not differs[:5].any(), "the future reached back"
    assert differs[5:8].all()


@torch.no_grad()
def test_positions_come_round(branch: RecognitionBranch, mels: Tensor) -> None:
    state = branch.initial_state(2)
    start = state._replace(position=torch.tensor(POSITIONS - FRAMES_A_CODE))
    _, after = branch(mels[:, :8], start)
    assert int(after.position) == 0
    late, _ = branch(mels, start)
    assert not torch.allclose(late, branch(mels, state)[0])


def test_sinusoids_are_whispers() -> None:
    table = sinusoids(1500, 384)
    whisper = pytest.importorskip("gateway.trainer.whisper")
    weights = whisper.read_ctranslate2(whisper.tiny_en_path())
    assert torch.allclose(table, weights["encoder/position_encodings/encodings"], atol=2e-3)
