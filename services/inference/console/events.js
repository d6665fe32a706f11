// Server-sent events read from a fetch, and a stream of them that comes back by itself with the last id it saw.

const SILENCE_MS = 40_000; // the server says something at least every 15 s
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 8_000;

// Takes text as it comes, gives whole events {event, id, data}. Lines end in LF, CR or CRLF.
export class Parser {
  #rest = "";
  #event = "";
  #data = [];
  #id = null;

  take(piece) {
    this.#rest += piece;
    const found = [];
    for (;;) {
      const at = this.#rest.search(/[\r\n]/);
      // A CR at the very end may be half of a CRLF: wait for what follows.
      if (at < 0 || (this.#rest[at] === "\r" && at === this.#rest.length - 1)) return found;
      const line = this.#rest.slice(0, at);
      const width = this.#rest.startsWith("\r\n", at) ? 2 : 1;
      this.#rest = this.#rest.slice(at + width);
      const whole = this.#line(line);
      if (whole) found.push(whole);
    }
  }

  #line(line) {
    if (line === "") {
      const whole = this.#data.length ? { event: this.#event || "message", id: this.#id, data: this.#data.join("\n") } : null;
      this.#event = "";
      this.#data = [];
      return whole;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }
}

export class Stream {
  // open(signal, lastId): a response. heard(event, data): one event. turned(connected, error): it came or went.
  constructor({ open, heard, turned = () => {} }) {
    this.open = open;
    this.heard = heard;
    this.turned = turned;
    this.lastId = null;
    this.ended = new AbortController();
    this.nudged = () => {};
  }

  start(lastId = null) {
    this.lastId = lastId;
    this.#run();
    return this;
  }

  stop() {
    this.ended.abort();
    this.nudged();
  }

  // Try now instead of at the end of the pause.
  nudge() {
    this.nudged();
  }

  async #run() {
    let pause = FIRST_PAUSE_MS;
    while (!this.ended.signal.aborted) {
      const attempt = new AbortController();
      const signal = AbortSignal.any([attempt.signal, this.ended.signal]);
      let failure = null;
      try {
        const response = await this.open(signal, this.lastId);
        this.turned(true, null);
        await this.#read(response, attempt, () => { pause = FIRST_PAUSE_MS; });
      } catch (error) {
        failure = error;
      }
      if (this.ended.signal.aborted) return;
      this.turned(false, failure);
      await this.#pause(pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  async #read(response, attempt, came) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser();
    let watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        came();
        clearTimeout(watchdog);
        watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
        for (const { event, id, data } of parser.take(value)) {
          this.heard(event, JSON.parse(data));
          if (id !== null) this.lastId = id; // only after it was taken in
        }
      }
    } finally {
      clearTimeout(watchdog);
      attempt.abort();
    }
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.nudged = () => { clearTimeout(timer); resolve(); };
    });
  }
}
