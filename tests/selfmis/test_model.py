"""`selfmis model` prints what a good model is and refuses a damaged one with one line and exit code 2."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from selfmis.model import main
from shared.artefact import DataSource, Facts
from shared.artefact.writing import write
from shared.command import run
from shared.encoder import HeadConfig, new_head
from shared.encoder.families.net1d import FAMILY, Net1DConfig
from shared.labels import SCORE_NAMES
from shared.network import Classifier

TINY = Net1DConfig(stem_width=8, stem_kernel=4, widths=(8,), depths=(1,), kernel=4, group_width=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = Facts(
        name="tiny",
        version="0.3",
        lead="II",
        thresholds=dict.fromkeys(SCORE_NAMES, 0.4),
        metrics={"test": {"auroc": 0.875}},
        data=(DataSource(name="[bold]PTB-XL", attribution="Wagner et al.", licence="CC BY 4.0"),),
        trained_on="folds 1 to 8",
        created=datetime(2026, 1, 2, tzinfo=UTC),
        revision="0123abc",
    )
    path = tmp_path_factory.mktemp("models") / "tiny"
    network = Classifier(FAMILY.create(TINY, seed=1), new_head(8, HeadConfig()))
    write(path, network, facts, golden_mv=np.random.default_rng(0).normal(size=(2, 1000)).astype(np.float32))
    return path


def test_a_good_model_is_described(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(folder), "--lead", "II"]) == 0
    shown = capsys.readouterr().out
    for text in ("tiny 0.3", "not a medical device", "lead II", "test.auroc", "0.875", "[bold]PTB-XL", "0123abc"):
        assert text in shown


def test_json_is_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["labels"] == list(SCORE_NAMES)
    assert shown["sha256"] == json.loads((folder / "manifest.json").read_text())["sha256"]


def test_another_lead_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(folder), "--lead", "I"]) == 2
    assert capsys.readouterr().err == f"selfmis: model {folder}: it reads lead II, but lead I is wanted\n"


def test_a_damaged_model_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "MODEL_CARD.md").open("a") as card:
        card.write("Safe for all uses.\n")
    assert run(main, [str(folder)]) == 2
    assert "MODEL_CARD.md: more than the" in capsys.readouterr().err
