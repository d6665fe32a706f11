// What things are called on the page, and how figures and times are written.

export const TYPES = [
  ["IMI", "inferior"], ["ASMI", "anteroseptal"], ["ILMI", "inferolateral"], ["AMI", "anterior"],
  ["ALMI", "anterolateral"], ["LMI", "lateral"], ["IPLMI", "inferoposterolateral"],
  ["IPMI", "inferoposterior"], ["PMI", "posterior"],
];
const TYPE_NAMES = new Map(TYPES);
export const RARE = new Set(["IPLMI", "IPMI", "PMI"]);

const KINDS = {
  mi: "MI suspected", lead_off: "Lead off", poor_signal: "Poor signal", stream_lost: "Stream lost",
  system_silent: "No patient of a source is heard",
};
const ICONS = { mi: "heart", lead_off: "lead", poor_signal: "noise", stream_lost: "unlink", system_silent: "unlink" };
export const RANK = { high: 3, medium: 2, low: 1 };
const MARKS = { high: "!!!", medium: "!!", low: "!" };
const PHASES = { raised: "unacknowledged", latched: "gone, unacknowledged", acknowledged: "acknowledged" };
const TRANSITIONS = {
  began: "began", recurred: "came back", escalated: "escalated", updated: "type changed", cleared: "condition gone",
  acknowledged: "acknowledged", ended: "ended", muted: "muted", unmuted: "unmuted",
};
export const ACTIVE = new Set(["raised", "latched", "acknowledged"]);

export const mark = (priority) => MARKS[priority] ?? "";
export const kindName = (kind) => KINDS[kind] ?? plain(kind);
export const kindIcon = (kind) => ICONS[kind] ?? "unlink";
export const phaseName = (phase) => PHASES[phase] ?? plain(phase);
export const transitionName = (transition) => TRANSITIONS[transition] ?? plain(transition);
export const physiological = (kind) => kind === "mi";
export const unanswered = (alarm) => alarm.phase === "raised" || alarm.phase === "latched";
export const plain = (word) => String(word ?? "").replaceAll("_", " ");

// "IMI inferior"; "MI" alone is: no type stands out.
export function typeName(type) {
  if (!type) return "";
  if (type === "MI") return "type unclear";
  return TYPE_NAMES.has(type) ? `${type} ${TYPE_NAMES.get(type)}` : String(type);
}

export function alarmName(alarm) {
  return physiological(alarm.kind) ? `${kindName(alarm.kind)} · ${typeName(alarm.type)}` : kindName(alarm.kind);
}

// Where there is little room.
export function shortName(alarm) {
  if (!physiological(alarm.kind)) return kindName(alarm.kind);
  return alarm.type && alarm.type !== "MI" ? typeName(alarm.type) : "MI, type unclear";
}

export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.005) return "<1 %";
  return `${Math.round(share * 100)} %`;
}

export const count = (n) => Number(n ?? 0).toLocaleString("en");

const two = (n) => String(n).padStart(2, "0");

export function clock(us) {
  const when = new Date(us / 1000);
  return `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
}

export const minute = (us) => clock(us).slice(0, 5);

export function moment(us, nowUs) {
  const when = new Date(us / 1000);
  const today = new Date(nowUs / 1000).toDateString() === when.toDateString();
  return today ? clock(us) : `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${clock(us)}`;
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

export const UPSIDE_DOWN = "seems to be worn upside down";
// Of an alert: of the strip that raised it.
export const turned = (alert) => alert.polarity === "inverted";

// What a screen reader says of a patient, and what a live region says of a new alarm.
export function alarmSpoken(alarm, patient) {
  const what = physiological(alarm.kind) ? `MI suspected, ${typeName(alarm.type)}` : `technical: ${kindName(alarm.kind)}`;
  return `${alarm.priority} priority, ${what}${patient ? `, patient ${patient}` : ""}, ${phaseName(alarm.phase)}`;
}
