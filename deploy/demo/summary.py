"""What a demo run came to: the figures for programs, and the same in words."""

import textwrap
from typing import Any

from deploy.demo.verdict import Verdict
from deploy.demo.view import NOTICE
from deploy.demo.watch import alarms_begun, windows_of
from services.inference.engine import Engine


def figures_of(
    counted: dict[str, int], judged: Verdict, engine: Engine, *, patients: int, mismatch: int, p99_s: float | None
) -> dict[str, Any]:
    """One flat object. ``pipeline_ok`` is about the pipeline alone: something came, and nothing differs."""
    windows, begun = windows_of(counted), alarms_begun(counted)
    return {
        "pipeline_ok": mismatch == 0 and windows > 0,
        "pipeline_mismatch": mismatch,
        "patients": patients,
        "windows": windows,
        "alarms": begun["mi"],
        "technical_alarms": begun["technical"],
        "p99_latency_s": p99_s,
        "infarcts": judged.infarcts,
        "detected": judged.detected,
        "missed": judged.missed,
        "right_type": judged.right_type,
        "false_alarms": judged.false_alarms,
        "false_alarms_per_patient_hour": judged.false_per_patient_hour,
        "time_to_detection_s": judged.time_to_detection_s,
        "model": engine.version,
        "trained_on": engine.model.manifest.trained_on,
        "runtime": f"{engine.runtime} {engine.precision}",
    }


def told(figures: dict[str, Any], judged: Verdict) -> str:
    """For people."""
    said = figures
    worked = "did its work" if said["pipeline_ok"] else "DID NOT do its work"
    pipeline = (
        f"The pipeline {worked}: {said['windows']:,} windows of {said['patients']} patients,"
        f" {said['pipeline_mismatch']} differences from an offline run of the same samples;"
        f" 99 % of windows were committed within {said['p99_latency_s']} s of their last sample."
    )
    after = (
        "" if judged.time_to_detection_s is None else f" (median {judged.time_to_detection_s:.0f} s after onset)"
    )
    model = (
        f"The model ({said['model']}, trained on: {said['trained_on']}) found {judged.detected} of"
        f" {judged.infarcts} infarcts{after}, {judged.right_type} with the right type; missed:"
        f" {_listed(judged.missed_by_type)}."
    )
    rate = judged.false_per_patient_hour
    per_hour = "" if rate is None else f" ({rate:.2f} per patient-hour)"
    alarms = (
        f"False alarms: {judged.false_alarms}{per_hour}: {_listed(judged.false_by_kind)}."
        f" Technical alarms: {judged.technical_alarms}."
    )
    return "\n".join(["", *(textwrap.fill(part, 100) for part in (pipeline, model, alarms)), NOTICE])


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in counts.items()) or "none"
