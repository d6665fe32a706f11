// Theme, paper speed and gain: chosen on the page, kept by the browser.

import { byId, text } from "./dom.js";

const KEY = "selfmis.looks";
const CHOICES = { theme: ["dark", "light"], speed: [12.5, 25, 50], gain: [5, 10, 20] };
const COLOURS = ["text", "dim", "line", "trace", "heat", "good", "high", "medium", "low", "focus"];

export class Looks {
  // changed(): to be drawn again.
  constructor(changed) {
    const kept = stored();
    for (const [name, choices] of Object.entries(CHOICES)) {
      this[name] = choices.includes(kept[name]) ? kept[name] : choices[choices.length === 3 ? 1 : 0];
    }
    this.changed = changed;
    for (const name of ["speed", "gain"]) {
      byId(name).value = String(this[name]);
      byId(name).addEventListener("change", (event) => this.#choose(name, Number(event.target.value)));
    }
    byId("theme").addEventListener("click", () => this.#choose("theme", this.theme === "dark" ? "light" : "dark"));
    this.#dress();
  }

  #choose(name, value) {
    this[name] = value;
    localStorage.setItem(KEY, JSON.stringify({ theme: this.theme, speed: this.speed, gain: this.gain }));
    this.#dress();
    this.changed();
  }

  #dress() {
    document.documentElement.dataset.theme = this.theme;
    byId("theme").setAttribute("aria-label", this.theme === "dark" ? "Light theme" : "Dark theme");
    for (const node of document.querySelectorAll(".scale")) text(node, `${this.speed} mm/s · ${this.gain} mm/mV`);
  }
}

// The colours of the theme in force, for what is drawn by hand.
export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {}; // somebody else's words under our name
  }
}
