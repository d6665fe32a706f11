"""What the alarms of a run are worth, against the ground truth of its scenario. Pure.

How well the *model* did, as it is; that the *pipeline* did its work is another question (`pipeline`).
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.labels import MI_CODES

# Evidence is ten seconds long, so an alarm this much after a condition has ended may still be about it.
GRACE_S = 15.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts over patients (detected, missed) and alarms (false). Times in seconds of sample time.

    ``detected``: patients with an infarct of whom an MI alarm began after its onset; ``right_type`` of them
    named the type. ``false_alarms``: MI alarms that began on somebody without an infarct at that time, by
    what that patient really had.
    """

    infarcts: int
    detected: int
    missed: int
    right_type: int
    false_alarms: int
    false_by_kind: dict[str, int]
    missed_by_type: dict[str, int]
    time_to_detection_s: float | None
    patient_hours: float
    technical_alarms: int

    @property
    def false_per_patient_hour(self) -> float | None:
        """The usual figure."""
        return self.false_alarms / self.patient_hours if self.patient_hours else None


def verdict(patients: Sequence[Mapping[str, Any]], alerts: Iterable[Mapping[str, Any]], until_us: int) -> Verdict:
    """Judge the alerts of a run up to sample time ``until_us``. ``patients``: as in the ground truth file."""
    began = [alert for alert in alerts if alert["transition"] == "began"]
    by_patient: dict[str, list[Mapping[str, Any]]] = {}
    for alert in began:
        if alert["kind"] == "mi":
            by_patient.setdefault(alert["patient"], []).append(alert)
    delays: list[float] = []
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    right = infarcts = 0
    seconds = 0.0
    for patient in patients:
        start_us = patient["session_start_us"]
        seconds += max(0.0, (until_us - start_us) / 1e6)
        episode = _infarct(patient)
        onset_us = None if episode is None else start_us + int(episode["start_s"] * 1e6)
        own = sorted(by_patient.get(patient["patient"], ()), key=lambda alert: alert["time_us"])
        true = [a for a in own if onset_us is not None and a["time_us"] >= onset_us]
        for alert in own:
            if alert not in true:
                false[_kind_at(patient, (alert["time_us"] - start_us) / 1e6)] += 1
        if episode is None or onset_us is None or onset_us >= until_us:
            continue
        infarcts += 1
        if not true:
            missed[episode["label"]] += 1
            continue
        delays.append((true[0]["time_us"] - onset_us) / 1e6)
        right += any(a["type"] == episode["label"] for a in true)
    return Verdict(
        infarcts=infarcts,
        detected=len(delays),
        missed=missed.total(),
        right_type=right,
        false_alarms=false.total(),
        false_by_kind=dict(sorted(false.items())),
        missed_by_type=dict(sorted(missed.items())),
        time_to_detection_s=statistics.median(delays) if delays else None,
        patient_hours=seconds / 3600,
        technical_alarms=sum(alert["kind"] != "mi" for alert in began),
    )


def _infarct(patient: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((episode for episode in patient["episodes"] if episode["label"] in MI_CODES), None)


def _kind_at(patient: Mapping[str, Any], second: float) -> str:
    """What a patient really had at a second of the session: a label of the truth, noise included."""
    labels: list[str] = [
        e["label"]
        for e in patient["episodes"]
        if e["start_s"] - GRACE_S <= second and (e["stop_s"] is None or second <= e["stop_s"] + GRACE_S)
    ]
    return next((label for label in labels if not label.startswith("effect:")), str(patient["kind"]))
