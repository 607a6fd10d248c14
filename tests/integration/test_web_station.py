"""Two whole stations over a channel, one of them keyed from its web console in real Chromium: what was said there is
heard at the other, and a recogniser understands it.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.evaluation.asr import load_recogniser
from gateway.evaluation.wer import normalise, word_errors
from gateway.samples import sample_path
from gateway.tools.program import Program
from tests.integration.programs import Start, free_port
from tests.patience import PATIENCE_S
from tests.web.chromium import chromium
from tests.web.desk import until

SAID = (
    "Harbor control, this is the research vessel Northern Light. We are two miles west of the lighthouse with three "
    "divers in the water. Please keep all traffic clear of our position. The wind is rising, and we expect to finish "
    "by half past four. Over."
)
SAMPLE_S = 16.5
MOST_ERRORS = 0.4
"""Share of words: the codec alone costs tiny.en about a fifth of these on this talker, a lossy channel some more."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


def station(folder: Path, name: str, number: int, endpoint: str) -> str:
    """A station file with the packaged weights, a sound file as microphone and a web console."""
    path = folder / f"{name}.toml"
    path.write_text(f"""
[station]
name = "{name}"
id = {number}
group = 4
[net.names]
1 = "alpha"
2 = "bravo"
[audio]
input = "file:{sample_path()}"
output = "file:{name}-heard.wav"
noise_suppression = "off"
[codec]
search = "off"
[ptt]
tones = false
source = "none"
[jitter]
cushion_ms = 200
cap_ms = 4000
[record]
folder = "{name}-recordings"
[web]
bind = "127.0.0.1:0"
[log]
format = "json"
[link]
kind = "zeromq-channel"
endpoint = "{endpoint}"
""")
    return str(path)


def open_console(context: Any, program: Program) -> Any:
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    page.goto(json.loads(program.wait_for("web console"))["address"])
    page.wait_for_selector("#state[data-state=ready]")
    return page


@pytest.mark.parametrize("preset", ["leo-iridium", "acoustic-1km"])
def test_an_over_keyed_in_the_browser_is_understood_at_the_other_station(
    start: Start, browser: Any, tmp_path: Path, preset: str
) -> None:
    from playwright.sync_api import TimeoutError as TooLate

    endpoint = f"tcp://127.0.0.1:{free_port()}"
    (tmp_path / "net.toml").write_text(f'endpoint = "{endpoint}"\nseed = 5\n[channel]\npreset = "{preset}"\n')
    start("channel", "-c", str(tmp_path / "net.toml"))
    a = start("run", "-c", station(tmp_path, "alpha", 1, endpoint))
    a.wait_for("station ready")
    b = start("run", "-c", station(tmp_path, "bravo", 2, endpoint))
    b.wait_for("station ready")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    try:
        here, there = (open_console(context, program) for program in (a, b))
        here.bring_to_front()
        here.hover("#talk")
        here.mouse.down()
        here.wait_for_selector("#state[data-state=tx]")
        there.wait_for_selector("#state[data-state=rx]")
        until(lambda: there.locator("#state-title").inner_text() == "Receiving alpha")
        here.wait_for_timeout(1000 * SAMPLE_S)  # speech takes its time: this is no waiting for something to happen
        assert here.locator("#state").get_attribute("data-state") == "tx", "held for as long as the finger is down"
        here.mouse.up()
        here.wait_for_selector("#state[data-state=ready]")
        a.wait_for("over sent")
        b.wait_for("over ended")
        there.wait_for_selector("#state[data-state=ready]")

        # The other way round by text; and what was heard can be listened to on the phone.
        there.click("#tab-messages")
        here.click("#tab-messages")
        for _ in range(4):  # a text that a poor channel loses has to be written again
            there.fill("#text", "Northern Light, understood")
            there.click("#compose button")
            with contextlib.suppress(TooLate):
                here.locator("#messages .in").first.wait_for(timeout=10_000)
                break
        assert "Northern Light, understood" in here.locator("#messages .in").first.inner_text()
        there.click("#tab-heard")
        there.locator("#recordings li").first.wait_for()
        assert "alpha" in there.locator("#recordings li").first.inner_text()
        recording = there.locator("#recordings a").first.get_attribute("href")
        answer = context.request.get(there.url.rstrip("/") + recording)
        assert answer.status == 200
        assert answer.body()[:4] == b"RIFF"
        assert len(answer.body()) > 2 * 16_000 * (SAMPLE_S - 4)
    finally:
        context.close()
    for program in (a, b):
        program.process.send_signal(signal.SIGTERM)
    assert (a.end(), b.end()) == (0, 0)
    assert a.counts()["ptt.key_up"] == a.counts()["ptt.key_down"] == 1

    heard = read_audio(tmp_path / "bravo-heard.wav")
    assert np.sqrt(np.mean(heard**2)) > 1e-3
    said = normalise(SAID)
    understood = normalise(load_recogniser("tiny.en").transcribe(heard.astype(np.float32)))
    errors = word_errors(said, understood) / len(said.split())
    assert errors <= MOST_ERRORS, f"{errors:.0%} of the words lost: {understood}"
    print(f"{preset}: {errors:.0%} of the words lost")
