"""The comparison: every tool has its row, and the table is for people."""

from __future__ import annotations

import json

import pytest

from gateway.tools.protection_report import PACKET_TOOLS, Comparison, compare, table


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(frames_per_packet=6, packets=1000, seed=1)


def test_every_tool_has_a_row_with_cost_and_rest(comparison: Comparison) -> None:
    rows = {row.tool: row for row in comparison.packet_rows}
    assert len(rows) == len(PACKET_TOOLS)
    robust = next(row for name, row in rows.items() if name.startswith("robust-packet"))
    assert robust.cost.rate_bps <= 600
    assert robust.found[2].lost < rows["none"].found[2].lost / 2
    bits = {row.tool: row for row in comparison.bit_rows}
    chosen = next(row for name, row in bits.items() if name.startswith("robust-transparent:"))
    assert chosen.cost.rate_bps <= 600
    assert chosen.found.strong < 0.001 < bits["none, without CRC"].found.strong


def test_the_table_has_a_line_for_each(comparison: Comparison) -> None:
    lines = table(comparison).splitlines()
    assert len(lines) == 5 + len(comparison.packet_rows) + len(comparison.bit_rows)
    assert all(len(line) <= 130 for line in lines)
    assert json.loads(json.dumps(comparison.as_dict()))["packets"] == 1000
