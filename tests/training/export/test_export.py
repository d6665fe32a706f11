"""A run becomes a model folder: equal to torch, honest about its origin, and refused where that is unknown."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.artefact import load
from shared.artefact.writing import scorer_of
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from shared.score_histogram import buckets
from training.classifier import load_run
from training.decision import DECISION, read_decision
from training.evaluate.command import main as evaluate
from training.export.alarms import KEPT, PARTS
from training.export.command import main
from training.export.facts import ExportError
from training.store import Store


@pytest.fixture(scope="module")
def results(probed: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    arguments = ["--data", str(cohort), "--model", str(probed), "--folds", "9,10", "--draws", "40"]
    assert evaluate([*arguments, "--leads", "V2", "--out", str(out)]) == 0
    return out / "results.json"


@pytest.fixture(scope="module")
def model(probed: Path, cohort: Path, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "tiny"
    arguments = ["--store", str(cohort), "--results", str(results), "--name", "tiny", "--version", "1.2"]
    assert main([str(probed), "--out", str(out), *arguments]) == 0
    return out


def test_the_graph_scores_recordings_as_torch_does_whatever_the_batch(
    model: Path, probed: Path, cohort: Path
) -> None:
    decision = read_decision(probed)
    assert decision is not None
    scorer = scorer_of(load_run(probed).classifier, decision.calibration)
    session = load(model).session()
    for n in (1, 7, 64):
        windows = Store(cohort).signals(np.arange(n), leads=("I",))[:, 0]
        with torch.no_grad():
            expected = scorer(torch.from_numpy(windows)).numpy()
        assert np.abs(session(windows) - expected).max() <= 1e-4


def test_the_manifest_carries_thresholds_calibration_and_figures(model: Path, probed: Path, results: Path) -> None:
    manifest, decision = load(model).manifest, read_decision(probed)
    assert decision is not None
    assert (manifest.name, manifest.version, manifest.lead) == ("tiny", "1.2", "I")
    assert manifest.thresholds == decision.thresholds
    assert manifest.calibration == decision.calibration
    assert manifest.metrics["any_mi"]["auroc"] == json.loads(results.read_text())["any_mi"]["auroc"]
    assert tuple(manifest.thresholds) == SCORE_NAMES


def test_the_manifest_counts_the_scores_of_the_validation_records(model: Path, probed: Path, cohort: Path) -> None:
    manifest, decision = load(model).manifest, read_decision(probed)
    assert decision is not None
    assert manifest.reference is not None
    store = Store(cohort)
    windows = store.signals(store.select(folds=decision.folds, labelled=True), leads=("I",))[:, 0]
    any_mi = load(model).session()(windows)[:, -1]
    assert sum(manifest.reference.counts) == decision.records == len(windows)
    assert np.abs(buckets(any_mi) - manifest.reference.counts).sum() <= 2  # float32 and float64 round apart
    assert manifest.reference.sum == pytest.approx(any_mi.sum(), rel=1e-3)
    assert "validation records" in manifest.reference.on


def test_a_model_of_simulated_recordings_says_so_in_manifest_and_card(model: Path) -> None:
    manifest = load(model).manifest
    assert manifest.trained_on.startswith("simulated recordings (cohort), folds 1, 2, 3, 4, 5, 6, 7: 280 records")
    assert [source.name for source in manifest.data] == ["simulated recordings"]
    assert "simulated recordings alone" in (model / "MODEL_CARD.md").read_text()


def test_the_card_is_written_from_the_results(model: Path) -> None:
    card = (model / "MODEL_CARD.md").read_text()
    for part in (
        "Not a medical device",
        "## Intended use",
        "## Known failures",
        "How it does under noise was not measured",
        "At its threshold it missed",
        "PMI (posterior)†",
        "IPLMI, IPMI and PMI are rare",
    ):
        assert part in card


def test_golden_windows_are_recordings_with_and_without_infarcts(model: Path, cohort: Path) -> None:
    windows, probabilities = load(model).golden()
    assert windows.shape == (16, 1000)
    assert np.ptp(probabilities[:, -1]) > 0.2
    every = Store(cohort).signals(np.arange(399), leads=("I",))[:, 0]
    assert all((every == window).all(axis=1).any() for window in windows)


def test_an_exported_model_is_evaluated_as_its_run_was(
    model: Path, cohort: Path, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again.json"
    arguments = [
        "--data",
        str(cohort),
        "--model",
        str(model),
        "--folds",
        "9,10",
        "--draws",
        "40",
        "--leads",
        "none",
    ]
    assert evaluate([*arguments, "--json", str(out)]) == 0
    again, before = json.loads(out.read_text()), json.loads(results.read_text())
    for name in ("any_mi", "macro6", "macro9"):
        assert again[name]["auroc"] == pytest.approx(before[name]["auroc"], abs=2e-3)
    assert again["sensitivity"] == pytest.approx(before["sensitivity"], abs=0.05)


def test_results_of_another_model_are_refused(probed: Path, cohort: Path, results: Path, tmp_path: Path) -> None:
    found = json.loads(results.read_text())
    wrong = {
        "of another model": found | {"models": [found["models"][0] | {"sha256": "0"}]},
        "of 2 models together": found | {"models": found["models"] * 2},
        "not made by": {"any_mi": 1},
    }
    for what, body in wrong.items():
        (tmp_path / "results.json").write_text(json.dumps(body))
        with pytest.raises(SelfmisError, match=what):
            main(
                [
                    str(probed),
                    "--store",
                    str(cohort),
                    "--out",
                    str(tmp_path / "m"),
                    "--results",
                    str(tmp_path / "results.json"),
                ]
            )
    assert not (tmp_path / "m").exists()


@pytest.fixture
def undecided(probed: Path, tmp_path: Path) -> Path:
    """The run as one that was trained with its head, and has decided nothing yet."""
    run = Path(shutil.copytree(probed, tmp_path / "probed"))
    (run / DECISION).unlink()
    return run


def results_of(run: Path, cohort: Path, folds: str, *more: str) -> Path:
    out = run.parent / "res"
    words = ["--data", str(cohort), "--model", str(run), "--folds", folds, "--draws", "20", "--leads", "none"]
    assert evaluate([*words, *more, "--out", str(out)]) == 0
    return out / "results.json"


def test_results_of_an_undecided_run_are_those_of_what_its_export_decides(undecided: Path, cohort: Path) -> None:
    results, out = results_of(undecided, cohort, "9"), undecided.parent / "model"
    assert main([str(undecided), "--store", str(cohort), "--out", str(out), "--results", str(results)]) == 0
    decision = read_decision(undecided)
    assert decision is not None
    assert load(out).manifest.thresholds == decision.thresholds


@pytest.mark.parametrize(
    ("evaluated", "exported", "what"),
    [
        (["--specificity", "0.95"], [], "by specificity 0.95, and probed is exported with those by Youden"),
        ([], ["--specificity", "0.95"], "by Youden, and probed is exported with those by specificity 0.95"),
        ([], ["--validate", "9"], "decided on folds 8, and it is exported as decided on 9"),
    ],
)
def test_results_decided_otherwise_are_refused_and_nothing_is_decided(
    evaluated: list[str], exported: list[str], what: str, undecided: Path, cohort: Path
) -> None:
    results, out = results_of(undecided, cohort, "9", *evaluated), undecided.parent / "model"
    with pytest.raises(ExportError, match=what) as refused:
        main([str(undecided), "--store", str(cohort), "--out", str(out), "--results", str(results), *exported])
    assert "\n" not in str(refused.value)
    assert not out.exists()
    assert read_decision(undecided) is None


def test_results_of_other_thresholds_or_on_the_deciding_fold_are_refused(
    probed: Path, cohort: Path, results: Path, tmp_path: Path
) -> None:
    found = json.loads(results.read_text())
    of, data = found["models"][0], found["data"]
    other = of["thresholds"] | {"MI": of["thresholds"]["MI"] + 0.01}
    wrong = {
        r"of other thresholds than .* up to 0\.01": {"models": [of | {"thresholds": other}]},
        "do not say how probed was decided": {"models": [of | {"decided_on": None}]},
        "taken on fold 8, which probed was decided on": {"data": data | {"folds": [8, 9]}},
    }
    changed, out = tmp_path / "results.json", tmp_path / "model"
    words = [str(probed), "--store", str(cohort), "--out", str(out), "--results", str(changed)]
    for what, body in wrong.items():
        changed.write_text(json.dumps(found | body))
        with pytest.raises(ExportError, match=what):
            main(words)
    changed.write_text(json.dumps(found | {"data": data | {"folds": [8, 9], "unseen": True}}))
    assert main(words) == 0  # other recordings, whatever their folds are called


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (["--specificity", "0.95"], "decided by Youden before, so --specificity 0.95 would change nothing"),
        (["--validate", "9"], "decided on folds 8 before, so --validate 9 would change nothing"),
    ],
)
def test_a_run_is_not_decided_twice(
    asked: list[str], what: str, probed: Path, cohort: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    with pytest.raises(SelfmisError, match=what) as refused:
        main([str(probed), "--store", str(cohort), "--out", str(out), *asked])
    assert "\n" not in str(refused.value)
    with pytest.raises(SelfmisError, match=what):
        evaluate(["--data", str(cohort), "--model", str(probed), "--folds", "10", *asked])
    assert main([str(probed), "--store", str(cohort), "--out", str(out), "--validate", "8"]) == 0


def test_recordings_of_unknown_origin_need_a_credit(probed: Path, cohort: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(probed, tmp_path / "run"))
    config = json.loads((run / "config.json").read_text())
    config["data"]["sources"][0]["simulated"] = False
    (run / "config.json").write_text(json.dumps(config))
    arguments = [str(run), "--store", str(cohort), "--out", str(tmp_path / "model")]
    with pytest.raises(SelfmisError, match="whose recordings cohort are is not known"):
        main(arguments)
    with pytest.raises(SelfmisError, match="write it as SOURCE=NAME"):
        main([*arguments, "--credit", "cohort=me"])
    assert main([*arguments, "--credit", "cohort=Our cohort; A. Author 2026; CC BY 4.0"]) == 0
    manifest = load(tmp_path / "model").manifest
    assert manifest.data[0].licence == "CC BY 4.0"
    assert manifest.trained_on.startswith("real recordings")


def test_a_folder_that_exists_is_not_written_over(model: Path, probed: Path, cohort: Path) -> None:
    with pytest.raises(SelfmisError, match="exists already"):
        main([str(probed), "--store", str(cohort), "--out", str(model)])


def test_rules_that_were_picked_for_it_go_into_the_manifest(
    model: Path, probed: Path, cohort: Path, tmp_path: Path
) -> None:
    before = load(model).manifest
    rules = {"low": 0.3, "medium": 0.6, "high": 0.8, "off": 0.2, "smoothing": 0.4}
    rules |= {"on_windows": 2, "of_windows": 3, "off_windows": 5}
    kind = {"patients": 2, "episodes": 0, "detected": 0, "false_alarms": 1}
    part = dict.fromkeys(KEPT, 1) | {"kinds": {"NORM": kind}}
    of = {
        "name": "tiny",
        "lead": "I",
        "weights_sha256": before.files["weights.safetensors"].sha256,
        "calibration": before.calibration.model_dump(mode="json"),
    }
    streams = tmp_path / "streams.json"
    out = tmp_path / "tiny"
    words = [str(probed), "--out", str(out), "--store", str(cohort), "--streams", str(streams)]
    for tune, test in ((8, 9), (9, 8), (7, 9)):  # learnt from 1 to 7, decided on 8
        folds = {"tune_folds": [tune], "test_folds": [test]}
        said = {"model": of, "streams": folds, "rules": rules, **dict.fromkeys(PARTS, part)}
        streams.write_text(json.dumps(said))
        if (tune, test) == (8, 9):
            assert main(words) == 0
        else:
            with pytest.raises(
                ExportError, match=r"fold \d, which the model was .* --tune: 8, 9, 10; --test: 9, 10"
            ):
                main(words)
    carried = load(out).manifest.alarm
    assert carried is not None
    assert carried.model_dump() == rules
    assert "which the monitor uses unless its settings say otherwise" in (out / "MODEL_CARD.md").read_text()
