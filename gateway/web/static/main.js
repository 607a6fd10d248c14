// The console: the station's state onto the page, the operator's wishes to the station.
import { by, attribute, facts, make, reconcile, text } from "./dom.js";
import { Connection } from "./connection.js";
import { Talk } from "./talk.js";
import { Chart, niceTop } from "./charts.js";
import { drawDirectory, drawHeard, drawMessages, drawOvers, loadRecordings } from "./lists.js";
import { initTheme } from "./theme.js";
import { decibel, clockTime, describe, groupName, lasting, milliseconds, percent, sentence } from "./words.js";

const TABS = ["talk", "messages", "heard", "link", "station"];
const HISTORY_MS = 10000;
const LEVEL_S = 60;
const NEWS_KEPT = 200;
const REFUSAL_MS = 4000; // a refusal is shown while the key is down, and for so long after it

let tab = "talk";
let news = [];
let history = [];
let levels = [];
let spokenBefore = "";
let volumeTouchedAt = -Infinity;
let refusalBefore = null;
let refusalAt = -Infinity;
let asked = 0;
const waiting = new Map(); // number of a request -> what to do with the answer

initTheme(by("theme"));
const connection = new Connection({ onState: drawState, onNews: addNews, onAnswer: answered, onLost: lost });
const talk = new Talk(connection);

const charts = {
  level: new Chart(by("chart-level"), {
    series: [{ key: "mic", name: "microphone" }, { key: "speaker", name: "speaker" }],
    unit: "dB", bottom: -60, top: () => 0, spanWords: "Level in the last minute",
  }),
  loss: new Chart(by("chart-loss"), {
    series: [{ key: "lost", name: "lost", scale: 100 }, { key: "late", name: "late", scale: 100 }, { key: "concealed", name: "concealed", scale: 100 }],
    unit: "%", top: niceTop(10), spanWords: "Packets missing",
  }),
  delay: new Chart(by("chart-delay"), {
    series: [{ key: "delay_ms", name: "mouth to ear" }],
    unit: "ms", top: niceTop(500), spanWords: "Delay",
  }),
};

function ask(request, then = null) {
  asked += 1;
  if (then) waiting.set(asked, then);
  if (!connection.send({ ...request, n: asked })) {
    waiting.delete(asked);
    then?.({ error: "not connected" });
    say("Not connected: nothing was sent");
  }
}

function answered(message) {
  const then = waiting.get(message.n);
  waiting.delete(message.n);
  then?.(message);
  if (message.error && !then) addNews([{ number: 0, wall_s: connection.snapshot?.wall_s ?? 0, text: message.error, level: "refused" }]);
}

function say(words) {
  text(by("spoken"), words);
}

function lost(why) {
  talk?.lost();
  for (const then of waiting.values()) then({ error: "the connection broke" });
  waiting.clear();
  const banner = by("lost");
  banner.hidden = false;
  text(banner, `Not connected: not transmitting (${why}). Trying again.`);
  drawBanner();
}

function drawState(snapshot, parts, isFirst) {
  if (isFirst) {
    by("lost").hidden = true;
    news = [];
    loadHistory();
    document.title = `${snapshot.station.name} – clarilink`;
  }
  const has = (...names) => isFirst || names.some((name) => parts.includes(name));
  if (has("station")) text(by("station"), snapshot.station.name);
  if (has("ptt", "talker", "link", "keying", "station", "wall_s")) {
    drawBanner();
    talk.update();
  }
  if (has("audio")) drawAudio(snapshot.audio);
  if (has("audio", "wall_s")) keepLevels(snapshot.audio);
  if (has("link")) drawChip(snapshot.link);
  if (has("reception", "sent_reception", "delay")) drawReception(snapshot);
  if (has("messages", "wall_s", "overs") && tab !== "messages") drawUnread(snapshot.messages);
  if (has("names", "station")) drawDirectory(snapshot);
  if (has("ptt")) {
    attribute(by("parrot"), "aria-pressed", snapshot.ptt.is_parrot);
    text(by("record").querySelector("span"), snapshot.ptt.is_recording ? "End and send" : "Record");
  }
  drawTab(has);
}

function drawTab(has) {
  const { snapshot } = connection;
  if (!snapshot) return;
  if (tab === "messages" && has("messages")) {
    drawMessages(snapshot, ask);
    drawUnread(snapshot.messages);
  }
  if (tab === "heard") {
    if (has("last_heard", "wall_s")) drawHeard(snapshot);
    if (has("overs")) {
      drawOvers(snapshot, ask);
      loadRecordings(snapshot);
    }
  }
  if (tab === "link") {
    if (has("audio", "wall_s")) drawLevels();
    if (has("link", "airtime", "reception", "sent_reception")) drawLink(snapshot);
  }
  if (tab === "station") drawStation(snapshot, has);
}

function drawBanner() {
  const { snapshot, holder } = connection;
  const now = performance.now();
  const refusal = snapshot?.ptt.refusal ?? null;
  if (refusal !== refusalBefore || talk?.isDown) refusalAt = now;
  refusalBefore = refusal;
  const state = describe(snapshot, holder, now - refusalAt < REFUSAL_MS);
  by("state").dataset.state = state.look;
  document.body.dataset.state = state.look;
  attribute(by("state-icon"), "href", `#i-${state.icon}`);
  text(by("state-title"), state.title);
  text(by("state-sub"), state.sub);
  const left = holder && snapshot ? snapshot.ptt.time_left_s : null;
  const isCounting = left !== null && left !== undefined;
  by("countdown").hidden = by("countbar").hidden = !isCounting;
  if (isCounting) {
    text(by("countdown"), `${lasting(left)} left`);
    by("countdown").dataset.near = left <= 15;
    const whole = left + snapshot.ptt.mode_s;
    by("countbar").firstElementChild.style.width = `${whole > 0 ? (100 * left) / whole : 0}%`;
  }
  // Spoken when the state changes, not when its seconds do.
  const near = isCounting && left <= 15 ? ". Time is nearly out" : "";
  const words = `${state.title}${state.look === "rx" ? "" : `. ${state.sub}`}${near}`;
  if (words !== spokenBefore) {
    spokenBefore = words;
    say(words);
  }
}

function drawAudio(audio) {
  const meter = by("mic");
  const share = (level) => `${Math.min(100, Math.max(0, (100 * (level + 60)) / 60))}%`;
  meter.children[0].style.width = share(audio.level_db);
  meter.children[1].style.left = share(audio.peak_db);
  meter.dataset.clip = audio.is_clipping;
  by("clip").hidden = !audio.is_clipping;
  attribute(meter, "aria-valuenow", Math.round(Math.min(0, Math.max(-60, audio.level_db))));
  attribute(meter, "aria-valuetext", `${decibel(audio.level_db)}${audio.is_clipping ? ", too loud" : ""}`);
  const trouble = audio.input.state !== "running" ? `${audio.input.name || "microphone"}: ${audio.input.text || audio.input.state}` : "";
  text(by("mic-text"), trouble || (audio.level_db <= -99 ? "silent" : `${decibel(audio.level_db)}, peak ${decibel(audio.peak_db)}`));
  attribute(by("mute"), "aria-pressed", audio.is_muted);
  attribute(by("mute").querySelector("use"), "href", audio.is_muted ? "#i-mute" : "#i-speaker");
  if (performance.now() - volumeTouchedAt > 1500) {
    by("volume").value = audio.volume_db;
    text(by("volume-text"), audio.is_muted ? "muted" : decibel(audio.volume_db));
  }
}

function keepLevels({ level_db: mic, output_level_db: speaker }) {
  const now = performance.now() / 1000;
  levels.push({ at: now, mic: Math.max(-60, mic), speaker: Math.max(-60, speaker) });
  while (levels[0].at < now - LEVEL_S - 5) levels.shift();
}

function drawChip(link) {
  const isGood = link.is_up && !link.outage;
  by("chip").dataset.good = isGood;
  attribute(by("chip").querySelector("use"), "href", isGood ? "#i-link" : "#i-nolink");
  text(by("chip-text"), isGood ? link.name || "link" : "no link");
}

function drawReception({ reception, sent_reception: sent, delay }) {
  by("quality").dataset.quality = reception.quality;
  text(by("quality"), reception.quality === "unknown" ? "Nothing heard yet" : sentence(reception.quality));
  const words = reception.words.startsWith(`${reception.quality}: `) ? reception.words.slice(reception.quality.length + 2) : reception.words;
  const more = [words, reception.concealed > 0 ? `${percent(reception.concealed)} concealed` : "", reception.snr_db === null ? "" : `SNR ${decibel(reception.snr_db)}`];
  text(by("reception"), more.filter(Boolean).join(", "));
  by("sent-reception").hidden = sent.quality === "unknown";
  text(by("sent-reception"), `Others hear you: ${sent.words || sent.quality}`);
  text(by("delay"), milliseconds(delay.total_ms));
  facts(by("delay-parts"), [
    ["Codec", delay.codec_ms], ["Packet filling", delay.packet_ms], ["Noise suppression", delay.suppression_ms],
    ["Protection", delay.protection_ms], ["On the air", delay.air_ms], ["Link", delay.link_ms],
    ["Waiting for late packets", delay.cushion_ms], ["Sound card", delay.sound_ms],
  ].filter(([, value]) => value).map(([name, value]) => [name, milliseconds(value)]));
}

function drawUnread(messages) {
  const inbox = messages.filter((message) => !/^(out|sent|said)/.test(message.direction));
  const newest = inbox.reduce((most, message) => Math.max(most, message.wall_s), 0);
  const key = `read ${connection.snapshot.station.id}`;
  let readUntil = 0;
  try {
    if (tab === "messages") localStorage.setItem(key, newest);
    readUntil = Number(localStorage.getItem(key) ?? 0);
  } catch {
    readUntil = newest; // without storage nothing can be called unread
  }
  const unread = inbox.filter((message) => message.wall_s > readUntil).length;
  by("unread").hidden = unread === 0;
  text(by("unread"), String(unread));
  attribute(by("tab-messages"), "aria-label", unread ? `Messages, ${unread} new` : null);
}

function drawLevels() {
  const now = performance.now() / 1000;
  charts.level.draw(levels, now - LEVEL_S, now, 3);
}

function drawHistory() {
  const now = connection.snapshot?.wall_s ?? 0;
  const from = history.length ? Math.max(now - 7200, Math.min(history[0].at, now - 300)) : now - 300;
  const span = `last ${lasting(now - from)}`;
  charts.loss.spanWords = `Packets missing, ${span}`;
  charts.delay.spanWords = `Delay, ${span}`;
  charts.loss.draw(history, from, now, 60);
  charts.delay.draw(history, from, now, 60);
}

async function loadHistory() {
  const after = history.length ? history.at(-1).at : 0;
  try {
    const answer = await fetch(`/api/history?after=${after}`);
    if (!answer.ok) return;
    for (const point of await answer.json()) if (point.wall_s > (history.at(-1)?.at ?? 0)) history.push({ ...point, at: point.wall_s });
    history = history.slice(-720);
  } catch {
    return; // the socket tells of it
  }
  drawHistory();
}

function drawLink({ link, airtime, reception, sent_reception: sent }) {
  facts(by("link-facts"), [
    ["Link", link.name], ["Kind", link.kind], ["State", link.outage || (link.is_up ? "up" : "down")],
    ["Rate", link.rate_bps ? `${Math.round(link.rate_bps)} bit/s` : null], ["Longest packet", link.mtu_bytes ? `${link.mtu_bytes} bytes` : null],
    ["Way", link.is_half_duplex ? "half duplex" : "full duplex"], ["Own overs", link.sending], ["Live voice", { live: "fits", buffered: "too slow: messages", no: "does not fit" }[link.fit] ?? link.fit],
    ["Why", link.reason],
    ["Heard", reception.words], ["Packets lost", reception.expected ? percent(reception.lost) : null], ["Packets late", reception.expected ? percent(reception.late) : null],
    ["Lost in a row", reception.expected ? reception.mean_burst.toFixed(1) : null], ["Concealed", reception.expected ? percent(reception.concealed) : null],
    ["SNR", decibel(reception.snr_db)], ["Others hear you", sent.words],
  ]);
  facts(by("air-facts"), [
    ["Own, last hour", `${lasting(airtime.own_hour_s)} (${percent(airtime.share_hour)})`], ["Own, since the start", lasting(airtime.own_s)],
    ["Others", lasting(airtime.heard_s)], ["Sent", `${airtime.sent_bytes} bytes`], ["Last over", airtime.on_air_bps ? `${Math.round(airtime.on_air_bps)} bit/s` : null],
  ]);
}

function drawStation(snapshot, has) {
  const { audio, security, station, keying, record, trace } = snapshot;
  const device = ({ name, state, text: why }) => `${name || "–"}: ${state}${why ? ` (${why})` : ""}`;
  if (has("audio")) {
    facts(by("device-facts"), [
      ["Microphone", device(audio.input)], ["Missed by it", audio.input.xruns], ["Speaker", device(audio.output)], ["Gaps in it", audio.output.xruns],
      ["Dropped samples", audio.input.dropped_samples + audio.output.dropped_samples], ["Noise suppression", audio.noise_suppression ? "on" : "off"],
    ]);
  }
  if (has("security")) {
    const refused = security.refused.map(([why, count]) => `${why} ${count}`).join(", ");
    facts(by("security-facts"), [
      ["Mode", { none: "none: anybody can hear and talk" }[security.mode] ?? security.mode], ["State", security.text],
      ["Sends with key", security.key_id], ["Accepts keys", security.accepted_ids.join(", ")], ["Refused packets", refused || "none"],
    ]);
  }
  if (has("station", "keying", "record", "trace")) {
    facts(by("station-facts"), [
      ["Name", station.name], ["Number", station.id], ["Group", groupName(station.group)], ["Version", station.version], ["Running for", lasting(station.up_s)],
      ["Transmitter", keying ? `${keying.kind}: ${keying.problem || (keying.is_keyed ? "keyed" : "not keyed")}` : null],
      ["Recordings", record ? record.problem || record.folder : "none"], ["Trace", trace ? trace.problem || trace.folder : "none"],
    ]);
  }
  if (has("counters") && by("counters-box").open) facts(by("counters"), snapshot.counters.map(([name, value]) => [name, Number.isInteger(value) ? value : value.toFixed(2)]));
}

function addNews(lines) {
  news = [...news, ...lines].slice(-NEWS_KEPT);
  drawNews();
}

function drawNews() {
  const make_ = (one) => make("li", { class: one.level }, make("time", {}, clockTime(one.wall_s)), ` ${one.level !== "info" ? "⚠ " : ""}${one.text}`);
  const newest = news.map((one, place) => ({ ...one, place })).reverse();
  const key = (one) => `${one.number}.${one.number ? 0 : one.place}`;
  reconcile(by("news-short"), newest.slice(0, 4).map(({ place, ...one }) => one), key, make_);
  if (tab === "station") reconcile(by("news"), newest.map(({ place, ...one }) => one), key, make_);
}

function showTab(name, isFocused = false) {
  tab = name;
  document.body.dataset.tab = name;
  for (const one of TABS) {
    attribute(by(`tab-${one}`), "aria-selected", one === name);
    by(`tab-${one}`).tabIndex = one === name ? 0 : -1;
    by(`panel-${one}`).hidden = one !== name;
  }
  if (isFocused) by(`tab-${name}`).focus();
  drawTab(() => true);
  drawNews();
  if (name === "link") drawHistory();
  document.querySelector("main").scrollTop = 0;
}

for (const name of TABS) {
  by(`tab-${name}`).addEventListener("click", () => showTab(name));
  by(`tab-${name}`).addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const place = TABS.indexOf(name);
    if (event.key in steps) showTab(TABS[(place + steps[event.key] + TABS.length) % TABS.length], true);
    else if (event.key === "Home") showTab(TABS[0], true);
    else if (event.key === "End") showTab(TABS.at(-1), true);
  });
}

// After a click or a tap the space bar is to talk again; whoever uses the keyboard keeps the focus.
document.addEventListener("click", (event) => {
  const pressed = event.target.closest?.("button");
  if (event.detail > 0 && pressed && pressed.id !== "talk") pressed.blur();
});

by("mute").addEventListener("click", () => ask({ op: "mute", is_on: !connection.snapshot?.audio.is_muted }));
const setVolume = (value) => {
  const volume = Math.max(-40, Math.min(20, value));
  volumeTouchedAt = performance.now();
  by("volume").value = volume;
  text(by("volume-text"), decibel(volume));
  ask({ op: "volume", volume_db: volume });
};
by("volume").addEventListener("change", () => setVolume(Number(by("volume").value)));
by("volume").addEventListener("input", () => {
  volumeTouchedAt = performance.now();
  text(by("volume-text"), decibel(Number(by("volume").value)));
});
by("quieter").addEventListener("click", () => setVolume(Number(by("volume").value) - 3));
by("louder").addEventListener("click", () => setVolume(Number(by("volume").value) + 3));

by("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = by("text").value;
  const to = by("to").value;
  if (!words.trim()) return;
  text(by("compose-told"), "Sending…");
  ask({ op: "text", text: words.replaceAll("\n", " "), to: to === "" ? null : Number(to) }, (answer) => {
    text(by("compose-told"), answer.error ? `Not sent: ${answer.error}` : "Handed to the station.");
    if (!answer.error && by("text").value === words) by("text").value = "";
  });
});
by("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    by("compose").requestSubmit();
  }
});
by("record").addEventListener("click", () => ask({ op: "record" }));
by("stop").addEventListener("click", () => ask({ op: "stop" }));
by("tone").addEventListener("click", () => ask({ op: "tone" }));
by("mic-test").addEventListener("click", () => ask({ op: "microphone" }));
by("parrot").addEventListener("click", () => ask({ op: "parrot", is_on: !connection.snapshot?.ptt.is_parrot }));
by("counters-box").addEventListener("toggle", () => drawTab(() => true));
by("config-box").addEventListener("toggle", async () => {
  if (!by("config-box").open) return;
  try {
    const answer = await fetch("/api/config");
    text(by("config"), answer.ok ? JSON.stringify(await answer.json(), null, 2) : `refused (${answer.status})`);
  } catch {
    text(by("config"), "cannot be had now");
  }
});
by("logout").addEventListener("click", async () => {
  await fetch("/logout", { method: "POST" }).catch(() => {});
  location.replace("/login");
});

setInterval(loadHistory, HISTORY_MS);
talk.draw();
drawBanner();
