// The top of the page: alarms counted, whether what is shown is live, whether detection runs, what the model is.

import { attribute, byId, text } from "./dom.js";
import { RANK, clock, physiological, span, unanswered } from "./words.js";

const LAG_S = 15;

// Counts the alarms in force; gives the most urgent priority of a physiological one that nobody has answered.
export function showCounts(active) {
  const counts = { high: 0, medium: 0, low: 0, technical: 0, open: 0 };
  let urgent = null;
  for (const alarm of active) {
    counts[physiological(alarm.kind) ? alarm.priority : "technical"] += 1;
    if (!unanswered(alarm)) continue;
    counts.open += 1;
    if (physiological(alarm.kind) && RANK[alarm.priority] > (RANK[urgent] ?? 0)) urgent = alarm.priority;
  }
  for (const [name, amount] of Object.entries(counts)) {
    text(byId(`n-${name}`), String(amount));
    attribute(byId(`c-${name}`), "data-some", amount ? "yes" : null);
  }
  text(byId("tab-alarms-count"), counts.open ? ` ${counts.open}` : "");
  document.title = `${counts.open ? `(${counts.open}) ` : ""}SelfMIS ward`;
  return urgent;
}

export function showLink({ state, lostMs, failure }) {
  document.body.dataset.link = state;
  byId("lost").hidden = state !== "lost";
  text(byId("link-word"), { live: "live", lost: "connection lost", connecting: "connecting" }[state]);
  if (state !== "lost") return;
  const since = `Last news ${clock(lostMs * 1000)}, ${span((Date.now() - lostMs) / 1000)} ago.`;
  text(byId("lost-words"), `Connection lost: nothing here is live. ${since} Trying again …`);
  text(byId("lost-why"), failure ? `(${failure})` : "");
}

export function showSummary(summary) {
  const said = [];
  const unowned = summary.shards - summary.owned;
  if (unowned > 0) said.push(`Detection does not run for ${unowned} of ${summary.shards} shards.`);
  if (summary.lag_s > LAG_S) said.push(`Detection is ${span(summary.lag_s)} behind the patients.`);
  byId("warning").hidden = !said.length;
  text(byId("warning-words"), said.join(" "));
  const { model } = summary;
  if (!model) return;
  const trained = model.trained_on ?? "";
  const simulated = /^simulat/i.test(trained);
  text(byId("model"), `Model ${model.name} ${model.version}, lead ${model.lead}.`);
  text(byId("trained"), simulated
    ? "Trained on SIMULATED recordings: it has never seen a real ECG." : `Trained on: ${trained || "not stated"}.`);
  byId("trained").title = trained;
  attribute(byId("trained"), "data-simulated", simulated ? "yes" : null);
}
