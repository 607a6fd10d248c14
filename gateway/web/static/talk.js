// The key: finger, pen, mouse or space bar. Rules: it is down only while something holds it; whatever looks like losing
// sight of the operator lets go; latching is kept here, never in the station, whose lease ends without us.
import { by, attribute, text } from "./dom.js";
import { talkWords } from "./words.js";

const ARMED_MS = 10000;
const TALKS_WITHIN_MS = 5000;

const buzz = (pattern) => {
  try {
    navigator.vibrate?.(pattern);
  } catch {
    // some browsers refuse it before the first touch
  }
};

export class Talk {
  constructor(connection) {
    this.connection = connection;
    this.button = by("talk");
    this.latchButton = by("latch");
    this.breakButton = by("break");
    this.holds = new Set(); // "pointer:1", "key", "latch"
    this.isLatching = false;
    this.isArmed = false;
    this.armedTimer = null;
    this.holdTimer = null;
    this.hasTalked = false; // in this press
    this.hasBuzzed = null;
    this.downAt = 0;
    this.wireButton();
    this.wireKeys();
    this.latchButton.addEventListener("click", () => this.setLatching(!this.isLatching));
    this.breakButton.addEventListener("click", () => this.arm(!this.isArmed));
    addEventListener("blur", () => this.letGo());
    addEventListener("pagehide", () => this.letGo());
    document.addEventListener("visibilitychange", () => document.visibilityState !== "visible" && this.letGo());
  }

  get isDown() {
    return this.holds.size > 0;
  }

  wireButton() {
    const { button } = this;
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      button.focus({ preventScroll: true });
      // From here on the finger is ours, even where a moving deck makes it slide off the button.
      button.setPointerCapture(event.pointerId);
      if (this.isLatching) this.tap();
      else this.press(`pointer:${event.pointerId}`);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(kind, (event) => this.release(`pointer:${event.pointerId}`));
    }
    for (const kind of ["contextmenu", "selectstart", "dragstart"]) {
      button.addEventListener(kind, (event) => event.preventDefault());
    }
    // Without this some phones begin to scroll, zoom or select under the finger.
    for (const kind of ["touchstart", "touchmove", "touchend"]) {
      button.addEventListener(kind, (event) => event.cancelable && event.preventDefault(), { passive: false });
    }
    button.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
    // A screen reader activates without pointer or key: that can only latch.
    button.addEventListener("click", (event) => {
      if (event.detail === 0 && !event.pointerType && !this.keyIsOurs) this.tap();
    });
  }

  wireKeys() {
    const belongsElsewhere = (node) => node.closest?.("input, textarea, select, audio, summary, a, button:not(#talk), pre");
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.letGo();
        this.arm(false);
        return;
      }
      if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey || belongsElsewhere(event.target)) return;
      event.preventDefault();
      if (event.repeat) return;
      this.keyIsOurs = true;
      if (this.isLatching) this.tap();
      else this.press("key");
    });
    document.addEventListener("keyup", (event) => {
      if (event.code !== "Space") return;
      if (this.keyIsOurs) event.preventDefault();
      this.release("key");
      // The click that a browser makes of the space bar comes after this.
      setTimeout(() => (this.keyIsOurs = false));
    });
  }

  tap() {
    if (this.isDown) this.letGo();
    else this.press("latch");
  }

  press(by) {
    const wasDown = this.isDown;
    if (wasDown) {
      this.holds.add(by);
      return;
    }
    if (!this.connection.send({ op: "press", break_in: this.isArmed })) {
      buzz([80, 60, 80]);
      this.draw();
      return;
    }
    this.holds.add(by);
    this.hasTalked = false;
    this.hasBuzzed = null;
    this.downAt = performance.now();
    clearInterval(this.holdTimer);
    this.holdTimer = setInterval(() => this.connection.send({ op: "hold" }), this.connection.holdMs);
    this.draw();
  }

  release(by) {
    if (!this.holds.delete(by) || this.isDown) return;
    this.ended();
  }

  letGo() {
    if (!this.isDown) return;
    this.holds.clear();
    this.ended();
  }

  ended() {
    clearInterval(this.holdTimer);
    this.connection.send({ op: "release" });
    this.arm(false);
    this.draw();
  }

  // The socket is gone, and with it the key in the station.
  lost() {
    this.holds.clear();
    clearInterval(this.holdTimer);
    this.arm(false);
    this.draw();
  }

  setLatching(isOn) {
    this.letGo();
    this.isLatching = isOn;
    attribute(this.latchButton, "aria-pressed", isOn);
    this.draw();
  }

  arm(isOn) {
    clearTimeout(this.armedTimer);
    this.isArmed = isOn;
    attribute(this.breakButton, "aria-pressed", isOn);
    text(by("break-text"), isOn ? "Armed" : "Break in");
    if (isOn) this.armedTimer = setTimeout(() => !this.isDown && this.arm(false), ARMED_MS);
    this.draw();
  }

  // A new state of the push-to-talk.
  update() {
    const { snapshot, holder } = this.connection;
    if (!this.isDown || !snapshot || !holder) return this.draw();
    const { ptt } = snapshot;
    const isOwn = ptt.held_by.includes(holder);
    const talks = isOwn && (ptt.mode === "talking" || ptt.is_recording);
    const isComing = ptt.waits_for_floor || ["waiting", "keying"].includes(ptt.mode);
    const isRefused = !talks && !isComing && (["locked_out", "busy_lockout"].includes(ptt.mode) || Boolean(ptt.refusal));
    if (talks && this.hasBuzzed !== "permit") buzz(60);
    if (isRefused && this.hasBuzzed !== "refusal") buzz([120, 80, 120]);
    this.hasBuzzed = talks ? "permit" : isRefused ? "refusal" : this.hasBuzzed;
    this.hasTalked ||= talks;
    // A latch that was refused, or whose over has ended, must not begin another by itself.
    const isOver = this.hasTalked && !talks && ptt.mode !== "tail";
    const isStale = performance.now() - this.downAt > TALKS_WITHIN_MS && !talks && !isComing;
    if (this.holds.has("latch") && (isRefused || isOver || isStale)) this.letGo();
    return this.draw();
  }

  draw() {
    const { snapshot, holder } = this.connection;
    const words = talkWords(snapshot, holder, this.isDown, this.isArmed, this.isLatching);
    this.button.dataset.look = words.look;
    this.button.dataset.down = this.isDown;
    attribute(this.button, "aria-pressed", this.isDown);
    attribute(this.button, "aria-disabled", holder ? null : true);
    text(by("talk-text"), words.text);
    text(by("talk-small"), words.small);
    attribute(by("talk-icon"), "href", `#i-${words.icon}`);
  }
}
