// The waveforms of those who are looked at: what there is now, then what comes, by one stream; another set, another
// stream.

import { query } from "./api.js";
import { Stream } from "./events.js";

const MOST = 100;

export class Strips {
  // put(strip, stamp): one strip came, at `stamp` by the page's clock.
  constructor(api, put) {
    this.api = api;
    this.put = put;
    this.wanted = "";
    this.stream = null;
  }

  look(patients) {
    const names = [...new Set(patients)].sort().slice(0, MOST);
    const wanted = query({ patient: names });
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.stream?.stop();
    this.stream = names.length ? this.#follow(wanted) : null;
  }

  stop() {
    this.wanted = "";
    this.stream?.stop();
    this.stream = null;
  }

  nudge() {
    this.stream?.nudge();
  }

  #follow(wanted) {
    return new Stream({
      // Its first event of each patient holds the newest ten seconds.
      open: (signal) => this.api.stream(`/api/strips/stream?${wanted}`, signal),
      heard: (event, strip) => {
        if (event === "strip") this.put(strip, performance.now());
      },
    }).start();
  }
}
