"""Rules on replays: what came of them all together, and kind by kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.streams.scoring import ScoredStream, replay_of
from services.inference.alarms.tuning import trial
from shared.sections import AlarmSettings


def judged(streams: Sequence[ScoredStream], rules: AlarmSettings, *, answer_s: float) -> dict[str, Any]:
    """The figures of all streams, and under ``kinds`` of each kind, most frequent first.

    ``any_mi``: the median any-MI of a kind's assessable windows, of patients with an infarct after its onset.
    """
    whole = trial(replay_of(streams), rules, answer_s=answer_s).figures()
    kinds: dict[str, list[ScoredStream]] = {}
    for stream in streams:
        kinds.setdefault(stream.kind, []).append(stream)
    ordered = sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    return {
        **whole,
        "assessable": float(np.concatenate([stream.assessable for stream in streams]).mean()),
        "kinds": {name: _kind(members, rules, answer_s) for name, members in ordered},
    }


def _kind(members: Sequence[ScoredStream], rules: AlarmSettings, answer_s: float) -> dict[str, Any]:
    found = trial(replay_of(members), rules, answer_s=answer_s).figures()
    kept = {
        name: found[name]
        for name in (
            "patients", "patient_hours", "episodes", "detected", "false_alarms", "false_alarm_patients",
            "false_alarms_per_patient_hour", "time_to_detection_s_median",
        )
    }  # fmt: skip
    judged_windows = [
        stream.scores[stream.assessable & (stream.sick if stream.onset_s is not None else True), -1]
        for stream in members
    ]
    scores = np.concatenate(judged_windows)
    return {**kept, "any_mi": float(np.median(scores)) if len(scores) else None}
