// What a snapshot means, in words. Pure: values in, words out.
export const percent = (share) => (share === null || share === undefined ? "" : `${Math.round(100 * share)} %`);
export const decibel = (value) => (value === null || value === undefined ? "" : `${Math.round(value)} dB`);
export const milliseconds = (value) => (value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`);

export function clockTime(wall) {
  return new Date(1000 * wall).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
  return `${Math.floor(whole / 3600)}:${String(Math.floor(whole / 60) % 60).padStart(2, "0")} h`;
}

export function ago(wall, now) {
  const seconds = Math.max(0, now - wall);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(1000 * wall).toLocaleDateString([], { day: "numeric", month: "short" });
}

export const groupName = (group) => (group ? `group ${group}` : "everyone");

const HOLDERS = { keyboard: "the keyboard", switch: "the switch", vox: "voice" };

function holderName(holder) {
  if (holder in HOLDERS) return HOLDERS[holder];
  return holder.startsWith("web:") ? "another phone or tablet" : holder;
}

const REFUSALS = {
  busy: "Somebody else is talking",
  not_free: "The channel did not become free",
  locked_out: "Locked out: let go first",
  no_link: "There is no link",
  no_key: "The transmitter cannot be keyed",
  too_slow: "The link is too slow for live voice",
};
const refusalWords = (refusal) => REFUSALS[refusal.replaceAll(" ", "_")] ?? sentence(refusal.replaceAll("_", " "));

// {look, icon, title, sub}: look chooses the colour. `holder` is this page's key, null while there is no connection;
// `isFresh`: the refusal in the snapshot is of now and not of a press long ago.
export function describe(snapshot, holder, isFresh = true) {
  if (!snapshot || !holder) return { look: "lost", icon: "lost", title: "Not connected", sub: "Not transmitting" };
  const { ptt, talker, link, keying, station } = snapshot;
  const isOwn = ptt.held_by.includes(holder);
  const refusal = isFresh ? ptt.refusal : null;
  if (ptt.is_recording) return { look: "rec", icon: "rec", title: "Recording", sub: "A message; it is sent when you end it" };
  if (["talking", "tail"].includes(ptt.mode)) {
    const others = ptt.held_by.filter((name) => name !== holder).map(holderName);
    const who = isOwn ? "You are talking" : others.length ? `Keyed by ${others.join(", ")}` : "Last words go out";
    if (ptt.is_parrot) return { look: "parrot", icon: "parrot", title: "Parrot", sub: `${who}; not on the air` };
    return { look: "tx", icon: "tx", title: "On the air", sub: `${who}, to ${groupName(station.group)}` };
  }
  if (ptt.mode === "locked_out") {
    return { look: "locked", icon: "locked", title: "Locked out", sub: ptt.held_by.length ? "Let go of the key" : "Wait" };
  }
  if (ptt.mode === "keying") return { look: "busy", icon: "tx", title: "Wait", sub: "The transmitter is coming up" };
  if (ptt.waits_for_floor || ptt.mode === "waiting") {
    const sub = talker ? `${talker.name} is talking; you begin when the channel is free` : "You begin when the channel is free";
    return { look: "busy", icon: "busy", title: "Waiting", sub };
  }
  const name = talker?.name || "somebody";
  if (ptt.mode === "busy_lockout") {
    return { look: "busy", icon: "busy", title: talker ? `Busy: ${name}` : "Busy", sub: "Refused; let go of the key, or arm Break in" };
  }
  if (ptt.mode === "receiving" || talker) {
    const to = talker && talker.group !== null ? ` to ${groupName(talker.group)}` : "";
    if (refusal) {
      return { look: "busy", icon: "busy", title: `Busy: ${name}`, sub: `${refusalWords(refusal)}; arm Break in to talk over` };
    }
    return { look: "rx", icon: "rx", title: `Receiving ${name}`, sub: `Talking${to} for ${lasting(talker?.talking_s ?? ptt.mode_s)}` };
  }
  if (!link.is_up || link.outage) return { look: "nolink", icon: "nolink", title: "No link", sub: link.outage || "The link is down" };
  if (keying?.problem) return { look: "nolink", icon: "lost", title: "Cannot transmit", sub: keying.problem };
  if (refusal) return { look: "busy", icon: "busy", title: "Refused", sub: refusalWords(refusal) };
  if (!["idle", "ready"].includes(ptt.mode)) {
    return { look: "busy", icon: "busy", title: sentence(ptt.mode.replaceAll("_", " ")), sub: "" };
  }
  if (ptt.is_parrot) return { look: "parrot", icon: "parrot", title: "Ready: parrot", sub: "What you say comes back; nothing goes on the air" };
  if (link.fit === "no") return { look: "nolink", icon: "nolink", title: "Too slow for voice", sub: link.reason };
  if (ptt.talks_buffered) return { look: "ready", icon: "ready", title: "Ready", sub: "What you say is sent as a message" };
  return { look: "ready", icon: "ready", title: "Ready", sub: `The channel is free: ${groupName(station.group)}` };
}

export const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);

// What the talk button says: {look, icon, text, small}.
export function talkWords(snapshot, holder, isDown, isArmed, isLatching) {
  if (!snapshot || !holder) return { look: "off", icon: "lost", text: "Not connected", small: "Not transmitting" };
  const { ptt } = snapshot;
  const isOwn = ptt.held_by.includes(holder);
  const end = isLatching ? "tap to end" : "let go to end";
  if (isDown || isOwn) {
    if (ptt.mode === "locked_out") return { look: "locked", icon: "locked", text: "Let go", small: "locked out" };
    if (isOwn && ptt.mode === "talking") {
      return ptt.is_parrot
        ? { look: "parrot", icon: "parrot", text: "Speak", small: `parrot, ${end}` }
        : { look: "tx", icon: "tx", text: "Speak", small: `on the air, ${end}` };
    }
    if (ptt.is_recording) return { look: "rec", icon: "rec", text: "Speak", small: `recording, ${end}` };
    if (ptt.waits_for_floor || ptt.mode === "waiting") return { look: "busy", icon: "busy", text: "Wait", small: "you begin when the channel is free" };
    if (ptt.refusal || ptt.mode === "busy_lockout") {
      return { look: "busy", icon: "busy", text: "Refused", small: refusalWords(ptt.refusal ?? "busy") };
    }
    return { look: "wait", icon: "mic", text: "Wait", small: "" };
  }
  if (isArmed) return { look: "armed", icon: "break", text: isLatching ? "Tap to break in" : "Hold to break in", small: "talks over others" };
  const small = ptt.mode === "receiving" ? `${snapshot.talker?.name || "somebody"} is talking` : "";
  return { look: "idle", icon: "mic", text: isLatching ? "Tap to talk" : "Hold to talk", small };
}
