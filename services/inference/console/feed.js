// How the page learns: a poll of the ward every few seconds, and the stream of alerts, which loses nothing.

import { Refused, patientPath, query } from "./api.js";
import { Stream } from "./events.js";
import { MOST } from "./ward.js";

const EVERY_MS = 3_000;
const ALERTS = 200;

export class Feed {
  // told(summary): a poll came. alerted(alert): something happened just now. changed(): something is different.
  constructor(api, ward, link, { told, alerted, changed }) {
    Object.assign(this, { api, ward, link, told, alerted, changed });
    this.search = "";
    this.open = null; // the patient whose view is open
    this.running = false;
    this.wake = () => {};
  }

  start() {
    if (this.running) {
      this.wake();
      this.stream.nudge();
      return;
    }
    this.running = true;
    this.#poll();
    this.stream = new Stream({
      open: (signal, lastId) => this.#open(signal, lastId),
      heard: (event, alert) => {
        if (event !== "alert" || !this.ward.hear(alert)) return;
        this.ward.apply(alert);
        this.alerted(alert);
        this.changed();
      },
      turned: (connected, error) => {
        // A cursor that the server does not take (another number of shards, say) is no use: begin with a list.
        if (error instanceof Refused && [400, 404, 410, 422].includes(error.status)) this.stream.lastId = null;
        this.link.streamed(connected, error?.message);
        if (connected) this.wake();
      },
    }).start();
  }

  // Look now: a search was typed, a command was applied, the page is looked at again.
  hurry() {
    this.wake();
  }

  async #open(signal, lastId) {
    if (lastId === null) {
      const { alerts, cursor } = await this.api.get(`/api/alerts?${query({ limit: ALERTS })}`, signal);
      for (const alert of alerts) this.ward.hear(alert);
      this.stream.lastId = cursor;
      this.changed();
      return this.api.stream("/api/alerts/stream", signal, cursor);
    }
    return this.api.stream("/api/alerts/stream", signal, lastId);
  }

  async #poll() {
    for (;;) {
      try {
        await this.#once();
        this.link.polled();
      } catch (error) {
        this.link.failed(error.message);
        if (!(error instanceof Refused)) console.error(error); // a fault of ours: said, and the ward goes on
      }
      this.changed();
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, EVERY_MS);
        this.wake = () => { clearTimeout(timer); resolve(); };
      });
    }
  }

  async #once() {
    const asked = Date.now();
    // On a ward that one answer cannot hold, who is searched for, or looked at, is asked for by name.
    const beyond = this.ward.total > MOST;
    const [summary, listed, found, open] = await Promise.all([
      this.api.get("/api/summary"),
      this.api.get(`/api/patients?${query({ limit: MOST, sort: "risk" })}`),
      beyond && this.search ? this.api.get(`/api/patients?${query({ limit: MOST, search: this.search })}`) : null,
      beyond && this.open !== null ? this.api.get(patientPath(this.open)).catch(unlessUnknown) : null,
    ]);
    this.ward.setClock(summary.now_us);
    const all = [...listed.patients, ...(found?.patients ?? []), ...(open ? [open] : [])];
    // The API reads a large ward less often than it is asked: a list is as old as its reading.
    const read = asked - Math.max(listed.age_ms, found?.age_ms ?? 0);
    this.ward.replace(all, listed.total, read, this.open);
    this.ward.replaceSystem(summary.system, asked);
    this.told(summary);
  }
}

function unlessUnknown(error) {
  if (error.status === 404) return null;
  throw error;
}
