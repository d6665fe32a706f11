import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from shared.encoder import HeadConfig, build, new_head
from shared.labels import SCORE_NAMES
from training.methods import Batch, Chance, MethodError, Setup, Teacher, Truth, describe, find, methods
from training.methods.alignment import AlignmentOptions
from training.methods.joint import JointOptions

ROWS = 6


def setup_for(name: str, *typed: str) -> Setup:
    needs = find(name).options.parse(typed).needs(find(name).needs)
    encoder, head = None, None
    if needs.network:
        encoder, head = build("small", leads=12, seed=9), new_head(192, HeadConfig(), seed=9)
    dim = 24 if encoder is None else encoder.dim
    stats = np.zeros(dim, np.float32), np.ones(dim, np.float32)
    teacher = Teacher(*stats, encoder, head, SCORE_NAMES) if needs.teacher else None
    return Setup(build("small", leads=12 if needs.all_leads else 1), SCORE_NAMES, seed=0, teacher=teacher)


def batch_for(leads: int, dim: int = 24) -> Batch:
    draws = torch.Generator().manual_seed(0)
    return Batch(
        windows=torch.randn(ROWS, leads, 1000, generator=draws),
        rows=ROWS,
        first=0,
        chance=Chance.of(torch.arange(ROWS)),
        labels=(torch.rand(ROWS, len(SCORE_NAMES), generator=draws) > 0.7).float(),
        context=torch.randn(ROWS, 12, 1000, generator=draws),
        teacher=torch.randn(ROWS, dim, generator=draws),
        patients=torch.arange(ROWS),
    )


def test_the_methods_of_the_paper_are_there() -> None:
    assert {"selfmis", "joint", "random", "supervised", "upper"} <= {method.name for method in methods()}


def test_an_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(MethodError, match=r"no method 'simclr'; there are .*selfmis"):
        find("simclr")


VARIANTS = [
    *((method.name,) for method in methods() if method.needs.training),
    ("selfmis", "loss=infonce"),
    ("selfmis", "loss=cosine"),
    ("selfmis", "stop_gradient=no"),
    ("selfmis", "same_patient=positive", "projection=mlp"),
    ("selfmis", "any_lead=yes"),
    ("supervised", "virtual=0.3", "wearable=0.3", "crop=0.8", "blank=0.2", "dropout=0.1"),
    ("joint", "any_lead=yes", "virtual=0.3"),
    ("distil", "any_lead=yes", "hard=0"),
    ("contrastive", "views=both", "wearable=0.3"),
    ("contrastive", "views=time", "same_patient=positive"),
    ("mae", "leads=one"),
    ("upper", "hide=II"),
    ("generative", "loss=absolute"),
]


def built(variant: tuple[str, ...]) -> tuple[Any, Batch]:
    name, *typed = variant
    setup = setup_for(name, *typed)
    trained = find(name).build(setup, find(name).options.parse(typed))
    return trained, batch_for(setup.encoder.config.leads, 24 if setup.teacher is None else setup.teacher.dim)


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_each_method_learns_a_batch_by_heart(variant: tuple[str, ...]) -> None:
    trained, batch = built(variant)
    trained.train()
    learns = [p for p in trained.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learns, lr=3e-3)
    losses = []
    for _ in range(6):
        batch = dataclasses.replace(batch, chance=Chance.of(torch.arange(ROWS)))  # the same draws again
        loss, _terms = trained(batch)
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in learns)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_each_method_judges_its_predictions(variant: tuple[str, ...]) -> None:
    trained, batch = built(variant)
    trained.eval()
    with torch.inference_mode():
        predictions = trained.predict(batch.windows, batch.context).numpy()
    assert batch.labels is not None
    assert batch.teacher is not None
    scores = trained.measure(predictions, Truth(batch.labels.numpy(), batch.teacher.numpy()))
    assert trained.better in scores


def test_every_method_says_what_it_is() -> None:
    told = {entry["name"]: entry for entry in describe()}
    assert {"contrastive", "mae", "lead-masking", "generative", "distil"} <= told.keys()
    assert told["selfmis"]["options"]["stop_gradient"] == "yes"
    assert told["upper"]["leads"] == "twelve"
    assert json.loads(json.dumps(told)) == told


def test_options_are_read_as_typed() -> None:
    assert JointOptions.parse(["align=0.5", "space=raw"]) == JointOptions(align=0.5, space="raw")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("align", "write it as KEY=VALUE"),
        ("lambda=1", "no option 'lambda'; it has"),
        ("align=much", "must be a number"),
        ("align=-1", "must be above 0"),
        ("align=nan", "must be above 0"),
        ("space=hyperbolic", "must be one of standardised, raw"),
        ("stop_gradient=maybe", "must be yes or no"),
        ("virtual=-1", "must be 0 to 2"),
        ("loss=triplet", "must be one of siglip, infonce, cosine"),
    ],
)
def test_a_wrong_option_is_one_line(typed: str, why: str) -> None:
    with pytest.raises(MethodError, match=why):
        JointOptions.parse([typed])


def test_without_a_projection_widths_must_match() -> None:
    with pytest.raises(MethodError, match="the student's is 192, the teacher's 24"):
        find("selfmis").build(setup_for("selfmis"), AlignmentOptions(projection="none"))


def test_standardising_takes_away_what_all_records_share() -> None:
    teacher = Teacher(np.full(24, 100.0, np.float32), np.full(24, 2.0, np.float32))
    trained = find("selfmis").build(Setup(build("small"), (), 0, teacher), AlignmentOptions())
    placed = trained.alignment.place(100 + 2 * torch.eye(24))
    assert torch.allclose(placed, torch.eye(24))


def test_a_student_that_is_its_teacher_retrieves_every_record() -> None:
    trained = find("selfmis").build(setup_for("selfmis"), AlignmentOptions(space="raw"))
    unit = np.eye(24, dtype=np.float32)
    assert trained.alignment.measure(unit, Truth(None, 3 * unit)) == {"retrieval_1": 1.0, "cosine": 1.0}
