"""Each method learns something of simulated hearts that it can show on patients it has never seen."""

from pathlib import Path
from typing import Any

import pytest
import torch

from services.ingest.synthetic.ptbxl_layout import plan as cohort_plan
from services.ingest.synthetic.ptbxl_layout import write
from training.methods import Truth, find
from training.prepare.command import main as prepare
from training.pretrain.command import main as pretrain
from training.pretrain.dataset import open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.loop import build_trained, train
from training.pretrain.plan import Plan
from training.pretrain.state import State, unpack
from training.pretrain.world import World

MIX = {"NORM": 0.5, "IMI": 0.2, "ALMI": 0.2, "LMI": 0.1}
RECORDS = 200
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of simulated patients in folds 1–10, infarcts among them that lead I can see."""
    root = tmp_path_factory.mktemp("hearts")
    (root / "data").mkdir()
    for _ in write(root / "data", cohort_plan(RECORDS, seed=2, mix=MIX)):
        pass
    assert prepare([str(root / "data"), "--out", str(root / "store"), "--workers", "0"]) == 0
    return root / "store"


def learnt(
    hearts: Path, method: str, *options: str, teacher: Path | None = None, **more: Any
) -> tuple[Plan, State]:
    """A short run, validated on the unseen folds 8–10."""
    values = {"epochs": 4, "batch": 16, "lr": 3e-3, "folds": tuple(range(1, 8)), "validate": (8, 9, 10), **more}
    teacher = teacher if find(method).needs.teacher else None
    plan = Plan(method=method, options=options, store=hearts, teacher=teacher, **values)
    data, world = open_dataset(plan), World(CPU)
    cache = hearts.parent / "cache"
    return plan, unpack(train(plan, data, world, teacher=of_teacher(plan, cache, data, world)))


def shown(hearts: Path, method: str, *options: str, teacher: Path | None = None, **more: Any) -> dict[str, float]:
    """What the method's own figures are at the end of it."""
    _, state = learnt(hearts, method, *options, teacher=teacher, **more)
    found: dict[str, float] = state.position.history[-1]["validation"]
    return found


@pytest.fixture(scope="module")
def teacher(hearts: Path) -> Path:
    """The run of a twelve-lead classifier."""
    out = hearts.parent / "teacher"
    split = ["--folds", "1-7", "--validate", "8-10", "--plain", "--batch", "16", "--lr", "0.003", "--epochs", "4"]
    assert pretrain(["--store", str(hearts), "--out", str(out), "--method", "upper", *split]) == 0
    return out


@pytest.mark.parametrize(
    ("method", "options", "more", "above"),
    [
        ("supervised", (), {}, 0.75),
        ("supervised", ("virtual=0.3", "wearable=0.2", "crop=0.7"), {"epochs": 8, "ema": 0.9}, 0.65),
        ("joint", (), {}, 0.75),
        ("distil", (), {}, 0.75),
    ],
)
def test_a_classifier_finds_infarcts(
    hearts: Path, teacher: Path, method: str, options: tuple[str, ...], more: dict[str, Any], above: float
) -> None:
    """An untrained one is at 0.49; disturbed windows take longer to learn from."""
    assert shown(hearts, method, *options, teacher=teacher, **more)["any_mi"] > above


@pytest.mark.parametrize(("method", "option"), [("supervised", "any_lead=yes"), ("lead-masking", "fewest=1")])
def test_a_classifier_of_many_leads_fits_what_it_saw_by_one(hearts: Path, method: str, option: str) -> None:
    """For patients it has not seen it would take more of them: each lead gets a share of the lessons only."""
    plan, state = learnt(hearts, method, option, epochs=12)
    data = open_dataset(plan)
    trained = build_trained(plan, data.outputs, None)
    state.into_model(trained)
    with torch.inference_mode():
        logits = trained.eval().predict(data.windows(data.train)).numpy()
    assert trained.measure(logits, Truth(data.labels(data.train), None))["any_mi"] > 0.8


@pytest.mark.parametrize(
    "option", ["loss=siglip", "loss=infonce", pytest.param("stop_gradient=no", marks=pytest.mark.full)]
)
def test_a_student_comes_near_the_twelve_leads_of_its_record(hearts: Path, teacher: Path, option: str) -> None:
    """Untrained, the cosine is 0.04 and one in thirty is found."""
    found = shown(hearts, "selfmis", option, teacher=teacher)
    assert found["cosine"] > 0.15
    assert found["retrieval_1"] > 0.04


@pytest.mark.parametrize(
    ("method", "option", "above"),
    [
        pytest.param("contrastive", "views=augmented", 0.16, marks=pytest.mark.full),
        ("contrastive", "views=time", 0.14),
        ("cmsc", "views=time", 0.45),
    ],
)
def test_one_half_finds_the_other(hearts: Path, method: str, option: str, above: float) -> None:
    """An untrained encoder finds 0.08 of them in one lead and 0.28 in twelve."""
    assert shown(hearts, method, option)["retrieval_1"] > above


@pytest.mark.parametrize(("leads", "below"), [("one", 0.98), pytest.param("twelve", 0.96, marks=pytest.mark.full)])
def test_hidden_patches_are_restored_better_than_by_zeros(hearts: Path, leads: str, below: float) -> None:
    """An untrained decoder is at 0.99."""
    assert shown(hearts, "mae", f"leads={leads}", epochs=6)["restoring"] < below


def test_eleven_leads_are_drawn_from_one_and_a_gap_is_left(hearts: Path, teacher: Path) -> None:
    found = shown(hearts, "generative", teacher=teacher)
    assert found["correlation"] > 0.6
    assert 0.1 < found["gap"] < 1
