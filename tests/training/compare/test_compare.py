"""A grid from end to end: trained, tested, told; interrupted, broken, and asked for again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SelfmisError
from training.compare.command import arguments, main
from training.compare.grid import lay_out
from training.compare.run import grid_of
from training.compare.units import Encoding
from training.methods import methods
from training.store import Store

ROOT = Path(__file__).resolve().parents[3]
SPLIT = ["--train", "1-6", "--validate", "7,8", "--test", "9,10"]
SHORT = ["--epochs", "1", "--batch", "24", "--finetune-epochs", "1", "--draws", "50"]


def asked(few: Path, out: Path, *more: str) -> list[str]:
    return ["--store", str(few), "--out", str(out), "--plain", *SPLIT, *SHORT, *more]


def results_in(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def made(out: Path) -> dict[str, int]:
    """When each unit was made."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/*/unit.json")}


@pytest.fixture(scope="module")
def compared(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small grid, done in this process."""
    out = tmp_path_factory.mktemp("compared")
    assert main(asked(few, out, "--methods", "supervised", "selfmis", "upper")) == 0
    return out


def test_every_arm_has_the_heads_that_it_can_have(compared: Path) -> None:
    rows = [(row["arm"], row["head"]) for row in results_in(compared)["rows"]]
    heads = {arm: [head for other, head in rows if other == arm] for arm, _ in rows}
    three, two = ["own", "probe", "finetune"], ["probe", "finetune"]
    assert heads == {"supervised": three, "selfmis": two, "upper": three}


def test_all_rows_are_compared_on_the_same_records(compared: Path) -> None:
    results = results_in(compared)
    assert {row["any_mi"]["n"] for row in results["rows"]} == {results["data"]["records"]} == {24}


def test_the_yardstick_has_no_difference_and_the_others_have_one_to_it(compared: Path) -> None:
    for row in results_in(compared)["rows"]:
        if row["arm"] == "supervised":
            assert row["difference"] is None
        else:
            assert row["difference"]["to"].startswith("supervised, small, lead I")
            assert row["difference"]["any_mi"]["ci"] is not None


def test_any_arm_can_be_the_yardstick(compared: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(compared, out)
    ours = ["--methods", "supervised", "selfmis", "upper", "--heads", "probe", "--report-only"]
    assert main(asked(few, out, *ours, "--against", "selfmis")) == 0
    to_selfmis = {row["arm"]: row["difference"] for row in results_in(out)["rows"]}
    usual = {row["arm"]: row["difference"] for row in results_in(compared)["rows"] if row["head"] == "probe"}
    assert to_selfmis["selfmis"] is None
    there, back = to_selfmis["supervised"]["any_mi"], usual["selfmis"]["any_mi"]
    assert there["difference"] == pytest.approx(-back["difference"])
    assert there["ci"] == pytest.approx([-end for end in reversed(back["ci"])])


def test_the_teacher_of_the_student_is_the_upper_bound_itself(compared: Path) -> None:
    assert len(list((compared / "runs").glob("upper-*"))) == 1
    student = next(row for row in results_in(compared)["rows"] if row["arm"] == "selfmis")
    assert student["teacher"] == "upper (supervised, 12 leads, small)"
    assert student["cost"]["teacher_minutes"] > 0


def test_the_upper_bound_retrieves_itself(compared: Path) -> None:
    found = {row["arm"]: row["retrieval"] for row in results_in(compared)["rows"]}
    assert found["upper"]["at_1"] > 0.9
    assert found["selfmis"]["at_1"] >= 0


def test_tables_and_pictures_are_written(compared: Path) -> None:
    page = (compared / "results.md").read_text()
    assert "| selfmis, I, probe |" in page
    assert "IMI† (" in page
    assert "selfmis compare --store" in page
    for name in ("auroc.png", "types.png", "cost.png"):
        assert (compared / name).read_bytes().startswith(b"\x89PNG")


def test_a_second_time_nothing_is_done_and_a_larger_grid_does_only_what_is_new(
    compared: Path, few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(compared, out)
    before = made(out)
    heads = ["--heads", "probe", "--methods", "supervised", "random"]
    assert main(asked(few, out, *heads)) == 0
    after = made(out)
    assert {name: after[name] for name in before} == before
    assert sorted(name.partition("-")[0] for name in after.keys() - before.keys()) == ["probe", "random"]


def test_a_part_that_breaks_is_named_and_the_rest_is_reported(
    few: Path, compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(compared, out)
    command = asked(few, out, "--heads", "probe", "--methods", "supervised", "random:epochs=3")
    laid = lay_out(grid_of(arguments(command)), Store(few))
    broken = next(u for u in laid.units if isinstance(u, Encoding) and u.plan.method == "random")
    stranger = out / "runs" / broken.name / "stranger"
    stranger.parent.mkdir()
    stranger.touch()
    assert main(command) == 1
    results = results_in(out)
    assert [row["arm"] for row in results["rows"]] == ["supervised"]
    assert "is not empty and no run folder" in results["failures"][broken.name]
    assert f"failed: {broken.name}: " in capsys.readouterr().err
    stranger.unlink()
    assert main(command) == 0
    assert [row["arm"] for row in results_in(out)["rows"]] == ["supervised", "random:epochs=3"]


def test_a_grid_that_was_killed_goes_on_and_ends_like_an_undisturbed_one(
    few: Path, compared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = asked(few, out, "--heads", "own,probe", "--methods", "supervised")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "training.compare", *command], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not made(out) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = made(out)
    assert before
    assert main(command) == 0
    assert {name: made(out)[name] for name in before} == before
    undisturbed = {
        (row["arm"], row["head"]): row["any_mi"]["auroc"]
        for row in results_in(compared)["rows"]
        if row["head"] != "finetune"
    }
    for row in results_in(out)["rows"]:
        assert row["any_mi"]["auroc"] == pytest.approx(undisturbed[row["arm"], row["head"]], abs=1e-3)


@pytest.mark.usefixtures("ray_cluster")
def test_ray_gives_what_one_process_gives(few: Path, compared: Path, tmp_path: Path) -> None:
    command = asked(few, tmp_path, "--heads", "probe", "--methods", "supervised")
    command.remove("--plain")
    assert main(command) == 0
    alone = {row["arm"]: row for row in results_in(compared)["rows"] if row["head"] == "probe"}
    for row in results_in(tmp_path)["rows"]:
        assert row["any_mi"]["auroc"] == pytest.approx(alone[row["arm"]]["any_mi"]["auroc"], abs=1e-3)


def test_few_labels_are_few_for_the_method_and_for_its_teacher(few: Path, tmp_path: Path) -> None:
    command = asked(few, tmp_path, "--labels", "0.1,1", "--heads", "probe", "--methods", "supervised", "selfmis")
    laid = lay_out(grid_of(arguments(command)), Store(few))
    plans = {unit.name: unit.plan for unit in laid.units if isinstance(unit, Encoding)}
    for cell in laid.cells:
        learnt = plans[cell.run].labels if cell.row.arm.method == "supervised" else 1.0
        assert plans[cell.run].labels == learnt == (cell.row.share if cell.row.arm.method == "supervised" else 1.0)
        assert all(plans[name].labels == cell.row.share for name in cell.teachers)
    assert len(plans) == 6  # supervised, upper and its student, at both shares


def test_a_rotation_pools_what_each_split_did_not_see(few: Path, tmp_path: Path) -> None:
    command = [
        "--store",
        str(few),
        "--out",
        str(tmp_path),
        "--plain",
        *SHORT,
        "--folds",
        "1-9",
        "--rotations",
        "3",
    ]
    assert main([*command, "--heads", "probe", "--methods", "random", "--labels", "0.2,1"]) == 0
    results = results_in(tmp_path)
    assert len(results["data"]["splits"]) == 3
    assert {row["any_mi"]["n"] for row in results["rows"]} == {results["data"]["records"]}
    assert results["data"]["records"] == 108
    page = (tmp_path / "results.md").read_text()
    assert "| any MI, 20% | any MI, 100% |" in page
    assert (tmp_path / "labels.png").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--methods", "sleep"], "no method 'sleep'"),
        (["--methods", "random", "--leads", "X"], "no lead 'X'"),
        (["--methods", "random", "--encoders", "huge"], "no encoder 'huge'"),
        (["--methods", "random", "--heads", "hat"], "no head 'hat'"),
        (["--methods", "random", "random"], "arms: one of them is named twice"),
        (["--methods", "random", "--labels", "0"], "above 0 and at most 1"),
        (["--methods", "selfmis", "--teacher", "supervised"], "a teacher reads all twelve"),
        (["--methods", "random", "--rotations", "3"], "--rotations rotates --folds"),
        (["--methods", "random", "--against", "supervised"], "--against supervised: it is not among --methods"),
        (["--methods", "random", "--report-only"], "nothing is complete yet"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_starts(
    few: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    with pytest.raises(SelfmisError, match=message):
        main(asked(few, tmp_path / "out", *more))
    assert not made(tmp_path / "out")


def test_every_method_there_is_can_be_laid_out(few: Path, tmp_path: Path) -> None:
    arms = [method.name for method in methods()]
    command = asked(few, tmp_path, "--leads", "I,II", "--heads", "probe", "--methods", *arms)
    laid = lay_out(grid_of(arguments(command)), Store(few))
    leads = {arm: {cell.row.lead for cell in laid.cells if cell.row.arm.title == arm} for arm in arms}
    assert leads["upper"] == leads["cmsc"] == {"12"}
    assert leads["lead-masking"] == leads["generative"] == {"I", "II"}
    assert len({unit.name for unit in laid.units}) == len(laid.units)
