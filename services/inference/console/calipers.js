// The ten seconds that raised an alarm, on ECG paper, with two calipers for time and two for height.
// Dragged, or moved with the arrow keys (with Shift: by one large square).

import { el } from "./dom.js";
import { MM } from "./sweep.js";

const TALL_MM = 40;
const SQUARE = 5 * MM;

// An alert's strip to millivolts.
export function millivolts(strip) {
  const bytes = Uint8Array.from(atob(strip.int16), (c) => c.charCodeAt(0));
  const counts = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, k) => (counts.getInt16(2 * k, true) * strip.uv_per_lsb) / 1000);
}

export class AlarmStrip {
  constructor(palette) {
    this.palette = palette;
    this.view = { speed: 25, gain: 10 };
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.shade = el("i", { class: "between" });
    this.sheet = el("div", { class: "sheet paper" }, this.canvas, this.shade);
    this.readout = el("output", { class: "readout" });
    this.node = el("div", { class: "alarmstrip" }, el("div", { class: "scroll", tabindex: "0", "aria-label": "alarm strip" }, this.sheet), this.readout);
    this.handles = [this.#handle("t", "first time caliper"), this.#handle("t", "second time caliper"),
      this.#handle("v", "first height caliper"), this.#handle("v", "second height caliper")];
  }

  show(strip, { speed, gain }) {
    this.rate = strip.rate_hz;
    this.mv = millivolts(strip);
    this.view = { speed, gain };
    this.width = Math.round((this.mv.length / this.rate) * speed * MM);
    this.height = Math.round(TALL_MM * MM);
    this.sheet.style.width = `${this.width}px`;
    this.sheet.style.height = `${this.height}px`;
    this.draw();
    const [a, b] = this.#beats();
    this.#place(0, a);
    this.#place(1, b);
    this.#place(2, this.height / 2);
    this.#place(3, this.#highest(a));
  }

  draw() {
    if (!this.mv) return;
    const ratio = Math.min(2, devicePixelRatio);
    this.canvas.width = this.width * ratio;
    this.canvas.height = this.height * ratio;
    const c = this.canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.strokeStyle = this.palette().trace;
    c.lineWidth = 1.3;
    c.lineJoin = "round";
    c.beginPath();
    // Only moved to the middle; its shape is what the model saw.
    this.middle = Float32Array.from(this.mv).sort()[this.mv.length >> 1] ?? 0;
    this.mv.forEach((value, k) => c.lineTo(this.#x(k), this.#y(value)));
    c.stroke();
  }

  #x(k) {
    return (k / this.rate) * this.view.speed * MM;
  }

  #y(value) {
    return this.height / 2 - (value - this.middle) * this.view.gain * MM;
  }

  // The top of the wave next to a place.
  #highest(x) {
    const k = Math.round((x / (this.view.speed * MM)) * this.rate);
    const near = this.mv.slice(Math.max(0, k - Math.round(0.1 * this.rate)), k + Math.round(0.1 * this.rate));
    return near.length ? this.#y(near.reduce((a, b) => Math.max(a, b))) : this.height / 2;
  }

  // Where two neighbouring steep places are (most likely QRS), as a start for the calipers.
  #beats() {
    const steep = this.mv.map((value, k) => (k > 1 ? Math.abs(value - this.mv[k - 2]) : 0));
    const bar = 0.6 * steep.reduce((a, b) => Math.max(a, b), 0);
    const peaks = [];
    const apart = Math.round(0.25 * this.rate);
    for (let k = 2; k < steep.length; k += 1) {
      if (steep[k] < bar) continue;
      let top = k;
      for (let i = k; i < Math.min(steep.length, k + Math.round(0.08 * this.rate)); i += 1) if (steep[i] > steep[top]) top = i;
      peaks.push(top);
      k = top + apart;
    }
    const [a, b] = peaks.length > 2 ? peaks.slice(1, 3) : [1 * this.rate, 2 * this.rate];
    return [this.#x(a), this.#x(b)];
  }

  #handle(axis, label) {
    const node = el("div", { class: `caliper ${axis}`, role: "slider", tabindex: "0", "aria-label": label,
      "aria-orientation": axis === "t" ? "horizontal" : "vertical" });
    const handle = { node, axis, at: 0 };
    const place = (event) => {
      const box = this.sheet.getBoundingClientRect();
      this.#place(this.handles.indexOf(handle), axis === "t" ? event.clientX - box.left : event.clientY - box.top);
    };
    node.addEventListener("pointerdown", (event) => {
      node.setPointerCapture(event.pointerId);
      node.focus({ preventScroll: true });
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (node.hasPointerCapture(event.pointerId)) place(event);
    });
    node.addEventListener("keydown", (event) => {
      const way = axis === "t" ? { ArrowLeft: -1, ArrowRight: 1 }[event.key] : { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!way) return;
      const small = axis === "t" ? this.#x(1) : 0.25 * MM;
      this.#place(this.handles.indexOf(handle), handle.at + way * (event.shiftKey ? SQUARE : small));
      event.preventDefault();
      event.stopPropagation();
    });
    this.sheet.append(node);
    return handle;
  }

  #place(which, at) {
    const handle = this.handles[which];
    const most = handle.axis === "t" ? this.width : this.height;
    handle.at = Math.min(most, Math.max(0, at));
    handle.node.style[handle.axis === "t" ? "left" : "top"] = `${handle.at}px`;
    const value = handle.axis === "t" ? handle.at / (this.view.speed * MM) : (this.height / 2 - handle.at) / (this.view.gain * MM);
    handle.node.setAttribute("aria-valuemin", "0");
    handle.node.setAttribute("aria-valuemax", String(Math.round(most)));
    handle.node.setAttribute("aria-valuenow", String(Math.round(handle.at)));
    handle.node.setAttribute("aria-valuetext", handle.axis === "t" ? `${value.toFixed(2)} s` : `${value.toFixed(2)} mV`);
    this.#read();
  }

  #read() {
    const [a, b, c, d] = this.handles.map((handle) => handle.at);
    this.shade.style.left = `${Math.min(a, b)}px`;
    this.shade.style.width = `${Math.abs(a - b)}px`;
    const ms = (Math.abs(a - b) / (this.view.speed * MM)) * 1000;
    const mv = Math.abs(c - d) / (this.view.gain * MM);
    const rate = ms >= 20 ? ` · ${Math.round(60000 / ms)} bpm` : "";
    this.readout.textContent = `Δt ${Math.round(ms)} ms${rate} · ΔU ${mv.toFixed(2)} mV`;
  }
}
