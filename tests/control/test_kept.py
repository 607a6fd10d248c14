"""What is kept over a restart reads back the same; anything else reads as what can be understood of it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.kept import Kept, kept_of
from gateway.control.snapshot import AudioView, HeardView, MessageView, OverView, Snapshot, StationView

KEPT = Kept(
    (HeardView(2, "bravo", 1e9, 3, 0.1, 12.5), HeardView(3, "charlie", 0.9e9)),
    (MessageView("text", "in", "bravo", 1e9, "Höhe 3 m", state="received"),),
    (OverView("heard", "bravo", 2, 1e9, 3.4, 0.1), OverView("said", "alpha", None, 1e9, 2.0)),
    -6.0,
    True,
    -41.5,
)


def test_it_reads_back_the_same() -> None:
    assert kept_of(KEPT.to_json()) == KEPT


def test_it_comes_out_of_a_snapshot_without_what_the_spool_keeps() -> None:
    snapshot = Snapshot(
        StationView("alpha", 1, 1),
        audio=AudioView(volume_db=-6.0, is_muted=True, talker_db=-41.5),
        last_heard=KEPT.last_heard,
        overs=KEPT.overs,
        messages=(*KEPT.texts, MessageView("voice", "in", "bravo", 1e9, id="00ff")),
    )
    assert Kept.of(snapshot) == KEPT


def test_what_is_not_understood_is_left_out() -> None:
    found = json.loads(KEPT.to_json())
    found["last_heard"][0]["name"] = 5
    found["last_heard"][1]["of a later version"] = 1
    found["texts"] = "none"
    found["overs"][1].pop("name")
    found["volume_db"] = 900
    found["talker_db"] = 3
    kept = kept_of(json.dumps(found))
    assert kept == Kept(KEPT.last_heard[1:], (), KEPT.overs[:1], 0.0, True, None)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_garbage_is_nothing(text: str) -> None:
    assert kept_of(text) is None


shapes = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)


@given(
    st.fixed_dictionaries(
        {"format": st.just(1)},
        optional=dict.fromkeys(("last_heard", "texts", "overs", "volume_db", "is_muted", "talker_db"), shapes),
    )
)
def test_odd_shapes_do_no_harm(found: dict[str, object]) -> None:
    kept = kept_of(json.dumps(found))
    assert kept is not None
    assert kept_of(kept.to_json()) == kept


def test_a_file_of_another_format_is_nothing() -> None:
    assert kept_of('{"format": 2}') is None
    assert kept_of("[" * 100_000) is None
