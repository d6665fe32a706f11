"""The whole way, on simulated patients: recordings → store → teacher → SelfMIS → probe → evaluation → model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.ingest.synthetic.ptbxl_layout import plan, write
from shared.artefact import load
from training.evaluate.command import main as evaluate
from training.export.command import main as export
from training.prepare.command import main as prepare
from training.pretrain.command import main as pretrain
from training.probe.command import main as probe

# Infarcts that lead I can see, beside healthy hearts: small enough to be learnt in seconds.
MIX = {"NORM": 0.5, "IMI": 0.2, "ALMI": 0.2, "LMI": 0.1}
RECORDS = 240


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the chain leaves behind."""
    root = tmp_path_factory.mktemp("chain")
    data, store = root / "data", root / "store"
    data.mkdir()
    for _ in write(data, plan(RECORDS, seed=1, mix=MIX)):
        pass
    assert prepare([str(data), "--out", str(store), "--workers", "0"]) == 0
    split = ["--store", str(store), "--folds", "1-7", "--validate", "8"]
    loop = ["--plain", "--batch", "16", "--lr", "0.003", *split]
    teacher, student, probed = (root / name for name in ("teacher", "student", "probe"))
    assert pretrain(["--method", "upper", "--out", str(teacher), "--epochs", "3", *loop]) == 0
    assert (
        pretrain(["--method", "selfmis", "--teacher", str(teacher), "--out", str(student), "--epochs", "6", *loop])
        == 0
    )
    assert probe([str(student), "--out", str(probed), *split]) == 0
    test = ["--data", str(store), "--folds", "9,10", "--draws", "200"]
    tested = ["--model", str(probed), "--teacher", str(teacher), "--out", str(root / "results")]
    assert evaluate([*test, *tested]) == 0
    results = ["--results", str(root / "results" / "results.json"), "--name", "chained"]
    assert export([str(probed), "--store", str(store), "--out", str(root / "model"), *results]) == 0
    return root


def results_of(chain: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((chain / "results" / "results.json").read_text())
    return found


def test_what_was_learnt_finds_infarcts_of_patients_it_has_never_seen(chain: Path) -> None:
    assert results_of(chain)["any_mi"]["auroc"] > 0.7
