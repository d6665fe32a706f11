// What people do: who and why are asked for, the command is sent, and what came of it is said.

import { Refused, patientPath } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { TYPES, alarmName } from "./words.js";

const WHO = "selfmis.who";
const PENDING_TRIES = 20;
const PENDING_PAUSE_MS = 1000;
const TOAST_MS = 6000;

const WORDS = {
  acknowledge: ["Acknowledge the alarm", "Acknowledge", "acknowledged"],
  end: ["End the alarm", "End alarm", "ended"],
  admit: ["Admit the patient", "Admit", "admitted"],
  standby: ["Put the patient in standby: nothing alarms", "Standby", "in standby"],
  discharge: ["Discharge the patient: nothing alarms", "Discharge", "discharged"],
  mute: ["Mute a known finding", "Mute", "muted"],
  unmute: ["Unmute: the finding alarms again", "Unmute", "unmuted"],
  device: ["Assign a device", "Assign", "assigned"],
};

export class Actions {
  // done(patient): something changed for that patient.
  constructor(api, done) {
    this.api = api;
    this.done = done;
    this.dialog = byId("ask");
    this.form = byId("ask-form");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("ask-cancel").addEventListener("click", () => this.dialog.close());
  }

  // Ask who and why, then do it. `alarm`: for acknowledge and end. `device`: what is assigned now.
  ask(action, { patient, alarm = null, device = "" }) {
    if (this.dialog.open) return;
    const [title, verb] = WORDS[action];
    this.asked = { action, patient, alarm, key: freshKey() };
    byId("ask-title").textContent = title;
    fill(byId("ask-about"), patient ? el("bdi", {}, patient) : "whole source", alarm ? el("span", {}, ` · ${alarmName(alarm)}`) : null);
    byId("ask-send").textContent = verb;
    fill(byId("ask-more"), ...this.#fields(action, device));
    byId("ask-error").textContent = "";
    byId("ask-why").value = "";
    byId("ask-why").required = action !== "acknowledge";
    byId("ask-why-label").textContent = action === "acknowledge" ? "Why (optional)" : "Why";
    byId("ask-who").value = sessionStorage.getItem(WHO) ?? "";
    this.busy(false);
    this.dialog.showModal();
    (byId("ask-who").value ? byId(action === "acknowledge" ? "ask-send" : "ask-why") : byId("ask-who")).focus();
  }

  busy(busy) {
    byId("ask-send").disabled = busy;
    this.dialog.toggleAttribute("aria-busy", busy);
  }

  #fields(action, device) {
    if (action === "device") {
      return [el("label", {}, "Device (empty: none)", el("input", { name: "device", maxlength: "64", value: device, autocomplete: "off" }))];
    }
    if (action !== "mute") return [];
    return [
      el("fieldset", {}, el("legend", {}, "Types (none: those of the alarm in force, or all)"),
        el("div", { class: "types" }, TYPES.map(([type, name]) =>
          el("label", { class: "check", title: name }, el("input", { type: "checkbox", name: "types", value: type }), type)))),
      el("label", {}, "Up to which priority it holds", el("select", { name: "ceiling" },
        el("option", { value: "" }, "what the alarm has reached (else medium)"),
        ...["low", "medium", "high"].map((level) => el("option", { value: level }, level)))),
      el("label", {}, "For how long", el("select", { name: "for_s" },
        ...[["", "until unmuted"], [900, "15 minutes"], [3600, "1 hour"], [28800, "8 hours"], [86400, "24 hours"]]
          .map(([value, words]) => el("option", { value }, words)))),
    ];
  }

  async #submit() {
    const { action, patient, alarm, key } = this.asked;
    const given = new FormData(this.form);
    const who = String(given.get("who")).trim();
    const body = { who, why: String(given.get("why")).trim() };
    if (!who) {
      byId("ask-error").textContent = "Say who you are.";
      return;
    }
    if (action === "device") body.device = String(given.get("device")).trim();
    if (action === "mute") {
      body.types = given.getAll("types");
      body.ceiling = given.get("ceiling");
      body.for_s = given.get("for_s") ? Number(given.get("for_s")) : null;
    }
    sessionStorage.setItem(WHO, who);
    this.busy(true);
    try {
      const said = await this.api.send(action === "device" ? "PUT" : "POST", pathOf(action, patient, alarm), body, key);
      this.dialog.close();
      this.#told(action, patient, said);
    } catch (error) {
      byId("ask-error").textContent = error instanceof Refused ? error.message : String(error);
    }
    this.busy(false);
  }

  async #told(action, patient, said) {
    const about = patient ? `\u2068${patient}\u2069` : "whole source"; // a name's direction stays its own
    const done = WORDS[action][2];
    if (!said.pending) {
      toast(said.outcome === "already" ? `${about}: was ${done} already` : `${about}: ${done}`);
      this.done(patient);
      return;
    }
    toast(`${about}: ${WORDS[action][1].toLowerCase()} is waiting for the monitor …`, "waiting");
    for (let tries = 0; tries < PENDING_TRIES; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, PENDING_PAUSE_MS));
      const now = await this.api.get(said.where).catch(() => null);
      if (!now || now.outcome === "pending") continue;
      toast(now.outcome === "applied" ? `${about}: ${done}` : `${about}: not ${done}: ${now.outcome.replaceAll("_", " ")}`,
        now.outcome === "applied" ? "" : "bad");
      this.done(patient);
      return;
    }
    toast(`${about}: the monitor has still not applied “${WORDS[action][1]}”. It is not lost; look again later.`, "bad");
  }
}

// A dialog's own key: pressed again after a broken connection, the command is still given once.
const freshKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function pathOf(action, patient, alarm) {
  if (action === "acknowledge" || action === "end") {
    const rest = `/alarms/${encodeURIComponent(alarm.alarm)}/${action}`;
    return patient ? patientPath(patient, rest) : `/api/system${rest}`;
  }
  return patientPath(patient, `/${action}`);
}

// A short message that goes away by itself; screen readers hear it.
export function toast(words, sort = "") {
  const node = el("div", { class: `toast ${sort}` }, words);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), TOAST_MS);
}
