// The socket to the station. Rule: it comes back by itself, and whoever asks while it is away is told so.
const PAUSES_MS = [300, 700, 1500, 3000, 5000];
const SILENT_MS = 5000; // the station's clock alone makes news once a second

export class Connection {
  constructor({ onState, onNews, onAnswer, onLost }) {
    Object.assign(this, { onState, onNews, onAnswer, onLost });
    this.snapshot = null;
    this.holder = null;
    this.holdMs = 300;
    this.socket = null;
    this.tries = 0;
    this.heardAt = 0;
    this.timer = null;
    setInterval(() => this.watch(), 1000);
    // A phone that wakes up must not wait for the next try.
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.hurry());
    addEventListener("online", () => this.hurry());
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.timer = null;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.socket = socket;
    this.heardAt = performance.now();
    socket.addEventListener("message", (event) => socket === this.socket && this.take(JSON.parse(event.data)));
    socket.addEventListener("close", () => socket === this.socket && this.lose());
  }

  take(message) {
    this.heardAt = performance.now();
    if (message.hello) {
      this.hello = message.hello;
      this.holdMs = message.hello.hold_ms;
    } else if (message.snapshot) {
      this.tries = 0;
      this.snapshot = message.snapshot;
      // What a station said long ago is no state of now: the console lives, but the station behind it does not.
      if (1000 * this.hello.age_s > SILENT_MS) this.onLost("the station is silent");
      else this.connected();
    } else if (message.changed && this.snapshot) {
      Object.assign(this.snapshot, message.changed);
      if (this.holder) this.onState(this.snapshot, Object.keys(message.changed), false);
      else this.connected();
    } else if (message.news) {
      this.onNews(message.news);
    } else if (message.error || message.done) {
      this.onAnswer(message);
    }
  }

  connected() {
    this.holder = this.hello.holder;
    this.onState(this.snapshot, Object.keys(this.snapshot), true);
  }

  // Whether it left this page.
  send(request) {
    if (!this.holder || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(request));
    return true;
  }

  lose() {
    const why = performance.now() - this.heardAt > SILENT_MS ? "the station is silent" : this.holder ? "the connection broke" : "no answer yet";
    this.holder = null;
    this.socket = null;
    const pause = PAUSES_MS[Math.min(this.tries, PAUSES_MS.length - 1)];
    this.tries += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), pause);
    this.onLost(why);
    if (this.tries % 4 === 2) this.askWhetherKnown();
  }

  // A refused handshake does not say why: perhaps the token has changed.
  async askWhetherKnown() {
    try {
      const answer = await fetch("/api/snapshot");
      if (answer.status === 401) location.replace("/login");
    } catch {
      // out of reach: the next try will tell
    }
  }

  hurry() {
    if (this.timer) this.open();
  }

  watch() {
    if (this.socket && performance.now() - this.heardAt > SILENT_MS) {
      const silent = this.socket;
      this.lose();
      silent.close();
    }
  }
}
