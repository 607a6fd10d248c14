from __future__ import annotations

import numpy as np

from firmware_bridge.ptt.contact import Move
from firmware_bridge.ptt.vox import Vox
from gateway.ptt_config import VoxInput

RATE_HZ = 1000
BLOCK = np.arange(20, dtype=np.float32)


def vox(**more: object) -> Vox:
    return Vox(VoxInput.model_validate({"kind": "vox", "threshold_db": -30.0, "hang_ms": 500, **more}), RATE_HZ)


def hear(v: Vox, level_db: float, now: float, is_played_to: bool = False) -> Move | None:
    return v.hear(BLOCK, level_db, now, is_played_to=is_played_to)


def test_on_above_the_threshold_and_off_after_the_hang_time() -> None:
    v = vox()
    assert hear(v, -31.0, 0.0) is None
    assert hear(v, -29.0, 1.0) is Move.PRESSED
    assert hear(v, -29.0, 2.0) is None
    assert hear(v, -35.0, 2.4) is None, "above what is quiet: still talking"
    assert hear(v, -60.0, 2.8) is None
    assert hear(v, -29.0, 2.85) is None, "a pause in a sentence"
    assert hear(v, -60.0, 3.3) is None
    assert hear(v, -60.0, 3.36) is Move.RELEASED
    assert hear(v, -60.0, 9.0) is None


def test_what_was_said_just_before_is_kept() -> None:
    v = vox(before_ms=30)
    hear(v, -60.0, 0.0)
    v.hear(BLOCK + 20, -60.0, 0.02, is_played_to=False)
    assert v.hear(BLOCK + 40, -10.0, 0.04, is_played_to=False) is Move.PRESSED
    assert v.before.tolist() == list(range(10, 40))
    none = vox(before_ms=0)
    hear(none, -60.0, 0.0)
    hear(none, -10.0, 0.02)
    assert len(none.before) == 0


def test_the_speaker_begins_nothing_but_ends_no_talk() -> None:
    v = vox()
    assert hear(v, -10.0, 0.0, is_played_to=True) is None
    assert hear(v, -10.0, 0.4) is None, "the room still rings"
    assert hear(v, -10.0, 0.5) is Move.PRESSED
    assert hear(v, -10.0, 0.6, is_played_to=True) is None
    assert hear(v, -60.0, 1.2, is_played_to=True) is Move.RELEASED
