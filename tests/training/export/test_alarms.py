"""The figures of alarms on streams, as the manifest takes them: of this very model or not at all."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.artefact import CalibrationRecord
from training.export.alarms import KEPT, PARTS, Folds, alarms_of
from training.export.facts import ExportError

WEIGHTS = b"weights"


@pytest.fixture
def streams() -> dict[str, Any]:
    kind = {"patients": 2, "episodes": 0, "detected": 0, "false_alarms": 1, "any_mi": 0.2}
    part = dict.fromkeys(KEPT, 1) | {"kinds": {"NORM": kind}}
    model = {
        "name": "m",
        "lead": "I",
        "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "calibration": CalibrationRecord().model_dump(mode="json"),
    }
    folds = {"tune_folds": [8], "test_folds": [9]}
    return {"model": model, "streams": folds, "rules": {"low": 0.4}, **dict.fromkeys(PARTS, part)}


LEARNT = frozenset(range(1, 8))
KNOWN = Folds(trained=LEARNT, seen=LEARNT | {8})  # as the recipe has it: decided on 8


def read(folder: Path, said: object, known: Folds = KNOWN) -> dict[str, Any]:
    path = folder / "streams.json"
    path.write_text(json.dumps(said))
    return alarms_of(path, WEIGHTS, CalibrationRecord(), known)


def test_rules_and_figures_are_kept_as_numbers(tmp_path: Path, streams: dict[str, Any]) -> None:
    found = read(tmp_path, streams)
    assert found["rules"] == {"low": 0.4}
    assert found["simulated"]["kinds"]["NORM"] == {"patients": 2, "episodes": 0, "detected": 0, "false_alarms": 1}


def test_those_of_other_weights_are_refused(tmp_path: Path, streams: dict[str, Any]) -> None:
    streams["model"]["weights_sha256"] = "0" * 64
    with pytest.raises(ExportError, match="of other weights"):
        read(tmp_path, streams)


def test_those_of_another_calibration_are_refused(tmp_path: Path, streams: dict[str, Any]) -> None:
    streams["model"]["calibration"]["method"] = "platt"
    with pytest.raises(ExportError, match="calibrated otherwise"):
        read(tmp_path, streams)


@pytest.mark.parametrize(
    ("known", "what"),
    [
        (Folds(trained=LEARNT | {8}, seen=LEARNT | {8, 9}), "judged on fold 9, .* --tune: 9, 10; --test: 10$"),
        (Folds(trained=LEARNT | {8}, seen=LEARNT | {8}), "picked on fold 8, .* --tune: 9, 10; --test: 9, 10$"),
        (
            Folds(trained=frozenset(range(1, 11)), seen=frozenset(range(1, 11))),
            "--tune: none of ten; --test: none",
        ),
    ],
    ids=["the defaults of pretrain, probe and streams", "picked on a training fold", "nothing left"],
)
def test_rules_picked_or_judged_on_what_the_model_knows_are_refused(
    known: Folds, what: str, tmp_path: Path, streams: dict[str, Any]
) -> None:
    with pytest.raises(ExportError, match=what) as refused:
        read(tmp_path, streams, known)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("said", [[], {}, {"model": {}}])
def test_what_is_something_else_is_refused(tmp_path: Path, said: object) -> None:
    with pytest.raises(ExportError, match="not made by"):
        read(tmp_path, said)
