// One patient: live ECG, alarms and what can be done, the course of the scores, the strips of alarms, who did what.

import { Refused, patientPath, query } from "./api.js";
import { AlarmStrip } from "./calipers.js";
import { happened } from "./alarms.js";
import { attribute, byId, el, fill, icon, text } from "./dom.js";
import { MM, Sweep } from "./sweep.js";
import { signalName } from "./tile.js";
import { Trend } from "./trend.js";
import {
  RARE, TYPES, UPSIDE_DOWN, alarmName, clock, count, kindIcon, mark, moment, percent, phaseName, physiological, plain, span,
  transitionName, turned, typeName, unanswered,
} from "./words.js";

const POINTS = 600;
const TALL_MM = 40;
// Who is not known (yet): nothing of whoever was looked at before may stand under another name.
const NOBODY = {
  status: "", device: "", muted: false, alarms: [], scores: null, type: null, end_us: 0, quality: null, outcome: null,
  rejected_for: [],
};
const POLARITIES = { upright: "upright", inverted: `${UPSIDE_DOWN}: then its scores mean nothing` };

export class PatientView {
  // act(action, {patient, alarm, device}): somebody wants it done.
  constructor(api, ward, sweeps, view, { act, palette }) {
    Object.assign(this, { api, ward, sweeps, view, act, palette });
    this.patient = null;
    this.sweep = new Sweep(byId("p-ecg"), { ...view, cutoff: 0.05 });
    this.trend = new Trend(byId("p-trend"), byId("p-readout"), palette);
    this.strip = new AlarmStrip(palette);
    byId("p-strip").append(this.strip.node);
    this.bars = new Map([["MI", "any MI"], ...TYPES].map(([type, name]) => [type, bar(type, name)]));
    fill(byId("p-bars"), ...[...this.bars.values()].map((each) => each.node));
    this.buttons = {};
    for (const action of ["mute", "unmute", "standby", "admit", "discharge", "device"]) {
      this.buttons[action] = byId(`p-${action}`);
      this.buttons[action].addEventListener("click", () =>
        this.act(action, { patient: this.patient, device: this.detail?.device ?? "" }));
    }
    new ResizeObserver(() => this.#resize()).observe(byId("p-paper"));
  }

  open(patient) {
    this.close();
    this.patient = patient;
    this.detail = null;
    this.polarity = null;
    this.alerts = [];
    this.chosen = null;
    byId("p-name").textContent = patient;
    fill(byId("p-alarms"));
    fill(byId("p-audit"));
    fill(byId("p-mutes"));
    fill(byId("p-strips"));
    fill(byId("p-events"));
    byId("p-strip").hidden = true;
    byId("p-error").textContent = "";
    this.trend.show([], []);
    this.sweep.clear();
    this.sweeps.all.add(this.sweep);
    this.#resize();
    this.refresh();
    this.load();
  }

  close() {
    this.patient = null;
    this.loading?.abort();
    this.sweeps.all.delete(this.sweep);
  }

  put(strip, stamp) {
    if (strip.patient === this.patient) this.sweep.put(strip, stamp);
  }

  recolour(colour) {
    this.sweep.colour = colour;
    this.strip.draw();
    this.trend.draw();
  }

  // What only the patient's own addresses tell: course, alerts, which way up the lead is, mutes, audit.
  async load() {
    const patient = this.patient;
    if (patient === null) return;
    this.loading?.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    const asked = Date.now();
    try {
      const [detail, trend, alerts, strip] = await Promise.all([
        this.api.get(patientPath(patient), signal),
        this.api.get(patientPath(patient, `/trend?${query({ points: POINTS })}`), signal),
        this.api.get(`/api/alerts?${query({ patient, limit: 100 })}`, signal),
        this.api.get(patientPath(patient, "/strip"), signal),
      ]);
      if (this.patient !== patient) return;
      this.polarity = strip.polarity;
      this.detail = detail;
      this.alerts = alerts.alerts;
      this.ward.take(detail, asked);
      this.trend.show(trend.points, this.alerts);
      byId("p-error").textContent = "";
      this.#happened();
      this.refresh();
    } catch (error) {
      if (!(error instanceof Refused) || this.patient !== patient) return;
      byId("p-error").textContent = error.status === 404 ? "Nobody is so called." : error.message;
    }
  }

  // An alert of this patient came by the stream.
  heard(alert) {
    if (alert.patient === this.patient) this.load();
  }

  refresh() {
    if (this.patient === null) return;
    const known = this.ward.patients.get(this.patient);
    const patient = known ?? NOBODY;
    const signal = known ? this.ward.signal(known) : "unheard";
    attribute(byId("p-paper"), "data-signal", signal);
    text(byId("p-signal"), signal === "live" ? "" : signalName(signal));
    text(byId("p-status"), patient.status);
    attribute(byId("p-status"), "data-status", patient.status);
    byId("p-muted").hidden = !patient.muted;
    this.#actions(patient);
    this.#alarms(patient);
    this.#bars(patient);
    this.#facts(patient);
    const { end_us, quality, outcome, scores } = patient;
    if (this.detail) this.trend.add({ end_us, quality, outcome, scores });
  }

  #actions({ status, muted }) {
    const known = status !== "";
    this.buttons.mute.hidden = !known || status === "discharged";
    this.buttons.unmute.hidden = !muted;
    this.buttons.admit.hidden = !known || status === "admitted";
    this.buttons.standby.hidden = status !== "admitted";
    this.buttons.discharge.hidden = !known || status === "discharged";
    this.buttons.device.hidden = !known;
  }

  #alarms(patient) {
    const stamp = JSON.stringify(patient.alarms);
    if (stamp === this.stamp && byId("p-alarms").childElementCount) return;
    this.stamp = stamp;
    const cards = patient.alarms.map((alarm) => el("div", {
      class: "card", data: {
        alarm: alarm.alarm, priority: alarm.priority, sort: physiological(alarm.kind) ? "physiological" : "technical",
        phase: alarm.phase, ...(unanswered(alarm) ? { open: "yes" } : {}),
      },
    },
    el("span", { class: "mark" }, mark(alarm.priority)), icon(kindIcon(alarm.kind)),
    el("div", { class: "lines" }, el("b", {}, alarmName(alarm)),
      el("span", { class: "sub" }, `since ${moment(alarm.began_us, this.ward.nowUs())} · ${phaseName(alarm.phase)}`)),
    unanswered(alarm) ? this.#button("acknowledge", alarm, "Acknowledge") : null, this.#button("end", alarm, "End")));
    const none = patient === NOBODY ? [] : [el("p", { class: "none" }, "No alarm is in force.")];
    fill(byId("p-alarms"), ...(cards.length ? cards : none));
  }

  #button(action, alarm, words) {
    return el("button", { type: "button", class: `small needs-act ${action}`, on: {
      click: () => this.act(action, { patient: this.patient, alarm }),
    } }, words);
  }

  #bars(patient) {
    for (const [type, each] of this.bars) {
      const share = patient.scores?.[type];
      each.fill.style.transform = `scaleX(${share ?? 0})`;
      text(each.figure, percent(share));
      attribute(each.node, "data-first", type === patient.type ? "yes" : null);
    }
  }

  #facts(patient) {
    const { session, window, rate_hz: rate } = patient;
    const facts = [
      ["Device", patient.device || "none assigned"],
      ["Newest window", patient.end_us ? `${clock(patient.end_us)} (${span(this.ward.ageS(patient))} ago)` : "–"],
      ["Window", (window ?? null) === null ? "–" : `no. ${count(window)} of session ${String(session ?? "").slice(-6)}`],
      ["Rate", rate ? `${rate} Hz` : "–"],
      ["Quality", `${percent(patient.quality)}${patient.outcome ? `, ${plain(patient.outcome)}` : ""}`],
      ["Refused for", (patient.rejected_for ?? []).map(plain).join(", ") || "–"],
      ["Lead", POLARITIES[this.polarity] ?? "–"],
      ["Most likely type", patient.type ? typeName(patient.type) : "–"],
    ];
    const stamp = JSON.stringify(facts);
    if (stamp === this.factsStamp) return;
    this.factsStamp = stamp;
    fill(byId("p-facts"), ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)]));
  }

  #happened() {
    const now = this.ward.nowUs();
    fill(byId("p-events"), ...this.alerts.slice(0, 40).map((alert) => happened(alert, false)));
    const strips = this.alerts.filter((alert) => alert.strip);
    fill(byId("p-strips"), ...strips.slice(0, 24).map((alert) => el("button", {
      type: "button", class: "small pick", data: { alert: alert.id, priority: alert.priority },
      on: { click: () => this.#choose(alert) },
    }, `${mark(alert.priority)} ${moment(alert.time_us, now)} ${transitionName(alert.transition)}`)));
    const kept = strips.find((alert) => alert.id === this.chosen) ?? strips[0];
    byId("p-strip").hidden = !kept;
    byId("p-nostrip").hidden = Boolean(kept);
    if (kept && kept.id !== this.chosen) this.#choose(kept);
    const mutes = this.detail.mutes ?? [];
    fill(byId("p-mutes"), ...(mutes.length ? mutes.map((mute) => el("li", {}, muted(mute, now))) : [el("li", { class: "none" }, "none")]));
    const audit = this.detail.audit ?? [];
    fill(byId("p-audit"), ...(audit.length ? audit.map((entry) => el("li", {},
      el("time", {}, entry.time_us ? moment(entry.time_us, now) : ""), el("b", {}, plain(entry.action)),
      el("bdi", {}, entry.who), el("span", { class: "sub", dir: "auto" }, [entry.why, entry.outcome].filter(Boolean).map(plain).join(" · "))))
      : [el("li", { class: "none" }, "nothing yet")]));
  }

  #choose(alert) {
    this.chosen = alert.id;
    for (const node of byId("p-strips").children) attribute(node, "aria-pressed", node.dataset.alert === alert.id ? "true" : "false");
    const scores = alert.evidence ?? alert.scores;
    byId("p-caption").textContent = [
      `${clock(alert.time_us - 10e6)} to ${clock(alert.time_us)}`, alarmName(alert), transitionName(alert.transition),
      turned(alert) ? `lead ${UPSIDE_DOWN}` : "", scores ? `any MI ${percent(scores.MI)}` : "", alert.close?.length ? `close: ${alert.close.join(", ")}` : "",
      alert.quality === null ? "" : `quality ${percent(alert.quality)}`, alert.model ? `model ${alert.model}` : "",
    ].filter(Boolean).join(" · ");
    this.strip.show(alert.strip, this.view);
  }

  #resize() {
    const wide = byId("p-paper").clientWidth;
    if (!wide || this.patient === null) return;
    Object.assign(this.sweep.view, { speed: this.view.speed, gain: this.view.gain });
    this.sweep.resize(wide, Math.round(TALL_MM * MM), Math.min(2, devicePixelRatio));
  }

  // Another speed or gain.
  redraw() {
    this.#resize();
    const alert = this.alerts?.find((each) => each.id === this.chosen);
    if (alert) this.strip.show(alert.strip, this.view);
  }
}

function bar(type, name) {
  const part = el("i", { class: "fill" });
  const figure = el("span", { class: "figure" });
  const words = type === "MI" ? name : `${type} ${name}${RARE.has(type) ? " †" : ""}`;
  const node = el("li", { class: type === "MI" ? "whole" : "" }, el("span", { class: "label" }, words),
    el("span", { class: "bar" }, part), figure);
  return { node, fill: part, figure };
}

function muted(mute, nowUs) {
  const until = mute.until_us ? `until ${moment(mute.until_us, nowUs)}` : "until unmuted";
  const types = mute.types?.length ? mute.types.join(", ") : "all types";
  return [types, mute.ceiling ? `up to ${mute.ceiling}` : "", until, mute.who ? `by ${mute.who}` : "", mute.why].filter(Boolean).join(" · ");
}
