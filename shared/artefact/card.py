"""`MODEL_CARD.md`: the manifest told to a person who must decide whether to use the model."""

from collections.abc import Iterator
from typing import Any

from shared.artefact.manifest import Manifest

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

## Thresholds

| score | threshold |
|---|---|
{thresholds}

## Metrics

{metrics}

## Data

{data}

## Limits

- One lead sees part of the heart: an infarct far from lead {lead} may leave no trace in it.
- IPLMI, IPMI and PMI are rare in the public data; their scores cannot be judged alone.
- It was made for ten seconds of a resting ECG; poor contact and movement are for the quality gate before it.
"""


def card_text(manifest: Manifest) -> str:
    """The card of a model, Markdown."""
    numbers = list(flat(manifest.metrics))
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
        metrics="\n".join(["| metric | value |", "|---|---|", *(f"| {_cell(n)} | {v} |" for n, v in numbers)])
        if numbers
        else "None were recorded.",
        data="\n".join(f"- {d.name}: {d.attribution} Licence: {d.licence}" for d in manifest.data),
    )


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
