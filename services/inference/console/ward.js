// What the page knows: patients, their alarms, the alerts it heard. No DOM here, and no clock but the server's.
//
// Lists come by polling and alerts by the stream; an alert is newer than any list that was asked for before it came,
// so such a list never takes back what the alert said.

import { ACTIVE, RANK, physiological, unanswered } from "./words.js";

export const MOST = 1000; // as many patients as one answer of the API may hold
const MOST_ALERTS = 500;
// A patient keeps the place until any-MI has moved this far: tiles must not jump about under somebody's eyes.
const STEADY = 0.08;
const STALE_S = 25;

export class Ward {
  constructor() {
    this.patients = new Map();
    this.system = new Map();
    this.systemMs = new Map(); // when an alert last told of each
    this.alerts = [];
    this.total = 0;
    this.offsetUs = 0; // the server's clock against ours
    this.known = new Set();
  }

  // The server's time by our clock.
  nowUs() {
    return Date.now() * 1000 + this.offsetUs;
  }

  setClock(serverUs) {
    this.offsetUs = serverUs - Date.now() * 1000;
  }

  // Everybody that is to be shown, read no earlier than `askedMs` (our clock), of `total` on the ward. `kept`: stays, listed
  // or not. Who is not refreshed any more must go, or old figures would stand beside new ones.
  replace(list, total, askedMs, kept = null) {
    this.total = total;
    const named = new Set();
    for (const given of list) {
      named.add(given.patient);
      this.#take(given, askedMs);
    }
    for (const [name, known] of this.patients) {
      if (!named.has(name) && name !== kept && !(known.heardMs > askedMs)) this.patients.delete(name);
    }
  }

  // All alarms in force that are about nobody alone, asked for at `askedMs`.
  replaceSystem(list, askedMs) {
    const heard = (alarm) => (this.systemMs.get(alarm) ?? 0) > askedMs;
    for (const alarm of [...this.system.keys()]) if (!heard(alarm)) this.system.delete(alarm);
    for (const given of list) if (!heard(given.alarm)) this.system.set(given.alarm, given);
    for (const [alarm, atMs] of [...this.systemMs]) if (atMs <= askedMs) this.systemMs.delete(alarm);
  }

  // One patient's newest view.
  take(given, askedMs) {
    this.#take(given, askedMs);
  }

  #take(given, askedMs) {
    const known = this.patients.get(given.patient);
    const now = this.nowUs();
    const fresh = { ...given, alarms: given.alarms ?? [] };
    if (known?.heardMs > askedMs) {
      fresh.alarms = known.alarms;
      fresh.muted = known.muted;
      if (known.end_us > given.end_us) Object.assign(fresh, newest(known));
    }
    fresh.heardMs = known?.heardMs ?? 0;
    // When its newest window came. A replay's clock may run ahead of ours, so never later than now.
    fresh.seenUs = known && known.end_us === fresh.end_us ? known.seenUs : Math.min(now, fresh.end_us ?? 0);
    fresh.place = placed(known?.place, fresh.any_mi);
    this.patients.set(given.patient, fresh);
  }

  // One committed alert; says whether it is news. Repeats (the stream may send some again) are known by id and
  // transition.
  hear(alert) {
    const key = `${alert.id}|${alert.transition}`;
    if (this.known.has(key)) return false;
    this.known.add(key);
    const at = this.alerts.findIndex((other) => other.committed_ms <= alert.committed_ms);
    this.alerts.splice(at < 0 ? this.alerts.length : at, 0, alert);
    for (const old of this.alerts.splice(MOST_ALERTS)) this.known.delete(`${old.id}|${old.transition}`);
    return true;
  }

  // What an alert of the stream changes at once. Alerts of the past (a first list) change nothing: lists tell that.
  apply(alert) {
    const slot = {
      alarm: alert.alarm, kind: alert.kind, type: alert.type, priority: alert.priority, phase: alert.phase,
      began_us: alert.began_us,
    };
    if (!alert.patient) {
      if (alert.alarm) {
        this.system.set(alert.alarm, { ...slot, session: alert.session });
        this.systemMs.set(alert.alarm, Date.now());
      }
      if (!ACTIVE.has(alert.phase)) this.system.delete(alert.alarm);
      return;
    }
    const known = this.patients.get(alert.patient) ?? {
      patient: alert.patient, status: "admitted", device: "", any_mi: null, type: null, scores: null, alarms: [],
      end_us: 0, seenUs: this.nowUs(), quality: null, rejected_for: [], muted: false, outcome: null,
    };
    const changed = { ...known, heardMs: Date.now() };
    if (alert.transition === "muted") changed.muted = true;
    if (alert.transition === "unmuted") changed.muted = false;
    if (alert.alarm) {
      changed.alarms = known.alarms.filter((other) => other.alarm !== alert.alarm);
      if (ACTIVE.has(alert.phase)) changed.alarms.push(slot);
    }
    if (alert.scores && alert.time_us >= (known.end_us ?? 0)) {
      changed.scores = alert.scores;
      changed.any_mi = alert.scores.MI;
      changed.type = likeliest(alert.scores);
      changed.quality = alert.quality;
      changed.end_us = alert.time_us;
      changed.seenUs = Math.min(this.nowUs(), alert.time_us);
    }
    changed.place = placed(known.place, changed.any_mi);
    this.patients.set(alert.patient, changed);
  }

  // Patients for the grid: those that `wanted` keeps, by name or by risk.
  listed(wanted, byName) {
    const list = [...this.patients.values()].filter(wanted);
    if (byName) return list.sort((a, b) => compare(a.patient, b.patient));
    const keyed = list.map((patient) => [risk(patient), patient]);
    keyed.sort(([a, p], [b, q]) => b[0] - a[0] || b[1] - a[1] || compare(p.patient, q.patient));
    return keyed.map(([, patient]) => patient);
  }

  // All alarms in force, most urgent first, each with its patient (none: of the system).
  active() {
    const all = [...this.system.values()].map((alarm) => ({ ...alarm, patient: "" }));
    for (const patient of this.patients.values()) {
      for (const alarm of patient.alarms) if (ACTIVE.has(alarm.phase)) all.push({ ...alarm, patient: patient.patient });
    }
    return all.sort((a, b) => urgency(b) - urgency(a) || b.began_us - a.began_us || compare(a.alarm, b.alarm));
  }

  // Seconds since the patient's newest window.
  ageS(patient) {
    return Math.max(0, (this.nowUs() - patient.seenUs) / 1e6);
  }

  // What is the matter with the signal: a technical alarm, silence that is none yet, or "live".
  signal(patient) {
    if (patient.status !== "admitted") return patient.status;
    const technical = patient.alarms.filter((alarm) => !physiological(alarm.kind)).map((alarm) => alarm.kind);
    for (const kind of ["stream_lost", "lead_off", "poor_signal"]) if (technical.includes(kind)) return kind;
    if (!patient.end_us) return "unheard";
    return this.ageS(patient) > STALE_S ? "stale" : "live";
  }
}

// The most urgent alarm of a patient.
export function foremost(patient) {
  let first = null;
  for (const alarm of patient.alarms) if (first === null || urgency(alarm) > urgency(first)) first = alarm;
  return first;
}

export function urgency(alarm) {
  return (RANK[alarm.priority] ?? 0) * 4 + (physiological(alarm.kind) ? 2 : 0) + (unanswered(alarm) ? 1 : 0);
}

export function likeliest(scores) {
  let best = null;
  for (const [name, share] of Object.entries(scores ?? {})) {
    if (name !== "MI" && (best === null || share > scores[best])) best = name;
  }
  return best;
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function newest(patient) {
  const { scores, any_mi, type, quality, end_us } = patient;
  return { scores, any_mi, type, quality, end_us };
}

function placed(place, anyMi) {
  const risk = anyMi ?? -1;
  return place === undefined || Math.abs(place - risk) > STEADY ? risk : place;
}

function risk(patient) {
  const mi = patient.alarms.filter((alarm) => physiological(alarm.kind));
  if (patient.status === "discharged") return [-2, 0];
  if (patient.status === "standby") return [-1, 0];
  if (mi.length) return [10 + Math.max(...mi.map(urgency)), patient.place];
  return [patient.alarms.length ? 1 : 0, patient.place];
}
