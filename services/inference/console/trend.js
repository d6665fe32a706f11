// The course of one patient: any-MI as a line, the nine types as a heat map, the quality below, alarms as marks.
// A hairline (pointer or arrow keys) reads all of it at one moment.

import { TYPES, clock, mark, percent, physiological, plain } from "./words.js";

const LEFT = 62;
const RIGHT = 12;
const LINE = 112;
const ROW = 14;
const TOP = 16;
const AXIS = 20;
const HEIGHT = TOP + LINE + 10 + ROW * (TYPES.length + 1) + 6 + AXIS;
const STEPS_S = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];
// Points that one chart holds: a view that is left open for days must not grow without end.
const MOST = 2000;
const SPARE = 500;
// Points further apart than this many times the usual distance have nothing between them.
const HOLE = 2.5;
const SHORTEST_US = 10_000_000;

export class Trend {
  constructor(canvas, readout, palette) {
    Object.assign(this, { canvas, readout, palette });
    this.points = [];
    this.events = [];
    this.at = null;
    this.holeUs = HOLE * SHORTEST_US;
    this.context = canvas.getContext("2d");
    canvas.addEventListener("pointermove", (event) => this.#pick(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.#choose(null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !this.points.length) return;
      const last = this.points.length - 1;
      this.#choose(this.at === null ? last : Math.min(last, Math.max(0, this.at + step)));
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => this.#choose(null));
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  show(points, events) {
    this.points = [...points];
    this.events = events;
    this.at = null;
    const apart = points.slice(1).map((point, i) => point.end_us - points[i].end_us).sort((a, b) => a - b);
    this.holeUs = HOLE * Math.max(SHORTEST_US, apart[apart.length >> 1] ?? 0);
    this.draw();
  }

  // A window that has just closed: between the points that are kept, the page shows every one it sees.
  add(point) {
    const last = this.points[this.points.length - 1];
    if (!point.end_us || (last && point.end_us <= last.end_us)) return;
    this.points.push(point);
    if (this.points.length > MOST) {
      this.points.splice(0, SPARE);
      if (this.at !== null) this.at = this.at < SPARE ? null : this.at - SPARE;
    }
    this.draw();
  }

  draw() {
    const width = this.canvas.parentElement.clientWidth;
    if (!width) return;
    const ratio = Math.min(2, devicePixelRatio);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(HEIGHT * ratio);
    this.canvas.style.height = `${HEIGHT}px`;
    this.width = width;
    const { context: c } = this;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = "11px system-ui, sans-serif";
    this.colours = this.palette();
    this.#scale();
    this.#axes();
    if (this.points.length) {
      this.#heat();
      this.#line();
      this.#marks();
    }
    this.#hair();
  }

  #scale() {
    const times = this.points.map((point) => point.end_us);
    this.until = times.length ? times[times.length - 1] : Date.now() * 1000;
    this.from = times.length > 1 ? Math.min(times[0], this.until - 60e6) : this.until - 60e6;
  }

  #x(us) {
    return LEFT + ((us - this.from) / (this.until - this.from)) * (this.width - LEFT - RIGHT);
  }

  #y(share) {
    return TOP + LINE * (1 - share);
  }

  #axes() {
    const { context: c, colours } = this;
    c.lineWidth = 1;
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const y = Math.round(this.#y(share)) + 0.5;
      c.strokeStyle = colours.line;
      c.beginPath();
      c.moveTo(LEFT, y);
      c.lineTo(this.width - RIGHT, y);
      c.stroke();
      c.fillStyle = colours.dim;
      if (share * 2 === Math.round(share * 2)) c.fillText(`${share * 100} %`, LEFT - 6, y);
    }
    c.textAlign = "left";
    c.fillStyle = colours.text;
    c.fillText("any MI", 2, TOP + LINE / 4);
    const names = [...TYPES.map(([type]) => type), "quality"];
    names.forEach((name, row) => {
      c.fillStyle = colours.dim;
      c.fillText(name, 2, this.#row(row) + ROW / 2);
    });
    this.#times();
  }

  #times() {
    const { context: c, colours } = this;
    const most = Math.max(2, Math.floor((this.width - LEFT) / 90));
    const span = (this.until - this.from) / 1e6;
    const step = (STEPS_S.find((seconds) => span / seconds <= most) ?? 86400) * 1e6;
    c.textAlign = "center";
    c.fillStyle = colours.dim;
    c.strokeStyle = colours.line;
    for (let us = Math.ceil(this.from / step) * step; us <= this.until; us += step) {
      const x = Math.round(this.#x(us)) + 0.5;
      c.beginPath();
      c.moveTo(x, TOP);
      c.lineTo(x, HEIGHT - AXIS);
      c.stroke();
      if (x > LEFT + 20 && x < this.width - 24) c.fillText(clock(us), x, HEIGHT - AXIS / 2);
    }
  }

  #row(row) {
    return TOP + LINE + 10 + row * ROW + (row === TYPES.length ? 6 : 0);
  }

  #heat() {
    const { context: c, colours } = this;
    this.points.forEach((point, i) => {
      const apart = i ? point.end_us - this.points[i - 1].end_us : 0;
      const from = point.end_us - (i && apart < this.holeUs ? apart : 5e6);
      const x = Math.max(LEFT, this.#x(from));
      const wide = Math.max(1, this.#x(point.end_us) - x + 0.4);
      TYPES.forEach(([type], row) => {
        if (!point.scores) return;
        c.globalAlpha = Math.max(0.04, Math.min(1, point.scores[type])) ** 0.75;
        c.fillStyle = colours.heat;
        c.fillRect(x, this.#row(row) + 1, wide, ROW - 2);
      });
      c.globalAlpha = 1;
      if (point.scores) {
        c.globalAlpha = 0.25 + 0.75 * (point.quality ?? 0);
        c.fillStyle = colours.good;
        c.fillRect(x, this.#row(TYPES.length) + 1, wide, ROW - 2);
        c.globalAlpha = 1;
      } else {
        // Not judged: slanted lines over the whole height, so that a hole never looks like a low score.
        this.#hatch(x, wide);
      }
    });
  }

  #hatch(x, wide) {
    const { context: c, colours } = this;
    c.save();
    c.beginPath();
    c.rect(x, TOP, wide, HEIGHT - AXIS - TOP);
    c.clip();
    c.globalAlpha = 0.35;
    c.strokeStyle = colours.dim;
    c.beginPath();
    const first = Math.floor((x - HEIGHT) / 7) * 7;
    for (let at = first; at < x + wide; at += 7) {
      c.moveTo(at, HEIGHT);
      c.lineTo(at + HEIGHT, 0);
    }
    c.stroke();
    c.restore();
  }

  #line() {
    const { context: c, colours } = this;
    c.strokeStyle = colours.text;
    c.lineWidth = 1.8;
    c.beginPath();
    let before = null;
    for (const point of this.points) {
      if (!point.scores) {
        before = null;
        continue;
      }
      const x = this.#x(point.end_us);
      const y = this.#y(point.scores.MI);
      if (before === null || point.end_us - before > this.holeUs) {
        c.moveTo(x - 1, y);
      }
      c.lineTo(x, y);
      before = point.end_us;
    }
    c.stroke();
  }

  #marks() {
    const { context: c, colours } = this;
    c.textAlign = "center";
    for (const event of this.events) {
      if (event.time_us < this.from || event.time_us > this.until || !["began", "recurred", "escalated"].includes(event.transition)) continue;
      const x = this.#x(event.time_us);
      c.strokeStyle = physiological(event.kind) ? colours[event.priority] : colours.dim;
      c.lineWidth = 1.5;
      c.setLineDash(physiological(event.kind) ? [] : [3, 3]);
      c.beginPath();
      c.moveTo(x, TOP - 2);
      c.lineTo(x, TOP + LINE);
      c.stroke();
      c.setLineDash([]);
      c.fillStyle = c.strokeStyle;
      c.fillText(mark(event.priority), x, TOP / 2);
    }
  }

  #hair() {
    const point = this.at === null ? null : this.points[this.at];
    if (!point) {
      this.readout.textContent = this.points.length ? "Point at the chart, or use ← → on it, to read it." : "No scored window yet.";
      return;
    }
    const { context: c, colours } = this;
    const x = Math.round(this.#x(point.end_us)) + 0.5;
    c.strokeStyle = colours.focus;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x, TOP - 6);
    c.lineTo(x, HEIGHT - AXIS);
    c.stroke();
    const types = point.scores
      ? TYPES.map(([type]) => [point.scores[type], type]).sort((a, b) => b[0] - a[0]).slice(0, 3)
        .map(([share, type]) => `${type} ${percent(share)}`).join(", ")
      : "";
    this.readout.textContent = point.scores
      ? `${clock(point.end_us)}: any MI ${percent(point.scores.MI)}; ${types}; quality ${percent(point.quality)}`
      : `${clock(point.end_us)}: ${plain(point.outcome) || "not judged"}, not scored`;
  }

  #pick(x) {
    if (!this.points.length || !this.width) return;
    const us = this.from + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (this.until - this.from);
    let best = 0;
    this.points.forEach((point, i) => {
      if (Math.abs(point.end_us - us) < Math.abs(this.points[best].end_us - us)) best = i;
    });
    this.#choose(best);
  }

  #choose(at) {
    if (at === this.at) return;
    this.at = at;
    this.draw();
  }
}
