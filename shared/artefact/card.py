"""`MODEL_CARD.md`: the manifest told to a person who must decide whether to use the model."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.artefact.manifest import SIMULATED, Manifest
from shared.labels import MI_TYPES

# What counts as a fall of the AUROC that a user should know of.
NOTABLE_FALL = 0.03

_CARD = """\
# {name} {version}

Research use only. Not a medical device: it must not guide the care of anybody.

Reads ten seconds of lead {lead} ({rate_hz} Hz, {window_samples} samples, millivolts) and gives {outputs}
probabilities: one for each of nine types of myocardial infarction, and one for any of them ({any_mi}).

| | |
|---|---|
| Encoder | {encoder} |
| Trained on | {trained_on} |
| Created | {created} |
| Code revision | {revision} |
| Pre-processing version | {preprocessing_version} |
| Calibration | {calibration} |

## Intended use

Research on single-lead monitoring: simulated or recorded patients, retrospective studies, the development of
monitors. For adults at rest, whose windows passed the quality gate.

Not for: diagnosis, triage or treatment; ruling an infarct out; children; paced rhythms; any device or lead other
than the one above without a study of its own.

## Thresholds

| score | threshold |
|---|---|
{thresholds}

## Metrics

{metrics}

{precision}{robustness}{alarms}## Known failures

{failures}

## Data

{data}

## Limits

- One lead sees part of the heart: an infarct far from lead {lead} may leave no trace in it.
- IPLMI, IPMI and PMI are rare in the public data; their scores cannot be judged alone.
- The public data says that an infarct is visible in a record, not when it happened: an old scar scores like a new
  infarct.
- It was made for ten seconds of a resting ECG; poor contact and movement are for the quality gate before it.
{polarity}"""


def card_text(manifest: Manifest) -> str:
    """The card of a model, Markdown."""
    encoder = manifest.encoder.family + (f", {manifest.encoder.size}" if manifest.encoder.size else "")
    return _CARD.format(
        name=manifest.name,
        version=manifest.version,
        lead=manifest.lead,
        rate_hz=manifest.rate_hz,
        window_samples=manifest.window_samples,
        outputs=len(manifest.labels),
        any_mi=manifest.labels[-1],
        encoder=encoder,
        trained_on=_cell(manifest.trained_on),
        created=f"{manifest.created:%Y-%m-%d %H:%M} UTC",
        revision=_cell(manifest.revision),
        preprocessing_version=manifest.preprocessing_version,
        calibration=manifest.calibration.method,
        thresholds="\n".join(f"| {label} | {value:.4g} |" for label, value in manifest.thresholds.items()),
        metrics="\n".join(_metrics(manifest.metrics)),
        precision="\n".join([*_precision(_part(manifest.metrics, "bf16")), ""]),
        robustness="\n".join([*_robustness(_part(manifest.metrics, "robustness")), ""]),
        alarms="\n".join([*_alarms(_part(manifest.metrics, "alarms"), carried=manifest.alarm is not None), ""]),
        failures="\n".join(f"- {failure}" for failure in known_failures(manifest)),
        polarity="".join(f"- {line}\n" for line in _polarity(_part(manifest.metrics, "polarity"), manifest.lead)),
        data="\n".join(f"- {d.name}: {d.attribution} Licence: {d.licence}" for d in manifest.data),
    )


def known_failures(manifest: Manifest) -> Iterator[str]:
    """What the metrics say the model does badly, a sentence each; what was not measured is said, too."""
    if all(source.name == SIMULATED for source in manifest.data):
        yield "It learnt from simulated recordings alone: what it says about people has not been tested."
    any_mi, types = (_part(manifest.metrics, name) for name in ("any_mi", "types"))
    area = any_mi.get("auroc")
    if area is None:
        yield "Nothing was measured: how often it fails is unknown."
        return
    found, passed = any_mi.get("sensitivity"), any_mi.get("specificity")
    if found is not None and passed is not None:
        yield (
            f"At its threshold it missed {1 - found:.0%} of the records with an infarct and named"
            f" {1 - passed:.0%} of the others."
        )
    judged = {
        code: values["auroc"]
        for code, values in types.items()
        if values.get("auroc") is not None and not values.get("few")
    }
    if judged:
        worst = min(judged, key=lambda code: judged[code])
        yield f"Of the types that could be judged it does worst on {worst} (AUROC {judged[worst]:.2f})."
    yield from _under_noise(_part(manifest.metrics, "noise"), area)
    yield from _in_other_conditions(_part(manifest.metrics, "robustness"), area)
    yield from _other_leads(_part(manifest.metrics, "leads"), manifest.lead, area)


def _under_noise(noise: Mapping[str, Any], clean: float) -> Iterator[str]:
    if not noise:
        yield "How it does under noise was not measured."
    for kind, ratios in noise.items():
        areas = {float(snr): values["auroc"] for snr, values in ratios.items()}
        falls = {snr: clean - area for snr, area in areas.items() if area is not None}
        notable = [snr for snr, fall in falls.items() if fall > NOTABLE_FALL]
        if notable:
            snr = max(notable)
            yield f"Noise of kind `{kind}` at {snr:g} dB and below costs it {falls[snr]:.2f} of AUROC or more."


def _in_other_conditions(varied: Mapping[str, Any], area: float) -> Iterator[str]:
    """Of conditions that neither noise nor leads speak of already."""
    for name, found in varied.items():
        if found["auroc"] is None or name.startswith("lead ") or " noise, " in name:
            continue
        if area - found["auroc"] > NOTABLE_FALL:
            passed = f"{found['assessable']:.0%} of it passes the quality gate"
            yield f"Under `{name}` its AUROC for any-MI is {found['auroc']:.2f}; {passed}."


def _other_leads(leads: Mapping[str, Any], own: str, area: float) -> Iterator[str]:
    for lead, values in leads.items():
        if lead != own and values["auroc"] is not None and area - values["auroc"] > NOTABLE_FALL:
            yield f"Shown lead {lead} in the place of {own}, its AUROC for any-MI is {values['auroc']:.2f}."


def _polarity(leads: Mapping[str, Any], own: str) -> Iterator[str]:
    """What becomes of a lead that is worn upside down; nothing if that was not measured."""
    if own in leads:
        found = leads[own]
        infarct = found["false_infarct"]
        among = "" if infarct is None else f" ({infarct:.1%} of those with an infarct)"
        yield (
            f"Scores of a lead {own} that is worn upside down mean nothing. `POST /api/score` and a patient's"
            f" strip say `inverted` for {found['found']:.1%} of such records, and for {found['false']:.1%} of"
            f" upright ones{among}; nothing is refused for it."
        )


def _metrics(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A table of scores where the metrics are those of an evaluation, else all numbers one by one."""
    types, any_mi = _part(metrics, "types"), _part(metrics, "any_mi")
    if not metrics:
        yield "None were recorded."
    elif not (types and any_mi):
        yield from ("| metric | value |", "|---|---|", *(f"| {_cell(n)} | {v} |" for n, v in flat(dict(metrics))))
    else:
        names = {mi.code: mi.name for mi in MI_TYPES}
        yield from ("| score | positives | AUROC | sensitivity | specificity |", "|---|---:|---|---:|---:|")
        yield _score("any MI", any_mi)
        for code, values in types.items():
            mark = "†" if values.get("few") else ""
            yield _score(f"{code} ({names.get(code, code)}){mark}", values)
        for name, title in (("macro6", "mean of the six frequent types"), ("macro9", "mean of all types")):
            yield f"| {title} | | {_area(_part(metrics, name))} | | |"
        yield ""
        yield f"† too few positives to be judged alone. Expected calibration error: {_number(metrics.get('ece'))}."


def _precision(found: Mapping[str, Any]) -> Iterator[str]:
    """What bf16 costs it; nothing if that was not measured on records."""
    if "any_mi" not in found:
        return
    areas = (
        f"{title} {_number(found[name]['bf16'])} instead of {_number(found[name]['fp32'])}"
        for name, title in (("any_mi", "any MI"), ("macro6", "the six frequent types"))
    )
    yield (
        f"All figures are of fp32. In bf16, which engines may use on processors that have it, the AUROC on"
        f" {found['n']} validation records is, for {', for '.join(areas)}."
    )
    yield ""


def _robustness(varied: Mapping[str, Any]) -> Iterator[str]:
    """The figures under other conditions, and of what passes the quality gate then; nothing if none were taken."""
    if not varied:
        return
    yield from ("## Robustness", "")
    yield "| the same records | any MI | six types | pass the gate | any MI of those | six types of those |"
    yield "|---|---|---|---:|---|---|"
    for name, found in varied.items():
        good = " | ".join(_short(found.get(f"assessable_{figure}")) for figure in ("auroc", "macro6"))
        six = _short(found.get("macro6"))
        yield f"| {_cell(name)} | {_area(found)} | {six} | {found['assessable']:.1%} | {good} |"
    yield ""


def _alarms(alarms: Mapping[str, Any], *, carried: bool) -> Iterator[str]:
    """What its alarms did on streams; nothing if that was not tried."""
    if not alarms:
        return
    rules = ", ".join(f"`{name}` {value:g}" for name, value in alarms["rules"].items())
    where = ", which the monitor uses unless its settings say otherwise" if carried else ""
    yield from ("## Alarms on streams", "", f"With the rules {rules}{where}:", "")
    yield "| | infarcts | sensitivity | median s to detection | false alarms per patient-hour |"
    yield "|---|---:|---|---:|---:|"
    for name, title in (("recorded", "streams of other recordings"), ("simulated", "simulated patients")):
        found = alarms[name]
        interval = f"({_short(found['sensitivity_low'])} … {_short(found['sensitivity_high'])})"
        yield (
            f"| {title} | {found['episodes']} | {_short(found['sensitivity'])} {interval}"
            f" | {_number(found['time_to_detection_s_median'])} | {found['false_alarms_per_patient_hour']:.2f} |"
        )
    yield ""
    kinds = alarms["simulated"]["kinds"]
    missed = ", ".join(
        f"{n} {k['episodes'] - k['detected']} of {k['episodes']}" for n, k in kinds.items() if k["episodes"]
    )
    false = ", ".join(f"{n} {k['false_alarms']} in {k['patients']}" for n, k in kinds.items() if not k["episodes"])
    yield from (f"Simulated infarcts missed: {missed}. False alarms by simulated patients: {false}.", "")


def _short(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _score(name: str, values: Mapping[str, Any]) -> str:
    shares = " | ".join(_number(values.get(kind)) for kind in ("sensitivity", "specificity"))
    counts = f"{values.get('positives', '')} of {values.get('n', '')}"
    return f"| {_cell(name)} | {counts} | {_area(values)} | {shares} |"


def _area(values: Mapping[str, Any]) -> str:
    low, high = values.get("ci_low"), values.get("ci_high")
    interval = "" if low is None or high is None else f" ({low:.3f} … {high:.3f})"
    return f"{_number(values.get('auroc'))}{interval}"


def _part(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = metrics.get(name)
    return part if isinstance(part, dict) else {}


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested numbers as (``dotted.name``, number as text)."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _number(value)


def _number(value: Any) -> str:
    return "undefined" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
