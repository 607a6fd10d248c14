"""Pictures come out as PNG whatever went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from gateway.tools.plots import plot_in_and_out


@pytest.mark.parametrize("samples", [0, 100, 32_000])
def test_a_picture_of_both_ends(tmp_path: Path, samples: int) -> None:
    pcm = (0.1 * np.random.default_rng(1).standard_normal(samples)).astype(np.float32)
    plot_in_and_out(tmp_path / "a.png", pcm, pcm, [3, 4] if samples > 10_000 else [], "title")
    picture = imread(tmp_path / "a.png")
    assert picture.shape[:2] == (540, 990)
    assert np.std(picture) > 0.01
