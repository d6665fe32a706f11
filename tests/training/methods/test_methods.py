import numpy as np
import pytest
import torch

from shared.encoder import build
from shared.labels import SCORE_NAMES
from training.methods import Batch, MethodError, Setup, Teacher, find, methods
from training.methods.alignment import AlignmentOptions
from training.methods.joint import JointOptions

ROWS = 6


def setup_for(name: str) -> Setup:
    leads = 12 if find(name).needs.all_leads else 1
    teacher = Teacher(np.zeros(24, np.float32), np.ones(24, np.float32)) if find(name).needs.teacher else None
    return Setup(build("small", leads=leads), SCORE_NAMES, seed=0, teacher=teacher)


def batch_for(leads: int) -> Batch:
    draws = torch.Generator().manual_seed(0)
    return Batch(
        windows=torch.randn(ROWS, leads, 1000, generator=draws),
        rows=ROWS,
        first=0,
        draws=draws,
        labels=(torch.rand(ROWS, len(SCORE_NAMES), generator=draws) > 0.7).float(),
        context=torch.randn(ROWS, 12, 1000, generator=draws),
        teacher=torch.randn(ROWS, 24, generator=draws),
        patients=torch.arange(ROWS),
    )


def test_the_methods_of_the_paper_are_there() -> None:
    assert {"selfmis", "joint", "random", "supervised", "upper"} <= {method.name for method in methods()}


def test_an_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(MethodError, match=r"no method 'simclr'; there are .*selfmis"):
        find("simclr")


@pytest.mark.parametrize("name", [m.name for m in methods() if m.needs.training])
def test_each_method_learns_a_batch_by_heart(name: str) -> None:
    trained = find(name).build(setup_for(name), find(name).options())
    batch = batch_for(trained.encoder.config.leads)
    optimiser = torch.optim.AdamW(trained.parameters(), lr=3e-3)
    losses = []
    for _ in range(6):
        loss, _terms = trained(batch)
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in trained.parameters())
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


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
    assert trained.alignment.measure(unit, 3 * unit) == {"retrieval_1": 1.0, "cosine": 1.0}
