// Puts the page together: who is signed in, what is shown, and what keys and buttons do.

import { Actions, toast } from "./actions.js";
import { AlarmList } from "./alarms.js";
import { Api, Refused } from "./api.js";
import { attribute, byId, text } from "./dom.js";
import { Feed } from "./feed.js";
import { Grid } from "./grid.js";
import { Link } from "./link.js";
import { Looks, palette } from "./looks.js";
import { PatientView } from "./patient.js";
import { Sound } from "./sound.js";
import { Strips } from "./strips.js";
import { Sweeps } from "./sweep.js";
import { showCounts, showLink, showSummary } from "./topbar.js";
import { MOST, Ward, foremost } from "./ward.js";
import { alarmSpoken, clock, count, physiological, transitionName, unanswered } from "./words.js";

const SOON_MS = 60;

const still = matchMedia("(prefers-reduced-motion: reduce)");
const looks = new Looks(() => dress());
const view = { speed: looks.speed, gain: looks.gain, cutoff: 0.5 };
const state = { role: "view", filter: "all", search: "", byName: false, route: "ward", summary: null, dirty: false };

const ward = new Ward();
const api = new Api(() => signIn("The server wants another token."));
const link = new Link((now) => turned(now));
const sound = new Sound();
const sweeps = new Sweeps(() => still.matches);
const strips = new Strips(api, (strip, stamp) => {
  grid.put(strip, stamp);
  patient.put(strip, stamp);
});
const actions = new Actions(api, (name) => {
  feed.hurry();
  if (name && name === patient.patient) patient.load();
});
const act = (action, about) => {
  if (state.role === "act") actions.ask(action, about);
  else toast("This token may only look.", "bad");
};
const open = (name) => { location.hash = `#/patient/${encodeURIComponent(name)}`; };
const grid = new Grid(byId("grid"), byId("scroller"), ward, sweeps, view, {
  open,
  looking: (names) => { state.looking = names; look(); },
});
const patient = new PatientView(api, ward, sweeps, view, { act, palette });
const alarms = new AlarmList(ward, { act: (action, alarm) => act(action, { patient: alarm.patient, alarm }), open });
const feed = new Feed(api, ward, link, { told: (summary) => { state.summary = summary; }, alerted, changed: render });

// ---- who may look

async function begin() {
  try {
    const session = await api.get("/api/session");
    state.role = session.role;
    document.body.dataset.role = session.role;
    text(byId("role"), session.role === "act" ? "may act" : "may look");
    byId("signout").hidden = !session.auth;
    if (byId("signin").open) byId("signin").close();
    feed.start();
  } catch (error) {
    if (error.status === 401) return; // the dialog is open
    if (!(error instanceof Refused)) throw error;
    link.failed(error.message);
    setTimeout(begin, 2000);
  }
}

function signIn(words) {
  const dialog = byId("signin");
  if (dialog.open) return;
  text(byId("signin-error"), api.token ? words : "");
  byId("token").value = "";
  dialog.showModal();
}

byId("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.signIn(byId("token").value.trim());
  text(byId("signin-error"), "");
  api.get("/api/session").then(begin, (error) => text(byId("signin-error"), error.message));
});
byId("signin").addEventListener("cancel", (event) => event.preventDefault());
byId("signout").addEventListener("click", () => {
  api.signIn("");
  location.reload();
});

// ---- what is shown

// Soon, and once for all that happens until then: a storm of alerts must not be a storm of layouts.
function render() {
  if (state.dirty) return;
  state.dirty = true;
  setTimeout(() => {
    state.dirty = false;
    show();
  }, SOON_MS);
}

const FILTERS = {
  all: (each) => each.status !== "discharged",
  mi: (each) => each.alarms.some((alarm) => physiological(alarm.kind)),
  open: (each) => each.alarms.some(unanswered),
  technical: (each) => each.alarms.some((alarm) => !physiological(alarm.kind)),
  standby: (each) => each.status === "standby",
  discharged: (each) => each.status === "discharged",
};

function show() {
  const search = state.search.toLowerCase();
  const keep = FILTERS[state.filter];
  const list = ward.listed((each) => keep(each) && (!search || each.patient.toLowerCase().includes(search)), state.byName);
  grid.show(list);
  byId("nobody").hidden = list.length > 0;
  text(byId("nobody"), ward.patients.size ? "Nobody fits this filter." : "No patient yet: nobody has sent ten seconds of ECG.");
  const beyond = ward.total > MOST ? ` of ${count(ward.total)} (the ${count(MOST)} at highest risk; search finds the others)` : "";
  text(byId("shown"), `${count(list.length)} ${list.length === 1 ? "patient" : "patients"}${beyond}`);
  const urgent = showCounts(alarms.show());
  const heard = sound.want(urgent ?? (link.state === "lost" ? "lost" : null));
  if (heard) showSound(heard);
  if (state.summary) showSummary(state.summary);
  patient.refresh();
  attribute(byId("ready"), "data-patients", ward.patients.size);
}

function turned(now) {
  showLink(now);
  sweeps.frozen = now.state === "lost";
  if (now.state !== "live") return;
  sweeps.redraw();
  strips.nudge();
}

function alerted(alert) {
  patient.heard(alert);
  if (!["began", "recurred", "escalated"].includes(alert.transition)) return;
  const region = byId(alert.priority === "high" ? "assertive" : "polite");
  text(region, `${transitionName(alert.transition)}: ${alarmSpoken(alert, alert.patient || "of a whole source")}`);
}

// Whose waveforms are wanted: the tiles on the screen, or the one patient.
function look() {
  const { route } = state;
  strips.look(route === "patient" ? [patient.patient] : route === "ward" ? state.looking ?? [] : []);
}

// ---- where we are

function route() {
  const [, place, name] = /^#\/(patient|alarms|ward)?\/?(.*)$/.exec(location.hash) ?? [];
  const before = state.route;
  state.route = place === "patient" && name ? "patient" : place === "alarms" ? "alarms" : "ward";
  document.body.dataset.route = state.route;
  for (const tab of document.querySelectorAll("#tabs a")) attribute(tab, "aria-current", tab.dataset.route === state.route ? "page" : null);
  if (state.route === "patient") {
    let called = name;
    try {
      called = decodeURIComponent(name);
    } catch { /* a hand-written address; taken as it stands */ }
    if (called !== patient.patient) patient.open(called);
    byId("patient").scrollTop = 0;
    byId("p-title").focus({ preventScroll: true });
  } else {
    patient.close();
    if (before === "patient" && state.route === "ward") requestAnimationFrame(() => grid.focus());
  }
  feed.open = patient.patient;
  look();
  render();
}
addEventListener("hashchange", route);

function dress() {
  Object.assign(view, { speed: looks.speed, gain: looks.gain });
  const { trace } = palette();
  grid.recolour(trace);
  patient.recolour(trace);
  patient.redraw();
}

async function toggleSound() {
  showSound(await sound.toggle());
}

function showSound(now) {
  const was = byId("sound-word").textContent;
  attribute(byId("sound"), "aria-pressed", String(now === "on"));
  text(byId("sound-word"), `Sound ${now}`);
  if (now === "blocked" && was !== "Sound blocked") toast("This browser makes no sound.", "bad");
}
byId("sound").addEventListener("click", toggleSound);

// ---- filters

function filter(name) {
  state.filter = state.filter === name && name !== "all" ? "all" : name;
  for (const chip of document.querySelectorAll("[data-filter]")) attribute(chip, "aria-pressed", String(chip.dataset.filter === state.filter));
  byId("scroller").scrollTop = 0;
  render();
}
for (const chip of document.querySelectorAll("[data-filter]")) {
  chip.addEventListener("click", () => {
    if (state.route !== "ward") location.hash = "#/";
    filter(chip.dataset.filter);
  });
}
byId("search").addEventListener("input", (event) => {
  state.search = event.target.value.trim();
  feed.search = state.search;
  if (ward.total > MOST) feed.hurry();
  render();
});
byId("sort").addEventListener("change", (event) => {
  state.byName = event.target.value === "name";
  render();
});

// ---- keys

function acknowledge() {
  const name = state.route === "patient" ? patient.patient : grid.current();
  const row = alarms.current();
  const about = row ? { patient: row.patient, alarm: row } : null;
  if (about && unanswered(row)) return act("acknowledge", about);
  const known = name === null ? null : ward.patients.get(name);
  const waiting = known ? foremost({ alarms: known.alarms.filter(unanswered) }) : null;
  if (waiting) return act("acknowledge", { patient: name, alarm: waiting });
  return toast(name === null && !row ? "Choose a tile or an alarm first." : "Nothing to acknowledge here.");
}

function nextOpen() {
  const waiting = ward.active().filter((alarm) => unanswered(alarm) && alarm.patient);
  if (!waiting.length) return toast("No unacknowledged alarm.");
  const at = waiting.findIndex((alarm) => alarm.patient === (state.route === "patient" ? patient.patient : grid.current()));
  const { patient: name } = waiting[(at + 1) % waiting.length];
  if (state.route === "patient") return open(name);
  filter("all");
  return requestAnimationFrame(() => grid.focus(name));
}

const KEYS = {
  "?": () => byId("keys").showModal(),
  "/": () => byId("search").focus(),
  a: acknowledge,
  n: nextOpen,
  s: toggleSound,
  g: () => { location.hash = "#/"; grid.focus(); },
  l: () => { if (getComputedStyle(byId("alarms")).display === "none") location.hash = "#/alarms"; requestAnimationFrame(() => alarms.focus()); },
  Escape: () => {
    if (state.route !== "ward") location.hash = "#/";
    else if (document.activeElement === byId("search")) {
      show(); // what was typed last counts, too
      grid.focus();
    }
  },
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches?.("input, select, textarea");
  if (typing && event.key !== "Escape") return;
  const key = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!key) return;
  event.preventDefault();
  key();
});
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("keys-close").addEventListener("click", () => byId("keys").close());
byId("p-back").addEventListener("click", () => { location.hash = "#/"; });

// ---- time passes

setInterval(() => {
  text(byId("clock"), clock(ward.nowUs()));
  link.judge();
  grid.refresh();
  show();
}, 1000);

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !feed.running) return;
  feed.start();
  strips.nudge();
});

dress();
route();
begin();
