"""Requests to a running channel process: each does what CONTROL.md says, and nothing that comes in does harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.links import channel_control
from gateway.links.channel_control import PAGE, answer
from gateway.links.channel_core import ChannelCore
from gateway.links.envelope import Hello, Packet


def net() -> ChannelCore:
    spec = ChannelSpec("far", delay_ms=100, rate_bps=8000, queue_bytes=1000)
    core = ChannelCore(ChannelProcessConfig("tcp://127.0.0.1:1", spec), 0.0)
    for name in "abc":
        core.handle(name.encode(), Hello(name, 1), 0.0)
    core.handle(b"a", Packet("a", 1, bytes(100)), 0.0)
    return core


def ask(core: ChannelCore, now_s: float = 1.0, **request: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(answer(core, json.dumps(request).encode(), now_s, {"curve_failed": 2}))
    return reply


def test_status() -> None:
    core = net()
    for _ in core.deliver(0.25):
        core.handed_on(0.002)
    reply = ask(core, do="status")
    assert reply == {
        "ok": True,
        "channel": "far",
        "running_s": 1.0,
        "stations": [{"name": name, "silent_s": 1.0} for name in "abc"],
        "paths": 2,
        "collisions": 0,
        "dropped": {"curve_failed": 2},
        "late_ms": {"p50": 2.0, "p99": 2.0, "p100": 2.0},
    }


def test_paths_and_their_figures() -> None:
    reply = ask(net(), do="paths", path="a>b")
    assert (reply["of"], reply["next"]) == (1, None)
    assert reply["paths"] == [
        {
            "from": "a",
            "to": "b",
            "channel": "far",
            "is_cut": False,
            "sent": 1,
            "delivered": 1,
            "lost": {},
            "queue_s": 0.0,
            "delay_ms": {"p50": 200.0, "p95": 200.0},
            "duplicated": 0,
            "reordered": 0,
            "bytes_delivered": 100,
            "bit_errors": 0,
        }
    ]


def test_many_paths_come_in_pages() -> None:
    core = net()
    for index in range(2 * PAGE):
        core.network.send("a", [f"n{index:03}"], b"x", 0.0)
    got, offset = [], 0
    while offset is not None:
        page = ask(core, do="paths", offset=offset)
        assert len(page["paths"]) <= PAGE
        got += [row["to"] for row in page["paths"]]
        offset = page["next"]
    assert len(got) == len(set(got)) == page["of"] == 2 * PAGE + 2


def test_set_cut_restore_and_reset() -> None:
    core = net()
    assert ask(core, do="set", path="a>b", figures={"loss": 1.0}) == {"ok": True, "paths": 1}
    assert ask(core, do="cut", path="a>c") == {"ok": True, "paths": 1}
    core.handle(b"a", Packet("a", 1, b"x"), 1.0)
    rows = {row["to"]: row for row in ask(core, do="paths")["paths"]}
    assert (rows["b"]["channel"], rows["b"]["lost"]) == ("far*", {"lost": 1})
    assert (rows["c"]["is_cut"], rows["c"]["lost"]) == (True, {"cut": 2})
    assert ask(core, do="restore", path="*")["paths"] == 2
    assert ask(core, do="reset", path="*")["paths"] == 2
    assert [row["sent"] for row in ask(core, do="paths")["paths"]] == [0, 0]
    assert ask(core, do="set", path="*", figures={"preset": "geo"})["ok"]
    assert {row["channel"] for row in ask(core, do="paths")["paths"]} == {"geo"}


def test_a_figure_can_be_taken_away() -> None:
    core = net()
    assert ask(core, do="set", path="*", figures={"queue_bytes": None, "rate_bps": None})["ok"]
    assert core.network._ways["a", "b"].channel.spec.rate_bps is None


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"", "needs one JSON object"),
        (b"\xff\xfe", "needs one JSON object"),
        (b"[" * 100_000, "needs one JSON object"),
        (b"[]", "needs a JSON object with a `do`"),
        (b'{"do": 3}', "needs a JSON object with a `do`"),
        (b'{"do": "explode"}', "do: got 'explode'; there are cut, paths, reset"),
        (b'{"do": "status", "paht": "*"}', "paht: unknown key; status has none"),
        (b'{"do": "cut"}', "path: needs a text"),
        (b'{"do": "cut", "path": 1}', "path: needs a text"),
        (b'{"do": "cut", "path": "a>b>c"}', "path 'a>b>c': needs"),
        (b'{"do": "paths", "offset": -1}', "offset: needs a number"),
        (b'{"do": "paths", "offset": true}', "offset: needs a number"),
        (b'{"do": "set", "path": "*"}', "figures: needs an object"),
        (b'{"do": "set", "path": "*", "figures": {}}', "figures: needs at least one"),
        (b'{"do": "set", "path": "*", "figures": {"los": 1}}', "los: unknown key; did you mean loss?"),
        (b'{"do": "set", "path": "*", "figures": {"loss": 2}}', "loss: got 2; needed: 0 to 1"),
        (b'{"do": "set", "path": "*", "figures": {"loss": NaN}}', "loss: got nan"),
        (b'{"do": "set", "path": "*", "figures": {"loss": "much"}}', "loss: "),
        (b'{"do": "set", "path": "*", "figures": {"rate_bps": null}}', "queue_bytes: needs rate_bps"),
        (b'{"do": "set", "path": "*", "figures": {"preset": "../../etc/x.toml"}}', "preset: no channel preset"),
        (b'{"do": "set", "path": "*", "figures": {"file": "/etc/passwd"}}', "file: cannot be given here"),
        (b'{"do": "set", "path": "*", "figures": {"name": "x"}}', "`name` excepted"),
        (b'{"do": "set", "path": "*", "figures": {"model": {"kind": "rain"}}}', "model.kind: got 'rain'"),
    ],
)
def test_a_bad_request_is_told_why_and_changes_nothing(request_: bytes, error: str) -> None:
    core = net()
    before = answer(core, b'{"do": "paths"}', 1.0, {})
    reply = json.loads(answer(core, request_, 1.0, {}))
    assert reply["ok"] is False
    assert error in reply["error"]
    assert answer(core, b'{"do": "paths"}', 1.0, {}) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIGURES = st.dictionaries(
    st.sampled_from(["loss", "mean_burst", "rate_bps", "queue_bytes", "outages_s", "model", "preset", "ordered", "x"]),
    JSON,
)


@given(
    st.binary(max_size=50)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"do": st.sampled_from(["status", "paths", "set", "cut", "restore", "reset"])},
        optional={"path": JSON | st.sampled_from(["*", "a", "a>b"]), "offset": JSON, "figures": FIGURES},
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_comes_in_is_answered(request_: bytes) -> None:
    reply = json.loads(answer(net(), request_, 1.0, {}))
    assert reply["ok"] is True or reply["error"]


def test_a_fault_inside_is_answered_and_does_not_end_the_net(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(channel_control, "_set", fails)
    reply = ask(net(), do="set", path="*", figures={"loss": 1})
    assert reply == {"ok": False, "error": "failed inside: ZeroDivisionError()"}


def test_the_page_tells_all_requests() -> None:
    page = Path(channel_control.__file__).with_name("CONTROL.md").read_text(encoding="utf-8")
    for name, keys in channel_control._KEYS.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert all(f"`{key}`" in row for key in keys)
