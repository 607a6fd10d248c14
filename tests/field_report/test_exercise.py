"""Whole exercises of known truth, whole and damaged: what the report says of them."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gateway.audio.files import write_wav
from gateway.cli import main
from gateway.errors import ConfigError, GatewayError
from gateway.field_report.clocks import Source
from gateway.field_report.make import make_report
from gateway.field_report.results import Results, delivered_share, messages_delivered, packet_loss, words_wrong
from tests.field_report.made_up import RATE, WALL_S, Echo, Station, heard_of, packet, speech, trace

M2E_S = 1.35


def two_overs(folder: Path, **bravo: float | str) -> tuple[Station, Station]:
    """Alpha talks twice, bravo hears both 1.35 s later: the first whole, of the second frames 20..29 guessed."""
    a = Station(folder / "alpha", "alpha", 1)
    b = Station(folder / "bravo", "bravo", 2, **bravo)  # type: ignore[arg-type]
    for number, (at_s, seconds) in enumerate(((10.0, 6.0), (30.0, 8.0))):
        said = speech(seconds, seed=number + 1)
        a.over("said", said, at_s, over_id=7 + number, key_s=at_s - 0.02)
        frames = len(said) // 1280
        bad = {"concealed": [[20, 30]], "lost": 2} if number else {"lost": 0}
        b.over(
            "heard",
            heard_of(said),
            at_s + M2E_S,
            over_id=7 + number,
            source=1,
            first_frame=0,
            end_frame=frames + 1,
            expected=13 + number,
            late=0,
            **bad,
        )
    return a, b


def results_of(folder: Path, **options: object) -> Results:
    return make_report(folder, asr="none", **options).results  # type: ignore[arg-type]


def test_known_delay_access_time_and_loss_are_in_the_report(tmp_path: Path) -> None:
    two_overs(tmp_path)
    results = results_of(tmp_path)
    assert results.problems == []
    assert results.clock_source is Source.MACHINE
    assert results.stations == ["alpha", "bravo"]
    assert [(over.talker, over.listener) for over in results.overs] == [("alpha", "bravo")] * 2
    for over in results.overs:
        assert over.mouth_to_ear_s == pytest.approx(M2E_S, abs=0.010)
        assert over.first_sound_s == pytest.approx(M2E_S + 0.02, abs=0.005)
        assert over.pause_s is not None
        assert over.first_speech_s == pytest.approx(M2E_S + over.pause_s, abs=0.06)
    first, second = results.overs
    assert first.delivered is not None
    assert first.delivered.delivered == 1.0
    assert second.delivered is not None
    assert 0.05 < second.delivered.concealed < 0.2
    assert packet_loss(results.overs) == (2, 27)
    assert 0.8 < (delivered_share(results.overs) or 0) < 0.97


def test_clocks_that_are_apart_are_set_by_the_exercise_file(tmp_path: Path) -> None:
    two_overs(tmp_path, machine="other", wall_s=WALL_S + 4.2, mono_s=9000.0)
    wrong = results_of(tmp_path)
    assert wrong.clock_source is Source.CALENDAR
    assert wrong.overs[0].mouth_to_ear_s == pytest.approx(M2E_S + 4.2, abs=0.02)
    (tmp_path / "exercise.toml").write_text("[stations.bravo]\nclock_offset_s = -4.2\n")
    right = results_of(tmp_path)
    assert right.clock_source is Source.GIVEN
    assert right.overs[0].mouth_to_ear_s == pytest.approx(M2E_S, abs=0.010)


def traces_both_ways(folder: Path, there_s: float, back_s: float, mono_b: float, wall_b: float | None) -> None:
    """50 packets each way, every tenth of alpha's lost; bravo's clock shows `mono_b` where alpha's shows 100."""
    alpha, bravo = [], []
    rng = np.random.default_rng(4)
    for k in range(50):
        jitter = 0.0 if k % 7 == 0 else float(rng.uniform(0, 0.1))
        at = 100 + 5.0 + k
        alpha.append(packet(at, "tx", "sent", 1000 + k))
        if k % 10 != 3:
            bravo.append(packet(at - 100 + mono_b + there_s + jitter, "rx", "delivered", 1000 + k, snr_db=12.0))
        bravo.append(packet(at + 0.5 - 100 + mono_b, "tx", "sent", 5000 + k))
        alpha.append(packet(at + 0.5 + back_s + jitter, "rx", "delivered", 5000 + k))
    trace(folder / "alpha.trace", "alpha", sorted(alpha, key=lambda r: r.at_s))
    trace(folder / "bravo.trace", "bravo", sorted(bravo, key=lambda r: r.at_s), mono_b, wall_b)


def test_clocks_that_are_apart_are_set_by_traces_of_both_sides(tmp_path: Path) -> None:
    two_overs(tmp_path, machine="other", wall_s=WALL_S + 4.2, mono_s=9000.0)
    traces_both_ways(tmp_path, 0.3, 0.3, 9000.0, WALL_S + 4.2)
    results = results_of(tmp_path)
    assert results.clock_source is Source.TRACES
    assert [over.mouth_to_ear_s for over in results.overs] == pytest.approx([M2E_S, M2E_S], abs=0.015)


def test_traces_on_one_machine_give_loss_delay_and_snr_of_each_way(tmp_path: Path) -> None:
    two_overs(tmp_path)
    traces_both_ways(tmp_path, 0.3, 0.6, 100.0, WALL_S)
    made = make_report(tmp_path, asr="none")
    ways = {way.name: way for way in made.results.ways}
    assert set(ways) == {"alpha > bravo", "bravo > alpha"}
    there, back = ways["alpha > bravo"], ways["bravo > alpha"]
    assert (len(there), there.n_lost, len(back), back.n_lost) == (50, 5, 50, 0)
    assert np.nanmin(there.delay_s) == pytest.approx(0.3, abs=1e-6)
    assert np.nanmin(back.delay_s) == pytest.approx(0.6, abs=1e-6)
    assert set(there.snr_db[~np.isnan(there.snr_db)]) == {12.0}
    names = {path.name for path in made.pictures}
    assert {"timeline.png", "loss.png", "delay.png", "snr.png", "mouth-to-ear.png", "access-time.png"} <= names


def test_packets_before_a_late_entry_are_lost_where_traces_tell(tmp_path: Path) -> None:
    """The receiver counted 13 and 14 packets; of the first over it missed the eight before those that it heard."""
    two_overs(tmp_path)
    alpha, bravo = [], [packet(101.0, "tx", "sent", 1)]
    for begin_s, over, count in ((110.0, 7, 14), (130.0, 8, 16), (900.0, 7, 5)):  # over 7 comes again, later
        for k in range(count):
            at_s = begin_s + 0.48 * k
            alpha.append(packet(at_s, "tx", "sent", 1000 * over + k + int(at_s), over=over))
            if k >= 8 or over == 8:
                bravo.append(packet(at_s + 0.3, "rx", "delivered", 1000 * over + k + int(at_s), over=over))
    trace(tmp_path / "alpha.trace", "alpha", alpha)
    trace(tmp_path / "bravo.trace", "bravo", bravo)
    made = make_report(tmp_path, asr="none")
    counts = [(over.packets_lost, over.packets) for over in made.results.overs]
    assert counts == [(8, 14), (0, 16)]
    assert "8 of 14" in made.page.read_text()


def test_damage_is_told_and_costs_only_what_it_touches(tmp_path: Path) -> None:
    a, b = two_overs(tmp_path)
    # A recording that is gone, one that is cut within its header, a trace that is none, one without a partner.
    gone = a.over("said", speech(2.0), 50.0, over_id=20)
    gone.unlink()
    cut = a.over("said", speech(2.0), 60.0, over_id=21)
    cut.write_bytes(cut.read_bytes()[:20])
    b.over("heard", heard_of(speech(2.0, 5)), 70.0, over_id=25, source=1, first_frame=0, end_frame=25)
    with (b.folder / "index.jsonl").open("a") as file:
        file.write('{"event": "begin", "si')
    (tmp_path / "broken.trace").write_bytes(b"not a trace at all")
    trace(tmp_path / "lonely.trace", "charlie", [packet(120.0 + k, "tx", "sent", k) for k in range(5)])
    results = results_of(tmp_path)
    told = "\n".join(results.problems)
    assert f"{gone}: missing" in told
    assert str(cut) in told
    assert "1 lines cannot be read" in told
    assert "broken.trace: not a clarilink trace" in told
    assert "lonely.trace: what charlie sent is in it, but no trace of a receiver has any of it" in told
    good = [over for over in results.overs if over.is_pair]
    assert [over.mouth_to_ear_s for over in good] == pytest.approx([M2E_S, M2E_S], abs=0.010)
    alone = {over.why[0] for over in results.overs if not over.is_pair}
    assert "nobody's recording has it as said" in alone
    page = (tmp_path / "report" / "report.html").read_text()
    assert "What could not be used" in page
    assert "broken.trace" in page


def test_a_recording_cut_by_a_crash_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    a = Station(tmp_path / "a", "alpha", 1)
    b = Station(tmp_path / "b", "bravo", 2)
    said = speech(8.0)
    a.over("said", said, 0.0, over_id=1, key_s=0.0)
    path = b.folder / "20260101T000000-0009-heard.wav"
    write_wav(path, [heard_of(said)[: 5 * RATE]])
    b.line(event="begin", side="heard", file=path.name, over_id=1, source=1, **b.times(0.9))
    over = results_of(tmp_path).overs[0]
    assert over.mouth_to_ear_s == pytest.approx(0.9, abs=0.010)
    assert "what was heard ends where its recording was cut off" in over.why
    assert over.delivered is not None
    assert not over.is_by_frames
    assert 0.5 < over.delivered.delivered < 0.8


def test_words_are_counted_against_the_transcript_and_without_one_against_what_was_said(tmp_path: Path) -> None:
    pytest.importorskip("jiwer")
    pytest.importorskip("whisper_normalizer")
    a, b = two_overs(tmp_path)
    paths = sorted(a.folder.glob("*said.wav"))
    paths[0].with_suffix(".txt").write_text("Alpha to bravo,\nradio check now please.\n")
    lengths = [6 * RATE, 8 * RATE]
    heard = sorted(b.folder.glob("*heard.wav"))
    assert len(heard) == 2
    # Both sides of an over are equally long here, so the recogniser hears the same in them.
    echo = Echo({lengths[0]: "alpha to bravo radio check no", lengths[1]: "moving to channel two"})
    results = make_report(tmp_path, listener=echo).results
    first, second = (over.score for over in results.overs)
    assert first is not None
    assert (first.words, first.wrong, first.lost_before, first.has_transcript) == (7, 2, 2, True)
    assert second is not None
    assert (second.words, second.wrong, second.has_transcript) == (4, 0, False)
    assert words_wrong(results.overs) == (2, 11)
    assert messages_delivered(results.overs) == (1, 1, 2)


def test_several_listeners_each_have_their_figures(tmp_path: Path) -> None:
    two_overs(tmp_path)
    c = Station(tmp_path / "charlie", "charlie", 3)
    c.over("heard", heard_of(speech(6.0, seed=1)), 12.0, over_id=7, source=1, first_frame=0, end_frame=76)
    overs = results_of(tmp_path).overs
    assert [(over.talker, over.listener) for over in overs if over.start_s < WALL_S + 25] == [
        ("alpha", "bravo"),
        ("alpha", "charlie"),
    ]
    assert overs[1].mouth_to_ear_s == pytest.approx(2.0, abs=0.010)


def test_recordings_by_other_means(tmp_path: Path) -> None:
    said = speech(6.0)
    write_wav(tmp_path / "mouth.wav", [said])
    write_wav(tmp_path / "ear.wav", [heard_of(said, 0.4)])
    (tmp_path / "exercise.toml").write_text(
        """
title = "Harbour <test> & more"
[[over]]
talker = "boat"
listener = "shore"
said = "mouth.wav"
heard = "ear.wav"
said_at = "2026-05-04T09:00:00Z"
heard_at = "2026-05-04T11:00:01.500+02:00"
key_at = "2026-05-04T08:59:59.900"
[[remark]]
at = "2026-05-04T09:00:30Z"
text = "Engine <off>"
[transcripts]
"mouth.wav" = "hello there"
"nothing.wav" = "what"
"""
    )
    results = results_of(tmp_path)
    (over,) = results.overs
    assert over.mouth_to_ear_s == pytest.approx(1.9, abs=0.010)
    assert over.first_sound_s == pytest.approx(1.6, abs=1e-3)
    assert over.delivered is not None
    assert over.delivered.delivered > 0.9
    assert results.problems == ["exercise.toml: transcripts: no recording is named 'nothing.wav'"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Harbour &lt;test&gt; &amp; more" in page
    assert "Engine &lt;off&gt;" in page
    assert "<test>" not in page


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("titel = 'x'", "titel: unknown key; did you mean title"),
        ("[[remark]]\nat = 'noon'\ntext = 'x'", "remark.0.at: got 'noon'; needs a time as \"2026"),
        ("[stations.a]\nclock_offset_s = 'x'", "stations.a.clock_offset_s"),
    ],
)
def test_a_wrong_exercise_file_is_refused_by_key(tmp_path: Path, text: str, told: str) -> None:
    two_overs(tmp_path)
    (tmp_path / "exercise.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"exercise\.toml") as caught:
        make_report(tmp_path)
    assert told in str(caught.value)


def test_nothing_to_report_on_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no such folder"):
        make_report(tmp_path / "none")
    with pytest.raises(GatewayError, match="no recordings"):
        make_report(tmp_path)


class Page(html.parser.HTMLParser):
    """Opening and closing tags in order, ids, references, and pictures without words."""

    VOID = frozenset({"meta", "img", "br", "path", "use", "rect", "hr", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.wordless = 0
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.names.add(tag)
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if (known.get("href") or "").startswith("#"):
            self.links.append(str(known["href"])[1:])
        if known.get("src"):
            self.addresses.append(str(known["src"]))
        self.wordless += tag == "img" and not known.get("alt")
        self.wordless += tag in ("svg", "audio") and not known.get("aria-label")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_needs_nothing_else_and_says_all_in_words(tmp_path: Path) -> None:
    two_overs(tmp_path)
    traces_both_ways(tmp_path, 0.3, 0.6, 100.0, WALL_S)
    (tmp_path / "ship.log").write_text("12:00 <all> well\n")
    made = make_report(tmp_path, asr="none")
    text = made.page.read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    assert page.wordless == 0
    assert "script" not in page.names
    assert all(address.startswith("data:") for address in page.addresses)
    assert made.is_whole
    assert sum(address.startswith("data:audio/flac") for address in page.addresses) == 4
    assert "12:00 &lt;all&gt; well" in text
    for source in ("NISTIR 8206", "NISTIR 8275", "NIST TN 2259"):
        assert source in text
    table = (tmp_path / "report" / "overs.csv").read_text().splitlines()
    assert len(table) == 3
    assert table[0].startswith("over,talker,listener")


def test_the_same_exercise_gives_the_same_report_and_earlier_ones_are_no_part_of_it(tmp_path: Path) -> None:
    two_overs(tmp_path)
    first = make_report(tmp_path, asr="none").page.read_text()
    assert make_report(tmp_path, asr="none").page.read_text() == first


def test_much_sound_lies_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.field_report.make.EMBED_BYTES", 1000)
    two_overs(tmp_path)
    made = make_report(tmp_path, tmp_path / "out", asr="none")
    assert not made.is_whole
    page = Page()
    page.feed(made.page.read_text())
    sounds = [address for address in page.addresses if not address.startswith("data:")]
    assert len(sounds) == 4
    assert all((tmp_path / "out" / address).is_file() for address in sounds)


def test_of_many_overs_those_that_lost_most_are_shown(tmp_path: Path) -> None:
    two_overs(tmp_path)
    made = make_report(tmp_path, asr="none", most_overs=1)
    assert [path.name for path in made.pictures if path.name.startswith("over-")] == ["over-002-alpha-bravo.png"]
    assert "1 others are in the table only" in made.page.read_text()


def test_the_command(tmp_path: Path) -> None:
    a, _ = two_overs(tmp_path)
    a.over("said", speech(1.0), 90.0, over_id=30).unlink()
    done = CliRunner().invoke(main, ["field-report", str(tmp_path), "--asr", "none", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'out' / 'report.html'}: 2 overs" in done.output
    assert "missing, though the index names it" in done.output
    assert CliRunner().invoke(main, ["field-report", str(tmp_path / "none")]).exit_code == 1


def test_an_index_of_a_later_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    a, _ = two_overs(tmp_path)
    a.line(event="weather", wind=3)
    with (a.folder / "index.jsonl").open("a") as file:
        file.write(json.dumps({"event": "begin", "side": "whispered", "file": "x.wav"}) + "\n")
    assert results_of(tmp_path).problems == []
