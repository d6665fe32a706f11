// Moving ECG as a bedside monitor draws it: a pen sweeps from left to right at the paper's speed and wipes a gap ahead.
// One animation loop for all of them; each frame draws only the few samples that are new.

import { Samples } from "./samples.js";

export const MM = 96 / 25.4; // CSS pixels in a CSS millimetre
const GAP_MM = 6;
const BUFFER_S = 1.6; // strips come about once a second; so much is held back, so that the pen never waits
const BEHIND_S = 6;
const FRAME_MS = 1000 / 31;
const SLOW_MS = 30;

// One canvas and the pen on it. `view`: {speed: mm/s, gain: mm/mV, cutoff: Hz of the display's high-pass}.
export class Sweep {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.context = canvas.getContext("2d");
    this.samples = new Samples();
    this.width = 0;
    this.height = 0;
    this.drawn = null; // the next sample to draw
    this.play = 0; // how far the pen has come, in samples
    this.low = NaN; // the slow part of the signal, taken off
    this.last = null; // where the pen is
    this.colour = "#5fe08f";
  }

  clear() {
    this.samples = new Samples();
    this.drawn = null;
    this.context.clearRect(0, 0, this.width, this.height);
  }

  put(strip, stamp) {
    const { session, rate, first } = this.samples;
    this.samples.put(strip, stamp);
    const anew = session !== this.samples.session || rate !== this.samples.rate;
    if (anew || this.samples.first < first) this.drawn = null; // history has come, too: draw the whole screen
  }

  resize(width, height, ratio) {
    this.width = width;
    this.height = height;
    this.ratio = ratio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawn = null;
  }

  // Begin again from what is there: after a change of size, colour, speed or gain.
  redraw() {
    this.drawn = null;
  }

  step(seconds) {
    const { samples } = this;
    if (!samples.rate || !this.width) return;
    const newest = samples.end;
    if (this.drawn === null) this.#begin(newest);
    const held = (newest - this.play) / samples.rate;
    if (held > BEHIND_S) {
      this.play = newest - BUFFER_S * samples.rate;
      this.drawn = Math.max(this.drawn, Math.floor(this.play));
      this.low = NaN;
    } else {
      const hurry = Math.min(1.2, Math.max(0.85, 1 + 0.15 * (held - BUFFER_S)));
      this.play = Math.min(newest, this.play + seconds * samples.rate * hurry);
    }
    this.#draw(Math.floor(this.play));
  }

  #begin(newest) {
    const { rate, first } = this.samples;
    this.context.clearRect(0, 0, this.width, this.height);
    this.play = Math.max(first, newest - BUFFER_S * rate);
    const screen = (this.width / (this.view.speed * MM)) * rate;
    this.drawn = Math.max(first, Math.ceil(this.play - screen + GAP_MM / this.view.speed * rate));
    this.low = NaN;
    this.last = null;
  }

  #x(k) {
    const x = this.samples.timeS(k) * this.view.speed * MM;
    return x - Math.floor(x / this.width) * this.width;
  }

  #level(k) {
    const value = this.samples.at(k);
    if (Number.isNaN(value)) {
      this.low = NaN;
      return NaN;
    }
    // One pole, as monitors have it: takes off what is slower than the cutoff.
    if (Number.isNaN(this.low)) this.low = this.#median(k);
    this.low += (value - this.low) * (1 - Math.exp((-2 * Math.PI * this.view.cutoff) / this.samples.rate));
    return this.height / 2 - (value - this.low) * this.view.gain * MM;
  }

  // Where to begin after a hole: the middle of the next second, not wherever a QRS happens to be.
  #median(k) {
    const next = [];
    for (let i = k; i < k + this.samples.rate; i += 1) {
      const value = this.samples.at(i);
      if (!Number.isNaN(value)) next.push(value);
    }
    next.sort((a, b) => a - b);
    return next[next.length >> 1] ?? this.samples.at(k);
  }

  #draw(until) {
    if (until <= this.drawn) return;
    const { context } = this;
    let before = this.last;
    if (before !== null && before.k !== this.drawn - 1) before = null;
    const points = [];
    for (let k = this.drawn; k < until; k += 1) points.push({ k, x: this.#x(k), y: this.#level(k) });
    const end = points[points.length - 1];
    this.#wipe((before ?? points[0]).x, end.x + GAP_MM * MM, points.length / this.samples.rate > 1);
    context.beginPath();
    context.strokeStyle = this.colour;
    context.lineWidth = 1.4;
    context.lineJoin = "round";
    for (const point of points) {
      if (!Number.isNaN(point.y)) {
        if (before === null || Number.isNaN(before.y) || point.x < before.x) context.moveTo(point.x, point.y);
        else {
          if (point === points[0]) context.moveTo(before.x, before.y);
          context.lineTo(point.x, point.y);
        }
      }
      before = point;
    }
    context.stroke();
    this.last = end;
    this.drawn = until;
  }

  // Clear from one place to another, over the right edge and on from the left.
  #wipe(from, to, whole) {
    const { context, width, height } = this;
    if (whole) {
      context.clearRect(0, 0, width, height);
      return;
    }
    const until = to < from ? to + width : to;
    context.clearRect(from + 0.7, 0, until - from, height);
    if (until > width) context.clearRect(0, 0, until - width, height);
  }
}

// Every sweep on the page. `still`: once a second is motion enough. `frozen`: nothing moves, what is there is old.
export class Sweeps {
  constructor(still) {
    this.all = new Set();
    this.still = still;
    this.frozen = false;
    this.before = performance.now();
    this.latest = this.before;
    this.usual = 16; // milliseconds from frame to frame, smoothed
    this.frames = 0;
    requestAnimationFrame((now) => this.#frame(now));
  }

  redraw() {
    for (const sweep of this.all) sweep.redraw();
  }

  #frame(now) {
    requestAnimationFrame((next) => this.#frame(next));
    this.usual += 0.1 * (Math.min(now - this.latest, 500) - this.usual);
    this.latest = now;
    const passed = now - this.before;
    // Where frames come slowly already, only every third carries new strokes: reading and scrolling go first.
    const pace = this.usual > SLOW_MS ? 2.5 * this.usual : FRAME_MS;
    if (passed < (this.still() ? 1000 : pace)) return;
    this.before = now;
    this.frames += 1;
    if (this.frozen) return;
    // A tab that slept does not replay what it missed.
    const seconds = Math.min(passed / 1000, 2);
    for (const sweep of this.all) sweep.step(seconds);
  }
}
