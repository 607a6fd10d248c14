// Messages, overs, stations and recordings, as lists with what can be done with each.
import { by, button, make, reconcile, text } from "./dom.js";
import { ago, clockTime, decibel, groupName, lasting, percent, sentence } from "./words.js";

const isOwn = (message) => /^(out|sent|said)/.test(message.direction);
const line = (title, small, ...buttons) =>
  make("li", {}, make("div", { class: "grow" }, make("p", { class: "what" }, title), make("p", { class: "small" }, small)), ...buttons);
const joined = (...words) => words.filter(Boolean).join(" · ");

export function drawMessages(snapshot, ask) {
  const { messages } = snapshot;
  by("no-messages").hidden = messages.length > 0;
  reconcile(by("messages"), messages, (m) => m.id ?? `${m.wall_s} ${m.direction} ${m.peer} ${m.text}`, (m) => {
    const title = m.kind === "text" ? m.text : `Voice message${m.duration_s ? `, ${lasting(m.duration_s)}` : ""}`;
    const share = m.share < 1 ? `${percent(m.share)} there` : "";
    const small = joined(`${isOwn(m) ? "to" : "from"} ${m.peer}`, clockTime(m.wall_s), m.state, share);
    const buttons = [];
    if (m.id !== null) {
      if (m.kind !== "text") buttons.push(button("Play", `Play the message ${isOwn(m) ? "to" : "from"} ${m.peer}`, "i-play", () => ask({ op: "play", id: m.id })));
      if (m.state === "failed") buttons.push(button("Send again", `Send the message to ${m.peer} again`, "i-parrot", () => ask({ op: "retry", id: m.id })));
      buttons.push(deleteButton(m, ask));
    }
    const made = line(title || "(empty)", small, ...buttons);
    made.classList.add(isOwn(m) ? "out" : "in");
    return made;
  });
}

// Twice within four seconds: a glove hits what it does not mean.
function deleteButton(message, ask) {
  const label = `Delete the message ${isOwn(message) ? "to" : "from"} ${message.peer}`;
  const made = make("button", { type: "button", class: "square", "aria-label": label, title: "Delete" }, "✕");
  let timer = null;
  made.addEventListener("click", () => {
    if (timer === null) {
      text(made, "Sure?");
      made.setAttribute("aria-label", `${label}: once more to be sure`);
      timer = setTimeout(() => {
        timer = null;
        text(made, "✕");
        made.setAttribute("aria-label", label);
      }, 4000);
    } else {
      clearTimeout(timer);
      ask({ op: "delete", id: message.id });
    }
  });
  return made;
}

export function drawHeard(snapshot) {
  const { last_heard: stations, wall_s: now } = snapshot;
  by("no-heard").hidden = stations.length > 0;
  const shown = stations.map((s) => ({ ...s, when: `${clockTime(s.wall_s)}, ${ago(s.wall_s, now)}` }));
  reconcile(by("last-heard"), shown, (s) => String(s.source), (s) =>
    line(s.name, joined(s.when, `${s.overs} ${s.overs === 1 ? "over" : "overs"}`, s.lost === null ? "" : `${percent(s.lost)} lost`, s.snr_db === null ? "" : `SNR ${decibel(s.snr_db)}`)));
}

export function drawOvers(snapshot, ask) {
  const { overs } = snapshot;
  by("no-overs").hidden = overs.length > 0;
  reconcile(by("overs"), overs, (o) => `${o.side} ${o.wall_s} ${o.name}`, (o) => {
    const said = o.side === "said";
    const small = joined(clockTime(o.wall_s), lasting(o.duration_s), o.lost === null ? "" : `${percent(o.lost)} lost`, o.snr_db === null ? "" : `SNR ${decibel(o.snr_db)}`);
    const replay = o.index ? button("Replay", `Replay the over of ${o.name} at ${clockTime(o.wall_s)}`, "i-play", () => ask({ op: "replay", index: o.index })) : null;
    return line(said ? "You" : o.name, joined(said ? "said" : "heard", small), ...(replay ? [replay] : []));
  });
}

export function drawDirectory(snapshot) {
  const { names, station } = snapshot;
  const all = [{ id: "", name: sentence(groupName(station.group)) }, ...names.filter(([id]) => id !== station.id).map(([id, name]) => ({ id: String(id), name }))];
  reconcile(by("to"), all, (one) => one.id, (one) => make("option", { value: one.id }, one.name));
}

// The list is asked for while it is looked at, and when an over has ended meanwhile.
export async function loadRecordings(snapshot) {
  const told = by("recording-told");
  const names = new Map(snapshot.names);
  let recordings;
  try {
    const answer = await fetch("/api/recordings");
    if (!answer.ok) throw new Error(String(answer.status));
    recordings = await answer.json();
  } catch {
    text(told, "The list cannot be had now.");
    return;
  }
  const problem = snapshot.record?.problem;
  text(told, problem ? `Recording has stopped: ${problem}` : recordings.length ? "Play here, on this device:" : snapshot.record ? "None yet." : "This station records nothing ([record] in its file).");
  const player = by("player");
  reconcile(by("recordings"), recordings, (r) => r.name, (r) => {
    const who = r.side === "said" ? "Said here" : names.get(r.source) ?? (r.source === null ? "Heard" : `station ${r.source}`);
    const small = joined(new Date(1000 * r.wall_s).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }), r.duration_s === null ? "" : lasting(r.duration_s), r.missing === null ? "" : `${percent(r.missing)} missing`);
    const address = `/api/recordings/${encodeURIComponent(r.name)}`;
    const play = button("Play here", `Play the recording ${who}, ${small}, on this device`, "i-play", () => {
      player.hidden = false;
      player.src = address;
      player.play().catch(() => text(told, "This recording cannot be played here."));
    });
    return line(who, small, play, make("a", { class: "square", href: address, download: r.name, "aria-label": `Save the recording ${who}, ${small}`, title: "Save" }, "⤓"));
  });
}
