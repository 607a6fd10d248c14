"""A snapshot travels as plain values, whatever is in it."""

from __future__ import annotations

import json

from gateway.control.snapshot import HeardView, KeyingView, Quality, ReceptionView, Snapshot, StationView, plain


def test_it_is_plain_all_the_way_down() -> None:
    snapshot = Snapshot(
        StationView("alpha", 1, 1),
        reception=ReceptionView(Quality.FAIR, 100, 0.08),
        keying=KeyingView("gpio", True),
        last_heard=(HeardView(2, "bravo", 5.0),),
        names=((1, "alpha"),),
    )
    values = snapshot.as_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["reception"]["quality"] == "fair"
    assert values["keying"] == {"kind": "gpio", "is_keyed": True, "problem": None}
    assert values["last_heard"][0]["name"] == "bravo"
    assert values["names"] == [[1, "alpha"]]
    assert values["talker"] is None


def test_other_values_are_left_as_they_are() -> None:
    assert plain((1, "a", None, 2.5)) == [1, "a", None, 2.5]
