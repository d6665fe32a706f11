// One patient's tile on the ward: alarm, name, moving ECG, scores, and what is the matter with the signal.

import { attribute, el, icons, text } from "./dom.js";
import { Sweep } from "./sweep.js";
import { foremost } from "./ward.js";
import {
  alarmSpoken, clock, kindIcon, kindName, mark, minute, percent, phaseName, physiological, plain, shortName, span,
  unanswered,
} from "./words.js";

const SIGNALS = {
  stream_lost: ["unlink", "STREAM LOST"], lead_off: ["lead", "LEAD OFF"], poor_signal: ["noise", "POOR SIGNAL"],
  stale: ["clock", "NO NEW DATA"], unheard: ["clock", "NOT HEARD YET"], standby: ["pause", "STANDBY"], discharged: ["pause", "DISCHARGED"],
};

export class Tile {
  constructor(view) {
    this.patient = null;
    this.alarmMark = el("span", { class: "mark" });
    this.alarmIcon = el("span", { class: "slot" });
    this.alarmWords = el("span", { class: "words" });
    this.alarmPhase = el("span", { class: "phase" });
    this.name = el("span", { class: "name", dir: "auto" });
    this.flags = el("span", { class: "flags" });
    this.device = el("span", { class: "device", dir: "auto" });
    this.canvas = el("canvas", { class: "ecg", "aria-hidden": "true" });
    this.signalIcon = el("span", { class: "slot" });
    this.signalWords = el("b");
    this.signalSince = el("span");
    this.bar = el("i", { class: "fill" });
    this.risk = el("span", { class: "figure" });
    this.type = el("span", { class: "type" });
    this.quality = el("span", { class: "quality" });
    this.last = el("span", { class: "last" });
    this.node = el("article", { class: "tile", role: "listitem", tabindex: "-1" },
      el("div", { class: "alarmbar" }, this.alarmMark, this.alarmIcon, this.alarmWords, this.alarmPhase),
      el("div", { class: "who" }, this.name, this.flags, this.device),
      el("div", { class: "paper" }, this.canvas,
        el("div", { class: "signal" }, this.signalIcon, this.signalWords, this.signalSince)),
      el("div", { class: "scores" },
        el("span", { class: "label" }, "any MI"), el("span", { class: "bar" }, this.bar), this.risk, this.type),
      el("div", { class: "foot" }, this.quality, this.last));
    this.sweep = new Sweep(this.canvas, view);
  }

  show(patient, ward) {
    if (this.patient !== patient.patient) {
      this.patient = patient.patient;
      this.node.dataset.patient = patient.patient;
      text(this.name, patient.patient);
      this.name.title = patient.patient;
      this.sweep.clear();
    }
    const alarm = foremost(patient);
    this.#alarm(alarm, patient);
    const signal = ward.signal(patient);
    this.#signal(signal, patient, ward);
    text(this.device, patient.device ? `⌁ ${patient.device}` : "");
    text(this.flags, patient.muted ? "KNOWN FINDING" : "");
    const judged = patient.any_mi !== null && patient.any_mi !== undefined;
    this.bar.style.transform = `scaleX(${judged ? patient.any_mi : 0})`;
    text(this.risk, percent(patient.any_mi));
    text(this.type, judged ? `likeliest ${patient.type ?? "–"}` : "not scored");
    const poor = patient.outcome === "unassessable" || (patient.rejected_for ?? []).length > 0;
    attribute(this.node, "data-poor", poor ? "yes" : null);
    const quality = patient.quality === null ? "–" : percent(patient.quality);
    const why = (patient.rejected_for ?? []).map(plain).join(", ");
    text(this.quality, `quality ${quality}${poor ? ` · not judged${why ? `: ${why}` : ""}` : ""}`);
    text(this.last, patient.end_us ? `data ${clock(patient.end_us)}` : "no data yet");
    const spoken = [
      `Patient ${patient.patient}`, alarm ? alarmSpoken(alarm) : "no alarm",
      judged ? `any MI ${percent(patient.any_mi)}` : "not scored",
      signal === "live" ? null : SIGNALS[signal][1].toLowerCase(), patient.muted ? "known finding muted" : null,
    ];
    attribute(this.node, "aria-label", spoken.filter(Boolean).join(", "));
  }

  #alarm(alarm, patient) {
    attribute(this.node, "data-priority", alarm?.priority ?? "none");
    attribute(this.node, "data-sort", alarm ? (physiological(alarm.kind) ? "physiological" : "technical") : null);
    attribute(this.node, "data-phase", alarm?.phase);
    attribute(this.node, "data-open", alarm && unanswered(alarm) ? "yes" : null);
    attribute(this.node, "data-alarm", alarm?.alarm);
    text(this.alarmMark, alarm ? mark(alarm.priority) : "");
    icons(this.alarmIcon, alarm ? kindIcon(alarm.kind) : "");
    const more = patient.alarms.length > 1 ? `  +${patient.alarms.length - 1}` : "";
    text(this.alarmWords, alarm ? shortName(alarm) + more : "no alarm");
    text(this.alarmPhase, !alarm ? "" : unanswered(alarm) ? (alarm.phase === "latched" ? "gone" : minute(alarm.began_us)) : "✓ ack");
    this.alarmPhase.title = alarm ? phaseName(alarm.phase) : "";
  }

  #signal(signal, patient, ward) {
    attribute(this.node, "data-signal", signal);
    const known = SIGNALS[signal];
    icons(this.signalIcon, known ? known[0] : "");
    text(this.signalWords, known ? known[1] : "");
    const since = signal === "stream_lost" || signal === "stale" ? `last ${patient.end_us ? clock(patient.end_us) : "never"} · ${span(ward.ageS(patient))} ago` : "";
    text(this.signalSince, since);
  }
}

export const signalName = (signal) => SIGNALS[signal]?.[1] ?? kindName(signal);
