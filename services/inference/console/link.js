// Whether what the page shows is live. Polls and the alert stream report here; the page is live only while both work.

const LATE_MS = 9_000; // polls come every three seconds

export class Link {
  constructor(changed) {
    this.changed = changed;
    this.polledMs = 0;
    this.streaming = false;
    this.failure = "";
    this.lostMs = null;
    this.state = "connecting";
  }

  polled() {
    this.polledMs = Date.now();
    this.failure = "";
    this.judge();
  }

  failed(words) {
    this.failure = words;
    this.judge(true);
  }

  streamed(connected, words = "") {
    this.streaming = connected;
    if (!connected && words) this.failure = words;
    this.judge();
  }

  // Called by whatever happens, and every second, because silence is no event.
  judge(failed = false) {
    const late = Date.now() - this.polledMs > LATE_MS;
    const before = this.state;
    if (this.polledMs && this.streaming && !late && !failed) {
      this.state = "live";
      this.lostMs = null;
    } else if (this.polledMs || failed) {
      this.state = "lost";
      this.lostMs ??= this.polledMs || Date.now();
    }
    if (before !== this.state || this.state === "lost") this.changed(this);
  }
}
