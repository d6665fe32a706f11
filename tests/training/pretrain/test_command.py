from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.encoder import build
from shared.errors import SelfmisError
from shared.frames import LEADS
from shared.labels import SCORE_NAMES
from training import runs
from training.classifier import load_run
from training.lead import main as lead
from training.pretrain.command import folds, main, workers
from training.pretrain.plan import Place, PlanError
from training.pretrain.run import pretrain as do
from training.revision import revision
from training.runs import EncoderRecord

Run = Callable[..., Path]


@pytest.fixture
def pretrain(store: Path, tmp_path: Path) -> Run:
    """Runs the command with a small plain plan; gives the run folder."""

    def run(*more: str, method: str = "supervised", out: str = "run") -> Path:
        where = [
            "--store",
            str(store),
            "--out",
            str(tmp_path / out),
            "--cache",
            str(tmp_path / "cache"),
            "--plain",
        ]
        assert main([*where, "--method", method, "--epochs", "1", "--batch", "8", *more]) == 0
        return tmp_path / out

    return run


def test_a_supervised_run_leaves_an_encoder_and_a_head_that_load(pretrain: Run) -> None:
    out = pretrain("--seed", "4")
    assert runs.is_done(out)
    assert runs.load_encoder(out, leads=("I",)).record == EncoderRecord(
        method="supervised", leads=("I",), seed=4, label_free=False
    )
    assert runs.load_head(out).outputs == SCORE_NAMES
    config = runs.read_config(out)
    assert config is not None
    assert config["revision"] == revision()
    assert config["data"]["train_rows"] == 63
    assert config["plan"]["epochs"] == 1
    assert [epoch["epoch"] for epoch in runs.read_history(out)] == [1]


def test_a_random_encoder_is_the_fresh_one(pretrain: Run) -> None:
    out = pretrain("--seed", "7", method="random")
    window = torch.randn(1, 1, 1000)
    found = runs.load_encoder(out)
    assert torch.equal(found.encoder(window), build("small", seed=7).eval()(window))
    assert found.record.label_free
    assert not runs.has_head(out)


def test_a_random_teacher_reads_twelve_leads(pretrain: Run) -> None:
    teacher = pretrain("--with", "leads=twelve", method="random", out="teacher")
    student = pretrain("--teacher", str(teacher), method="selfmis", out="student")
    record = runs.load_encoder(student, leads=("I",)).record
    assert record.teacher is not None
    assert record.teacher.method == "random"
    assert record.label_free


def test_a_student_of_any_lead_leaves_runs_for_its_leads(pretrain: Run, tmp_path: Path) -> None:
    student = pretrain("--with", "any_lead=yes", "--lead", "II")
    assert lead([str(student), "--lead", "V2", "--out", str(tmp_path / "v2")]) == 0
    second, other = runs.load_encoder(student, leads=("II",)), load_run(tmp_path / "v2")
    assert other.leads == ("V2",)
    assert second.record.method == other.trained.record.method == "supervised"
    windows = torch.randn(3, 1, 1000)
    assert not torch.equal(second.encoder(windows), other.trained.encoder(windows))
    assert other.classifier(windows).shape == (3, len(SCORE_NAMES))
    assert runs.load_encoder(student / runs.ANY_LEAD, leads=LEADS).record.leads == LEADS


def test_a_student_of_one_lead_has_no_other(pretrain: Run, tmp_path: Path) -> None:
    with pytest.raises(runs.RunError, match="learnt one lead only"):
        lead([str(pretrain()), "--lead", "II", "--out", str(tmp_path / "ii")])


def test_what_is_generated_is_read_by_the_head_of_the_teacher(pretrain: Run) -> None:
    teacher = pretrain(method="upper", out="teacher")
    out = pretrain("--teacher", str(teacher), method="generative", out="student")
    found = load_run(out)
    with torch.no_grad():
        assert found.classifier(torch.randn(2, 1, 1000)).shape == (2, len(SCORE_NAMES))
    assert {"gap", "correlation", "retrieval_1"} <= runs.read_history(out)[-1]["validation"].keys()
    wanted, kept = (runs.load_head(run).head.state_dict() for run in (teacher, out))
    assert all(torch.equal(kept[name], tensor) for name, tensor in wanted.items())


def test_a_teacher_without_a_head_has_nothing_to_distil(pretrain: Run) -> None:
    teacher = pretrain(method="cmsc", out="teacher")
    with pytest.raises(SelfmisError, match="needs a teacher with a classification head"):
        pretrain("--teacher", str(teacher), method="distil", out="student")


def test_a_teacher_that_knows_less_is_named_by_what_it_lacks(pretrain: Run) -> None:
    teacher = pretrain(method="upper", out="teacher")
    with pytest.raises(SelfmisError, match="the teacher says nothing of NORM"):
        pretrain("--teacher", str(teacher), "--statements", "5", method="distil", out="student")


def test_a_student_says_who_taught_it(pretrain: Run) -> None:
    teacher = pretrain(method="upper", out="teacher")
    student = pretrain("--teacher", str(teacher), method="selfmis", out="student")
    record = runs.load_encoder(student).record
    assert record.teacher is not None
    assert (record.teacher.run, record.teacher.method, record.teacher.leads) == ("teacher", "upper", LEADS)
    assert not record.label_free


def test_a_complete_run_is_not_repeated(pretrain: Run, capsys: pytest.CaptureFixture[str]) -> None:
    written = (pretrain() / runs.ENCODER_WEIGHTS).stat().st_mtime_ns
    assert (pretrain() / runs.ENCODER_WEIGHTS).stat().st_mtime_ns == written
    assert "is complete" in capsys.readouterr().out


def test_a_run_of_another_plan_is_not_overwritten(pretrain: Run) -> None:
    pretrain()
    with pytest.raises(PlanError, match=r"holds another run: its plan's lr is 0.001, not 0.01"):
        pretrain("--lr", "0.01")


def test_a_folder_of_something_else_is_not_used(pretrain: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").touch()
    with pytest.raises(PlanError, match="not empty and no run folder"):
        pretrain()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--folds", "10"], r"nothing to train on: no record is in folds 10; it has 1, 2, 3"),
        (["--source", "ptbxl"], "has no source 'ptbxl'"),
        (["--folds", "1-x"], "write them as 9, 9,10 or 1-8"),
        (["--workers", "2"], "a plain run has one worker"),
        (["--teacher", "nowhere"], "has no use for a teacher"),
        (["--with", "align=1"], "no option 'align'; it has .*crop"),
        (["--device", "cuda"], "no GPU"),
        (["--batch", "128", "--norm-records", "64"], r"63 records are less than one of 128"),
    ],
)
def test_what_cannot_be_is_one_line(pretrain: Run, arguments: list[str], why: str) -> None:
    if arguments == ["--device", "cuda"] and torch.cuda.is_available():
        pytest.skip("here it can be")
    with pytest.raises(SelfmisError, match=why) as refused:
        pretrain(*arguments)
    assert "\n" not in str(refused.value)


def test_records_that_a_norm_takes_together_are_not_parted_among_more_workers(plan: Any, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"a batch of 8 has no 4 records \(norm_records\) for each of 3 workers"):
        do(plan(norm_records=4), Place(workers=(1, 3)), tmp_path / "run", lambda _progress: None)


def test_a_lead_that_no_record_has_is_named(tmp_path: Path, pretrain: Run) -> None:
    with pytest.raises(PlanError, match="no lead 'V9'"):
        pretrain("--lead", "V9")


def test_a_teacher_of_other_leads_is_refused(pretrain: Run) -> None:
    teacher = pretrain(out="teacher")
    with pytest.raises(runs.RunError, match="reads lead I, but leads I II III AVR"):
        pretrain("--teacher", str(teacher), method="selfmis")


def test_a_store_that_is_none_is_refused(pretrain: Run, tmp_path: Path) -> None:
    with pytest.raises(SelfmisError, match="no finished store"):
        pretrain("--store", str(tmp_path))


def test_a_full_disk_is_one_line(pretrain: Run, full_disk: Any) -> None:
    with full_disk(), pytest.raises(SelfmisError, match="cannot write"):
        pretrain()


@pytest.mark.parametrize(
    ("typed", "meant"), [("1-3", (1, 2, 3)), ("9", (9,)), ("2,1,2", (1, 2)), ("none", ()), ("1-2,9", (1, 2, 9))]
)
def test_folds_are_read_as_typed(typed: str, meant: tuple[int, ...]) -> None:
    assert folds(typed) == meant


@pytest.mark.parametrize(("typed", "meant"), [("4", (4, 4)), ("1:4", (1, 4))])
def test_workers_are_read_as_typed(typed: str, meant: tuple[int, int]) -> None:
    assert workers(typed) == meant


def test_a_stated_revision_wins() -> None:
    assert revision(environ={"SELFMIS_REVISION": "v1.2"}) == "v1.2"
