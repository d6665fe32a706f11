"""The whole way, on simulated patients: recordings → store → teacher → SelfMIS → probe → evaluation → model."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.ingest.synthetic.ptbxl_layout import plan, write
from shared.artefact import load
from shared.errors import SelfmisError
from training.classifier import lineage, seen_folds
from training.evaluate.command import main as evaluate
from training.export.command import main as export
from training.prepare.command import main as prepare
from training.pretrain.command import main as pretrain
from training.probe.command import main as probe
from training.runs import RunError, read_config, write_config

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


def test_its_embedding_finds_the_twelve_leads_of_its_own_record_above_chance(chain: Path) -> None:
    found = results_of(chain)["retrieval"]
    assert found["at_5"] > 2 * found["at_5_chance"]


def test_the_model_folder_scores_the_recordings_themselves_as_the_run_scored_the_store(
    chain: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    arguments = [
        "--data",
        str(chain / "data"),
        "--model",
        str(chain / "model"),
        "--folds",
        "9,10",
        "--draws",
        "50",
    ]
    assert evaluate([*arguments, "--json", str(out)]) == 0
    direct = json.loads(out.read_text())
    assert direct["any_mi"]["n"] == results_of(chain)["any_mi"]["n"]
    assert direct["any_mi"]["auroc"] == pytest.approx(results_of(chain)["any_mi"]["auroc"], abs=5e-3)
    assert set(direct["leads"]) == {"I", "II", "V2", "V5"}


def test_the_model_loads_and_says_that_it_learnt_from_simulated_patients(chain: Path) -> None:
    model = load(chain / "model", expect_lead="I")
    assert model.check_golden(model.session()) <= 1e-4
    assert model.session()(np.zeros((1, 1000), np.float32)).shape == (1, 10)
    assert "teacher upper" in model.manifest.trained_on
    assert "simulated recordings alone" in (chain / "model" / "MODEL_CARD.md").read_text()


def test_what_the_teacher_saw_is_known_when_its_folder_is_gone(chain: Path) -> None:
    config = read_config(chain / "student") or {}
    plan = {**config["plan"], "teacher": str(chain / "gone"), "folds": [1], "validate": []}
    assert seen_folds({**config, "plan": plan}) == set(range(1, 9))
    assert len(list(lineage(config))) == 2


def test_a_student_of_an_earlier_version_without_its_teacher_is_tested_on_other_recordings_only(
    chain: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(chain / "probe", tmp_path / "run"))
    config = read_config(run) or {}
    student = config["encoder_config"]
    del student["teacher_config"]
    assert seen_folds(config) == set(range(1, 9))  # of a teacher that is there
    student["plan"]["teacher"] = str(tmp_path / "gone")
    write_config(run, config)
    words = ["--data", str(chain / "store"), "--model", str(run), "--folds", "9,10", "--draws", "20"]
    model = ["--store", str(chain / "store"), "--out", str(tmp_path / "model")]
    for refused in (lambda: evaluate(words), lambda: export([str(run), *model])):
        with pytest.raises(RunError, match=r"gone: no config.json there, .* put the run folder back"):
            refused()
    assert evaluate([*words, "--leads", "none", "--unseen", "--json", str(tmp_path / "results.json")]) == 0


def test_the_folds_that_the_student_learnt_from_cannot_test_it(chain: Path) -> None:
    with pytest.raises(SelfmisError, match="trained or tuned on fold 3"):
        evaluate(["--data", str(chain / "store"), "--model", str(chain / "probe"), "--folds", "3"])
