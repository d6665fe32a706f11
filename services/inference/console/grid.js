// The ward as tiles: only those near the viewport exist, each at its computed place, so a thousand patients cost as
// much as a screenful. Arrow keys move the focus; the focused tile is never taken away.

import { attribute } from "./dom.js";
import { MM } from "./sweep.js";
import { Tile } from "./tile.js";

const NARROWEST = 244;
const GAP = 10;
const ROWS_BEYOND = 1;
const SETTLE_MS = 250;

export class Grid {
  // `view`: of the sweeps. `open(patient)`: a tile was chosen. `looking(patients)`: who is on the screen now.
  constructor(node, scroller, ward, sweeps, view, { open, looking }) {
    Object.assign(this, { node, scroller, ward, sweeps, view, open, looking });
    this.list = [];
    this.tiles = new Map();
    this.spare = [];
    this.columns = 1;
    this.focused = null;
    this.queued = false;
    this.seen = "";
    scroller.addEventListener("scroll", () => this.#queue(), { passive: true });
    new ResizeObserver(() => { this.measured = null; this.#queue(); }).observe(scroller);
    node.addEventListener("click", (event) => {
      const patient = event.target.closest(".tile")?.dataset.patient;
      if (patient !== undefined) this.open(patient);
    });
    node.addEventListener("focusin", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.#settle(tile.dataset.patient);
    });
    node.addEventListener("keydown", (event) => this.#key(event));
  }

  // The patients to show, in order.
  show(list) {
    this.list = list;
    this.places = new Map(list.map((patient, place) => [patient.patient, place]));
    if (this.focused === null || !this.places.has(this.focused)) this.focused = list[0]?.patient ?? null;
    this.#queue();
  }

  // The same patients, seconds later: ages and clocks.
  refresh() {
    for (const tile of this.tiles.values()) {
      const patient = this.ward.patients.get(tile.patient);
      if (patient) tile.show(patient, this.ward);
    }
  }

  // The patient under the focus, if the focus is in the grid.
  current() {
    return document.activeElement?.closest?.(".tile")?.dataset.patient ?? null;
  }

  focus(patient = this.focused) {
    if (patient === null || !this.places?.has(patient)) return;
    this.#settle(patient);
    const row = Math.floor(this.places.get(patient) / this.columns);
    const { top, height } = this.#box();
    const y = row * (height + GAP);
    const seen = this.scroller.clientHeight;
    const offset = top - GAP;
    if (y + offset < this.scroller.scrollTop) this.scroller.scrollTop = Math.max(0, y + offset);
    if (y + height + offset + GAP > this.scroller.scrollTop + seen) this.scroller.scrollTop = y + height + offset + 2 * GAP - seen;
    this.#layout();
    this.tiles.get(patient)?.node.focus({ preventScroll: true });
  }

  // Strips of patients; those that are not shown are dropped.
  put(strip, stamp) {
    this.tiles.get(strip.patient)?.sweep.put(strip, stamp);
  }

  recolour(colour) {
    this.colour = colour;
    for (const tile of this.tiles.values()) tile.sweep.colour = colour;
    this.sweeps.redraw();
  }

  #settle(patient) {
    const before = this.tiles.get(this.focused);
    if (before) before.node.tabIndex = -1;
    this.focused = patient;
    const tile = this.tiles.get(patient);
    if (tile) tile.node.tabIndex = 0;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const place = this.places?.get(this.focused);
    if (place === undefined) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / (this.#box().height + GAP))) * this.columns;
    const last = this.list.length - 1;
    const to = {
      ArrowRight: place + 1, ArrowLeft: place - 1, ArrowDown: place + this.columns, ArrowUp: place - this.columns,
      PageDown: Math.min(last, place + page), PageUp: Math.max(0, place - page), Home: 0, End: last,
    }[event.key];
    if (event.key === "Enter") this.open(this.focused);
    else if (to === undefined) return;
    else if (to >= 0 && to <= last) this.focus(this.list[to].patient);
    event.preventDefault();
  }

  #queue() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.#layout();
    });
  }

  // Measured once a size, not once a frame.
  #box() {
    if (!this.measured) {
      const width = this.node.clientWidth;
      this.columns = Math.max(1, Math.floor((width + GAP) / (NARROWEST + GAP)));
      const each = (width - GAP * (this.columns - 1)) / this.columns;
      const height = Math.round(106 + 25 * MM);
      const top = this.node.offsetTop - this.scroller.offsetTop;
      this.measured = { width: each, height, top };
    }
    return this.measured;
  }

  #layout() {
    if (!this.scroller.clientHeight || !this.node.clientWidth) return;
    const { width, height, top } = this.#box();
    const rows = Math.ceil(this.list.length / this.columns);
    const whole = `${Math.max(0, rows * (height + GAP) - GAP)}px`;
    if (this.node.style.height !== whole) this.node.style.height = whole;
    const from = this.scroller.scrollTop - top;
    const until = from + this.scroller.clientHeight;
    const first = Math.max(0, Math.floor(from / (height + GAP)) - ROWS_BEYOND) * this.columns;
    const beyond = Math.min(this.list.length, (Math.ceil(until / (height + GAP)) + ROWS_BEYOND) * this.columns);
    const shown = this.list.slice(first, beyond);
    const held = this.places?.get(this.focused);
    if (held !== undefined && (held < first || held >= beyond)) shown.push(this.list[held]);
    this.#mount(shown, width, height);
    this.#look(shown);
  }

  #mount(shown, width, height) {
    const wanted = new Set(shown.map((patient) => patient.patient));
    const free = [];
    for (const [name, tile] of this.tiles) if (!wanted.has(name)) free.push([name, tile]);
    for (const patient of shown) {
      const place = this.places.get(patient.patient);
      let tile = this.tiles.get(patient.patient);
      if (!tile) {
        tile = this.#another(free.pop());
        this.tiles.set(patient.patient, tile);
      }
      tile.show(this.ward.patients.get(patient.patient) ?? patient, this.ward);
      const x = (place % this.columns) * (width + GAP);
      const y = Math.floor(place / this.columns) * (height + GAP);
      tile.node.style.transform = `translate(${x}px, ${y}px)`;
      attribute(tile.node, "aria-posinset", place + 1);
      attribute(tile.node, "aria-setsize", this.list.length);
      attribute(tile.node, "tabindex", patient.patient === this.focused ? 0 : -1);
      if (tile.across !== width) {
        tile.across = width;
        tile.node.style.width = `${width}px`;
        tile.node.style.height = `${height}px`;
        tile.sweep.resize(Math.floor(width - 2), Math.round(25 * MM), Math.min(2, devicePixelRatio));
      }
    }
    for (const [name, tile] of free) {
      this.tiles.delete(name);
      this.sweeps.all.delete(tile.sweep);
      tile.node.remove();
      this.spare.push(tile);
    }
  }

  // A tile for somebody new: one that has left the screen, where it stands (a node that stays costs no new layout).
  #another(left) {
    if (left) {
      this.tiles.delete(left[0]);
      return left[1];
    }
    const tile = this.spare.pop() ?? new Tile(this.view);
    tile.sweep.colour = this.colour;
    this.sweeps.all.add(tile.sweep);
    this.node.append(tile.node);
    return tile;
  }

  // Says who is looked at, once scrolling has settled.
  #look(shown) {
    const names = shown.map((patient) => patient.patient).sort();
    const seen = names.join("\0");
    if (seen === this.seen) return;
    this.seen = seen;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.looking(names), SETTLE_MS);
  }
}
