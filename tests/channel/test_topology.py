"""Places and matrices turned into the channel of each direction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.delivery import DeliveryByRangeModel
from gateway.channel.impairments import ChannelSpec
from gateway.channel.topology import Node, distance_m, pairs, parse_losses, placed
from gateway.channel.underwater import UnderwaterModel

A, B = Node(0, 0, 10), Node(300, 400, 30)


def test_distance_by_hand() -> None:
    assert distance_m(A, Node(300, 400, 10)) == 500
    assert distance_m(Node(0, 0, 0), Node(2, 3, 6)) == 7


def test_a_plain_channel_gets_its_delay() -> None:
    spec = placed(ChannelSpec("x", loss=0.1), A, Node(300, 400, 10))
    assert (spec.delay_ms, spec.loss) == (pytest.approx(1000 / 3), 0.1)
    assert placed(ChannelSpec("x"), A, Node(300, 400, 10), 1000).delay_ms == pytest.approx(500)


def test_a_model_gets_range_and_depths() -> None:
    shallow = placed(ChannelSpec("x", model=UnderwaterModel(water_depth_m=40)), A, B).model
    assert isinstance(shallow, UnderwaterModel)
    assert (shallow.range_m, shallow.source_depth_m, shallow.receiver_depth_m) == (500, 10, 30)
    deep = placed(ChannelSpec("x", model=UnderwaterModel()), A, B).model
    assert isinstance(deep, UnderwaterModel)
    assert deep.range_m == pytest.approx(distance_m(A, B))
    table = ChannelSpec("x", delay_ms=5, model=DeliveryByRangeModel("ahoi", until_m=150, speed_m_s=1))
    found = placed(table, A, Node(0, 99, 10))
    assert found.model == DeliveryByRangeModel("ahoi", range_m=99)
    assert found.delay_ms == 5


def test_a_loud_and_a_deaf_station_make_directions_differ() -> None:
    spec = ChannelSpec("x", model=UnderwaterModel(noise_db=3))
    ship, diver = Node(0, 0, 5, noise_db=20), Node(400, 0, 5, source_level_db=160)
    to_ship, to_diver = placed(spec, diver, ship).model, placed(spec, ship, diver).model
    assert isinstance(to_ship, UnderwaterModel)
    assert isinstance(to_diver, UnderwaterModel)
    assert (to_ship.noise_db, to_ship.source_level_db) == (23, 160)
    assert (to_diver.noise_db, to_diver.source_level_db) == (3, 180)
    assert to_ship.taps(400).mean_snr < to_diver.taps(400).mean_snr / 1000


def test_a_depth_outside_the_water_is_named() -> None:
    with pytest.raises(ValueError, match="receiver_depth_m: got 30; needed: within the 20 m"):
        placed(ChannelSpec("x", model=UnderwaterModel(water_depth_m=20)), A, B)


def test_pairs_are_both_directions() -> None:
    assert list(pairs({"a": A, "b": B})) == [("a", "b"), ("b", "a")]


def test_a_matrix_of_losses() -> None:
    text = "from,to21,to22,to27\n21,0,0.157,0.643\n22,0.184,0,\n\n27,0.326,0.826,0\n"
    assert parse_losses(text) == {
        ("21", "22"): 0.157,
        ("21", "27"): 0.643,
        ("22", "21"): 0.184,
        ("27", "21"): 0.326,
        ("27", "22"): 0.826,
    }
    assert parse_losses("x,tom,ann\ntom,,1\nann,0.5,") == {("tom", "ann"): 1.0, ("ann", "tom"): 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needed: a head with the receivers"),
        ("x,a,b\na,0", "row a: 1 losses; needed: 2"),
        ("x,a,b\na,0,1.5", "row a, column b: got '1.5'"),
        ("x,a,b\na,0,much", "row a, column b: got 'much'"),
        ("x,a,a\na,0,1", "station 'a': needed: a name, once"),
        ("x,a,b\nb,0,0\nb,0,0", "station 'b': needed: a name, once"),
        ("x," + ",".join(str(i) for i in range(65)) + "\n0", "65 stations; needed: 64 at most"),
    ],
)
def test_mistakes_in_a_matrix_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_losses(text)


@given(st.text(alphabet="ab,01.\n\"' to", max_size=80) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_losses(text)
    except ValueError:
        return
    assert all(a != b and 0 <= loss <= 1 for (a, b), loss in found.items())
