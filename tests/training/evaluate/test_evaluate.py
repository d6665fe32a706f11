"""`selfmis evaluate` on a run: what it writes, and what it refuses in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.encoder.families.net1d import FAMILY, Net1DConfig
from shared.errors import SelfmisError
from shared.frames import LEADS
from shared.labels import MI_CODES
from training import runs
from training.evaluate.command import main
from training.evaluate.robustness import AS_RECORDED, INVERTED, conditions
from training.probe.command import main as probe

QUICK = ["--draws", "40", "--leads", "none"]


def evaluated(out: Path, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--out", str(out)]) == 0
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def another(encoder: Path, out: Path, *, seed: int, leads: tuple[str, ...] = ("I",)) -> Path:
    """A run like ``encoder`` but with another seed, or of other leads."""
    config = runs.load_encoder(encoder).encoder.config
    assert isinstance(config, Net1DConfig)
    values = {**config.to_json(), "widths": config.widths, "depths": config.depths, "leads": len(leads)}
    record = runs.EncoderRecord(method="random", leads=leads, seed=seed, label_free=True)
    runs.write_config(out, {"plan": {"method": "random", "folds": [1], "validate": [2], "seed": seed}})
    runs.write_encoder(out, FAMILY.create(Net1DConfig(**values), seed=seed), record)
    return out


@pytest.fixture(scope="module")
def results(probed: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("results")
    found = evaluated(
        out,
        "--data",
        str(cohort),
        "--model",
        str(probed),
        "--folds",
        "9,10",
        "--draws",
        "40",
        "--leads",
        "I,V5",
        "--conditions",
    )
    return out, found


def test_it_writes_results_a_page_and_pictures(results: tuple[Path, dict[str, Any]]) -> None:
    names = {"results.json", "results.md", "roc.png", "reliability.png", "embeddings.png"}
    assert {path.name for path in results[0].iterdir()} == names


def test_only_labelled_records_with_the_models_lead_are_counted(results: tuple[Path, dict[str, Any]]) -> None:
    # Folds 9 and 10 have 80 records; of the last patient one lacks labels, the other lead I.
    assert results[1]["any_mi"]["n"] == 78
    assert results[1]["data"]["folds"] == [9, 10]


def test_what_was_learnt_is_found_again(results: tuple[Path, dict[str, Any]]) -> None:
    assert results[1]["any_mi"]["auroc"] > 0.8
    assert results[1]["any_mi"]["ci"][0] > 0.5


def test_its_own_lead_shown_as_another_scores_the_same(results: tuple[Path, dict[str, Any]]) -> None:
    assert results[1]["leads"]["I"]["any_mi"]["auroc"] == pytest.approx(results[1]["any_mi"]["auroc"])
    assert results[1]["leads"]["V5"]["n"] == 78


def test_the_page_marks_what_cannot_be_judged_and_says_what_it_is_not(
    results: tuple[Path, dict[str, Any]],
) -> None:
    page = (results[0] / "results.md").read_text()
    assert "not a medical device" in page
    assert all(f"{code} (" in page for code in MI_CODES)
    assert "PMI (posterior)†" in page
    assert "undefined" in page


def test_every_condition_is_there_with_the_gate_off_and_on(results: tuple[Path, dict[str, Any]]) -> None:
    page, found = (results[0] / "results.md").read_text(), results[1]
    assert set(found["conditions"]) == {each.name for each in conditions(0)}
    for name, each in found["conditions"].items():
        assert each["n"] == 78
        assert 0 <= each["assessable"]["share"] <= 1
        assert f"| {name} | " in page
    untouched = found["conditions"][AS_RECORDED]
    assert untouched["any_mi"] == {key: found["any_mi"][key] for key in ("auroc", "ci")}
    assert found["conditions"][INVERTED]["assessable"]["share"] == untouched["assessable"]["share"]
    assert "| lead V5 | " in page


def test_it_says_how_many_inverted_leads_are_found(results: tuple[Path, dict[str, Any]]) -> None:
    page, found = (results[0] / "results.md").read_text(), results[1]["polarity"]
    assert set(found) == {"I", "II"}
    for lead, each in found.items():
        assert 78 <= each["n"] <= 80  # as many as have the lead
        assert 0 <= each["false"] <= 1
        assert 0 <= each["found"] <= 1
        assert f"| {lead} | {each['n']} | {each['found']:.1%} | {each['false']:.1%} | " in page


def test_it_is_the_same_every_time(
    results: tuple[Path, dict[str, Any]], probed: Path, cohort: Path, tmp_path: Path
) -> None:
    again = evaluated(
        tmp_path,
        "--data",
        str(cohort),
        "--model",
        str(probed),
        "--folds",
        "9-10",
        "--draws",
        "40",
        "--leads",
        "I,V5",
        "--conditions",
    )
    assert again == results[1]


def test_seeds_are_averaged_and_compared_with_another_recipe(
    probed: Path, encoder_run: Path, cohort: Path, tmp_path: Path
) -> None:
    split = ["--store", str(cohort), "--folds", "1-7", "--validate", "8"]
    others = []
    for seed in (1, 2):
        run = another(encoder_run, tmp_path / f"encoder{seed}", seed=seed)
        others.append(str(tmp_path / f"probe{seed}"))
        assert probe([str(run), *split, "--out", others[-1]]) == 0
    found = evaluated(
        tmp_path / "out",
        "--data",
        str(cohort),
        "--model",
        *others,
        "--against",
        str(probed),
        "--folds",
        "9,10",
        *QUICK,
    )
    assert found["replicates"] == 2
    assert found["any_mi"]["auroc"] == pytest.approx(sum(found["any_mi"]["seeds"]) / 2)
    difference = found["against"]["differences"]["any_mi"]["difference"]
    assert difference == pytest.approx(found["any_mi"]["auroc"] - found["against"]["any_mi"]["auroc"])
    assert "## Against probed" in (tmp_path / "out" / "results.md").read_text()


def test_out_of_fold_predictions_of_a_cross_validation_are_pooled(
    encoder_run: Path, cohort: Path, tmp_path: Path
) -> None:
    models = []
    for name, folds, validate in (("a", "1-4", "5"), ("b", "6-9", "10")):
        models.append(str(tmp_path / name))
        split = ["--store", str(cohort), "--folds", folds, "--validate", validate]
        assert probe([str(encoder_run), *split, "--out", models[-1]]) == 0
    found = evaluated(tmp_path / "out", "--data", str(cohort), "--model", *models, "--folds", "1-10", *QUICK)
    assert found["replicates"] == 1
    assert found["any_mi"]["n"] == 398
    assert [model["folds"] for model in found["models"]] == [[6, 7, 8, 9, 10], [1, 2, 3, 4, 5]]


def test_retrieval_of_the_twelve_lead_embedding_beats_chance(
    probed: Path, encoder_run: Path, cohort: Path, tmp_path: Path
) -> None:
    teacher = another(encoder_run, tmp_path / "teacher", seed=7, leads=LEADS)
    found = evaluated(
        tmp_path / "out",
        *("--data", str(cohort), "--model", str(probed), "--folds", "9,10", "--teacher", str(teacher), *QUICK),
    )["retrieval"]
    assert found["n"] == 78
    assert found["at_5_chance"] < found["at_5"] <= 1
    assert found["at_1"] <= found["at_5"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--folds", "8"], "probed was trained or tuned on fold 8"),
        (["--folds", "11"], "no record in folds 11"),
        (["--folds", "x"], "write them as"),
        (["--folds", "9", "--leads", "X"], "no lead 'X'"),
        (["--folds", "9", "--draws", "0"], "1 or more"),
        (["--folds", "9", "--nstdb", "nowhere"], "cannot be read"),
        (["--folds", "9", "--teacher", "nowhere"], "no such folder"),
    ],
)
def test_what_cannot_be_tested_is_one_line(arguments: list[str], what: str, probed: Path, cohort: Path) -> None:
    with pytest.raises(SelfmisError, match=what) as refused:
        main(["--data", str(cohort), "--model", str(probed), *arguments])
    assert "\n" not in str(refused.value)


def test_a_run_without_a_head_and_a_folder_without_a_model_are_one_line(
    encoder_run: Path, cohort: Path, tmp_path: Path
) -> None:
    for folder, what in ((encoder_run, "probe its encoder"), (tmp_path, "neither a run nor a model")):
        with pytest.raises(SelfmisError, match=what):
            main(["--data", str(cohort), "--model", str(folder), "--folds", "9"])


TABLE = "ecg_id,patient_id,scp_codes,strat_fold,filename_lr\n"


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (None, "has no ptbxl_database.csv"),
        ("ecg_id,scp_codes\n1,{}\n", "lacks column strat_fold"),
        ("ecg_id,scp_codes,strat_fold\n1,{},9\n", "lacks column filename_lr"),
        (TABLE, "has no row"),
        (TABLE + "1,1,{},,records100/1_lr\n", "gives no record a fold"),
        (TABLE + "1,1,{},3,records100/1_lr\n", "no record in folds 9; it has 3"),
        (TABLE + "1,1,{},9,records100/1_lr\n", "none of the 1 records"),
    ],
)
def test_a_folder_that_cannot_be_tested_on_is_one_line(
    table: str | None, what: str, probed: Path, tmp_path: Path
) -> None:
    if table is not None:
        (tmp_path / "ptbxl_database.csv").write_text(table)
    with pytest.raises(SelfmisError, match=what) as refused:
        main(["--data", str(tmp_path), "--model", str(probed), "--folds", "9"])
    assert "\n" not in str(refused.value)
