"""Metrics as Prometheus scrapes them; and everything that dashboard and alerts name is among them."""

from __future__ import annotations

import ast
import json
import re
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.config import MetricsSection
from gateway.control.hub import ControlHub
from gateway.control.snapshot import (
    DeviceView,
    KeyingView,
    MessageView,
    PttView,
    Quality,
    ReceptionView,
    RecordView,
    SecurityView,
)
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.service import exporter as exporter_module
from gateway.service.exporter import MetricsExporter
from gateway.service.metric_names import COUNTERS, GAUGES, LABELLED, counter_of, gauge_of
from tests.service.snapshots import ALPHA, manual_hub

ROOT = Path(__file__).parents[2]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(hub: ControlHub, metrics: Metrics) -> str:
    exporter = MetricsExporter(MetricsSection(bind="127.0.0.1:0"), hub, metrics, lambda line: None)
    exporter.start()
    try:
        with urllib.request.urlopen(f"http://{exporter.address}/metrics", timeout=20) as answer:
            return str(answer.read().decode())
    finally:
        exporter.stop()


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted({"station": "alpha", **labels}.items()))]


def names(text: str) -> set[str]:
    """As queries write them: counters with `_total`."""
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
    return {name for name, _ in kinds}


def test_what_a_station_shows_and_counts(tmp_path: Path) -> None:
    hub, metrics = manual_hub(), Metrics()
    hub.publish(
        replace(
            ALPHA,
            ptt=PttView("talking", 1.0, ("x",), 9.0),
            audio=replace(ALPHA.audio, output=DeviceView("USB", "missing"), level_db=-33.0),
            link=replace(ALPHA.link, is_up=False),
            reception=ReceptionView(Quality.FAIR, 100, 0.08),
            security=SecurityView("authenticate", refused=(("bad_tag", 4),)),
            keying=KeyingView("serial", True, "no such port"),
            record=RecordView(str(tmp_path)),
            messages=tuple(
                MessageView("text", way, "bravo", 1.0, state=state)
                for way, state in (("out", "sending"), ("out", "sent"), ("out", "given_up"), ("in", "partial"))
            ),
        )
    )
    for name, by in (("tx.overs", 3), ("rx.dropped.crc", 2), ("audio.input.xruns", 5), ("link.tx_drop_no_peer", 1)):
        metrics.count(name, by)
    metrics.count("modem.rx_new-kind")
    metrics.gauge("rx.cushion_ms", 240.0)
    metrics.gauge("modem.snr_db", 7.5)
    text = scrape(hub, metrics)
    found = samples(text)
    assert value(found, "clarilink_tx_overs_total") == 3
    assert value(found, "clarilink_rx_overs_total") == 0  # there from the start
    assert value(found, "clarilink_rx_dropped_total", reason="crc") == 2
    assert value(found, "clarilink_link_tx_drop_total", reason="no_peer") == 1
    assert value(found, "clarilink_audio_xruns_total", direction="input") == 5
    assert value(found, "clarilink_audio_xruns_total", direction="output") == 0
    assert value(found, "clarilink_modem_rx_new_kind_total") == 1
    assert value(found, "clarilink_rx_cushion_ms") == 240
    assert value(found, "clarilink_modem_snr_db") == 7.5
    assert value(found, "clarilink_link_up") == 0
    assert value(found, "clarilink_ptt_mode", mode="talking") == 1
    assert value(found, "clarilink_transmitting") == 1
    assert value(found, "clarilink_audio_device_running", direction="input") == 1
    assert value(found, "clarilink_audio_device_running", direction="output") == 0
    assert value(found, "clarilink_audio_level_db", direction="input") == -33
    assert value(found, "clarilink_reception_lost_ratio", side="heard") == 0.08
    assert ("clarilink_reception_lost_ratio", (("side", "sent"), ("station", "alpha"))) not in found  # not known
    assert value(found, "clarilink_security_refused_total", reason="bad_tag") == 4
    assert value(found, "clarilink_keying_problem") == 1
    assert value(found, "clarilink_record_free_bytes") > 0
    assert value(found, "clarilink_messages_waiting") == 1
    assert value(found, "clarilink_station_info", version="1.0", link="zeromq-peers") == 1
    assert found["process_resident_memory_bytes", ()] > 1e6
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name


def test_every_family_is_there_before_anything_happened() -> None:
    hub = manual_hub()
    before = names(scrape(hub, Metrics()))
    hub.publish(ALPHA)
    assert names(scrape(hub, Metrics())) == before


def test_a_disk_that_is_not_there_costs_its_figure_only(tmp_path: Path) -> None:
    hub = manual_hub()
    trace = RecordView(str(tmp_path))
    hub.publish(replace(ALPHA, record=RecordView(str(tmp_path / "gone"), "no such folder"), trace=trace))
    found = samples(scrape(hub, Metrics()))
    assert value(found, "clarilink_record_problem") == 1
    assert value(found, "clarilink_trace_problem") == 0
    assert ("clarilink_record_free_bytes", (("station", "alpha"),)) not in found


def test_an_address_in_use_names_the_key() -> None:
    hub = manual_hub()
    first = MetricsExporter(MetricsSection(bind="127.0.0.1:0"), hub, Metrics(), lambda line: None)
    assert first.address == "127.0.0.1:0"
    first.start()
    try:
        second = MetricsExporter(MetricsSection(bind=first.address), hub, Metrics(), lambda line: None)
        with pytest.raises(ConfigError, match=rf"metrics\.bind: cannot listen at {re.escape(first.address)}: "):
            second.start()
        second.stop()
    finally:
        first.stop()
    with pytest.raises(ConfigError, match=r"metrics\.bind"):
        MetricsExporter(
            MetricsSection(bind="no.such.host.invalid:1", insecure=True), hub, Metrics(), lambda line: None
        ).start()


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter_module, "available", lambda: False)
    with pytest.raises(ConfigError, match=r"install clarilink\[metrics\]"):
        MetricsExporter(MetricsSection(), manual_hub(), Metrics(), lambda line: None)


def test_starting_and_stopping_leaves_nothing_behind() -> None:
    hub = manual_hub()
    scrape(hub, Metrics())
    files, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    for _ in range(5):
        scrape(hub, Metrics())
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert threading.active_count() <= threads


def test_names_are_good_ones_whatever_is_counted() -> None:
    for name in ("a.b-c", "x.total", "modem.rx_total", "rx.dropped.bad_tag", "audio.input.xruns", "weird name!"):
        assert re.fullmatch(r"clarilink_[a-z0-9_]*[a-z0-9_]", counter_of(name).name)
        assert not counter_of(name).name.endswith("_total")
    assert counter_of("rx.droppedness").labels == ()
    assert gauge_of("modem.snr_db").name == "clarilink_modem_snr_db"


def test_what_the_station_counts_by_a_fixed_name_is_in_the_table() -> None:
    """Of the parts that every station has; modems count as their kind has it."""
    counted: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") in ("count", "gauge")
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
                and re.match(r"(tx|rx|ptt|link|keying|message|adaptation)\.", node.args[0].value)
            ):
                counted.add(node.args[0].value)
    assert len(counted) > 20
    unknown = {
        name
        for name in counted - COUNTERS.keys() - GAUGES.keys()
        if not any(name.startswith(f"{family}.") for family in LABELLED)
    }
    assert unknown == set()


@pytest.fixture(scope="module")
def exported() -> set[str]:
    hub = manual_hub()
    hub.publish(ALPHA)
    return names(scrape(hub, Metrics()))


def queries_of_the_dashboard() -> list[str]:
    board = json.loads((ROOT / "deploy" / "grafana" / "clarilink.json").read_text())
    assert board["title"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len(panels) > 15
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["title"]
        assert panel["targets"], panel["title"]
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    return queries + [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]


def queries_of_the_alerts() -> list[str]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    rules = yaml.safe_load((ROOT / "deploy" / "grafana" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules)
    return [rule["expr"] for rule in rules]


@pytest.mark.parametrize("queries", [queries_of_the_dashboard, queries_of_the_alerts])
def test_dashboard_and_alerts_ask_for_what_there_is(queries, exported: set[str]) -> None:  # type: ignore[no-untyped-def]
    asked = {name for query in queries() for name in re.findall(r"\b(?:clarilink|process)_\w+", query)}
    assert len(asked) > 8
    assert asked <= exported, f"nobody exports {sorted(asked - exported)}"
