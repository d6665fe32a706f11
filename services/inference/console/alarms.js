// The list of alarms: what is in force, most urgent first, and below it what happened, newest first.

import { attribute, byId, el, icon, icons, text } from "./dom.js";
import {
  UPSIDE_DOWN, alarmName, alarmSpoken, clock, kindIcon, mark, phaseName, physiological, shortName, span, transitionName,
  turned, unanswered,
} from "./words.js";

const MOST_ACTIVE = 150;
const MOST_HAPPENED = 120;
const SAID = { raised: "", latched: " · gone", acknowledged: " · ✓ ack" };

class Row {
  constructor(act) {
    this.mark = el("span", { class: "mark" });
    this.icon = el("span", { class: "slot" });
    this.what = el("span", { class: "what" });
    this.who = el("bdi", { class: "name" });
    this.when = el("span", { class: "when" });
    this.acknowledge = el("button", { class: "small needs-act", type: "button", title: "Acknowledge (A)", on: { click: (event) => {
      event.stopPropagation();
      act("acknowledge", this.alarm);
    } } }, "Ack");
    this.node = el("li", { class: "alarm", tabindex: "-1" }, this.mark, this.icon,
      el("div", { class: "lines" }, this.what, el("div", { class: "sub" }, this.who, this.when)), this.acknowledge);
  }

  show(alarm, nowUs) {
    this.alarm = alarm;
    this.node.dataset.alarm = alarm.alarm;
    attribute(this.node, "data-patient", alarm.patient);
    attribute(this.node, "data-priority", alarm.priority);
    attribute(this.node, "data-sort", physiological(alarm.kind) ? "physiological" : "technical");
    attribute(this.node, "data-phase", alarm.phase);
    attribute(this.node, "data-open", unanswered(alarm) ? "yes" : null);
    text(this.mark, mark(alarm.priority));
    icons(this.icon, kindIcon(alarm.kind));
    text(this.what, shortName(alarm));
    text(this.who, alarm.patient || "whole source");
    text(this.when, `${span((nowUs - alarm.began_us) / 1e6)}${SAID[alarm.phase] ?? ""}`);
    this.when.title = `since ${clock(alarm.began_us)}, ${phaseName(alarm.phase)}`;
    this.acknowledge.hidden = !unanswered(alarm);
    attribute(this.acknowledge, "aria-label", `Acknowledge: ${alarmSpoken(alarm, alarm.patient)}`);
    attribute(this.node, "aria-label", alarmSpoken(alarm, alarm.patient));
  }
}

export class AlarmList {
  // act(action, alarm): somebody wants it. open(patient): somebody wants to see.
  constructor(ward, { act, open }) {
    Object.assign(this, { ward, act, open });
    this.active = byId("active");
    this.happened = byId("happened");
    this.rows = new Map();
    this.place = 0;
    for (const list of [this.active, this.happened]) {
      list.addEventListener("click", (event) => {
        const patient = event.target.closest("li")?.dataset.patient;
        if (patient) this.open(patient);
      });
    }
    this.active.addEventListener("keydown", (event) => this.#key(event));
  }

  show() {
    const alarms = this.ward.active();
    const now = this.ward.nowUs();
    this.#active(alarms.slice(0, MOST_ACTIVE), now);
    text(byId("active-count"), String(alarms.length));
    text(byId("active-more"), alarms.length > MOST_ACTIVE ? `and ${alarms.length - MOST_ACTIVE} more` : "");
    byId("active-none").hidden = alarms.length > 0;
    this.#happened();
    return alarms;
  }

  // The alarm whose row has the focus.
  current() {
    const id = document.activeElement?.closest?.("#active li")?.dataset.alarm;
    return id ? this.rows.get(id)?.alarm ?? null : null;
  }

  focus() {
    (this.active.children[this.place] ?? this.active.firstElementChild)?.focus();
  }

  #active(alarms, now) {
    const wanted = new Set(alarms.map((alarm) => alarm.alarm));
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      this.rows.delete(id);
      row.node.remove();
    }
    let next = this.active.firstElementChild;
    for (const alarm of alarms) {
      let row = this.rows.get(alarm.alarm);
      if (!row) this.rows.set(alarm.alarm, (row = new Row(this.act)));
      row.show(alarm, now);
      // Moved only if it must: a node that moves loses the focus.
      if (row.node === next) next = next.nextElementSibling;
      else this.active.insertBefore(row.node, next);
    }
    const first = this.active.children[this.place] ?? this.active.firstElementChild;
    for (const node of this.active.children) node.tabIndex = node === first ? 0 : -1;
  }

  #happened() {
    const newest = this.ward.alerts[0];
    const stamp = newest ? `${newest.id}${newest.transition}${this.ward.alerts.length}` : "";
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    this.happened.replaceChildren(...this.ward.alerts.slice(0, MOST_HAPPENED).map((alert) => happened(alert)));
    byId("happened-none").hidden = Boolean(newest);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...this.active.children];
    const at = items.indexOf(event.target.closest("li"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Enter" && event.target.matches("li")) {
      if (event.target.dataset.patient) this.open(event.target.dataset.patient);
    } else if (to !== undefined) {
      if (items[to]) {
        this.place = to;
        for (const node of items) node.tabIndex = node === items[to] ? 0 : -1;
        items[to].focus();
      }
    } else return;
    event.preventDefault();
  }
}

// One line of what happened; `named`: with the patient.
export function happened(alert, named = true) {
  const physical = physiological(alert.kind);
  const person = alert.who ? el("bdi", { class: "by" }, ` by ${alert.who}${alert.why ? `: ${alert.why}` : ""}`) : null;
  return el("li", { class: "event", data: {
    alert: alert.id, transition: alert.transition, priority: alert.priority, patient: alert.patient,
    committed: String(alert.committed_ms), sort: physical ? "physiological" : "technical",
  } },
  el("time", {}, clock(alert.time_us)), el("span", { class: "mark" }, mark(alert.priority)), icon(kindIcon(alert.kind)),
  el("div", { class: "lines" },
    el("span", {}, el("b", {}, alarmName(alert)), ` ${transitionName(alert.transition)}`, person),
    turned(alert) ? el("span", { class: "sub turned" }, `lead ${UPSIDE_DOWN}`) : null,
    named ? el("bdi", { class: "sub name" }, alert.patient || "whole source") : null));
}
