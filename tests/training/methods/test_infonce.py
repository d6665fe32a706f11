import math

import pytest
import torch
from torch.nn import functional

from training.methods import Batch, Chance
from training.methods.infonce import Cosine, InfoNCE, info_nce
from training.methods.pairs import Pairs


def batch_of(patients: list[int], share: slice) -> Batch:
    mine = len(range(*share.indices(len(patients))))
    return Batch(
        windows=torch.zeros(mine, 1, 1),
        rows=len(patients),
        first=share.start,
        chance=Chance.of(torch.arange(mine)),
        patients=torch.tensor(patients),
    )


def loss_of(logits: torch.Tensor, patients: list[int], share: slice, same: str = "left-out") -> torch.Tensor:
    return info_nce(logits[share], Pairs.of(batch_of(patients, share), same), len(patients))


def test_with_one_record_a_patient_it_is_the_cross_entropy() -> None:
    logits = torch.randn(5, 5)
    for same in ("left-out", "negative", "positive"):
        found = loss_of(logits, [0, 1, 2, 3, 4], slice(0, 5), same)
        assert torch.allclose(found, functional.cross_entropy(logits, torch.arange(5)))


@pytest.mark.parametrize("same", ["left-out", "negative", "positive"])
def test_the_shares_of_a_batch_add_up_to_its_loss(same: str) -> None:
    logits, patients = torch.randn(7, 7), [0, 0, 1, 2, 2, 2, 3]
    shares = [loss_of(logits, patients, part, same) for part in (slice(0, 3), slice(3, 7))]
    assert torch.allclose(sum(shares), loss_of(logits, patients, slice(0, 7), same))


def test_another_record_of_the_patient_is_left_out() -> None:
    logits = torch.zeros(3, 3)
    logits[0, 1] = 50.0  # would cost 50 if it counted
    assert float(loss_of(logits, [0, 0, 1], slice(0, 3))) == pytest.approx((2 * math.log(2) + math.log(3)) / 3)
    assert float(loss_of(logits, [0, 0, 1], slice(0, 3), "negative")) > 16


def test_another_record_of_the_patient_belongs_to_it() -> None:
    logits = torch.full((3, 3), -50.0)
    logits[:2, :2], logits[2, 2] = 0.0, 0.0
    assert float(loss_of(logits, [0, 0, 1], slice(0, 3), "positive")) == pytest.approx(2 * math.log(2) / 3)


def test_what_never_belongs_makes_it_harder() -> None:
    pairs = Pairs.of(batch_of([0, 1, 2], slice(0, 3)), "left-out")
    logits = torch.randn(3, 3)
    assert info_nce(logits, pairs, 3, also=logits) > info_nce(logits, pairs, 3)


def test_both_ways_are_asked() -> None:
    student = functional.normalize(torch.randn(4, 6), dim=1)
    batch = batch_of([0, 1, 2, 3], slice(0, 4))
    pairs = Pairs.of(batch, "left-out")
    teacher = functional.normalize(torch.randn(4, 6), dim=1)
    loss = InfoNCE()
    assert torch.allclose(loss(student, teacher, batch, pairs), loss(teacher, student, batch, pairs), atol=1e-5)


def test_the_cosine_loss_is_nothing_where_student_and_teacher_agree() -> None:
    batch = batch_of([0, 1], slice(0, 2))
    unit = torch.eye(2)
    pairs = Pairs.of(batch, "left-out")
    assert float(Cosine()(unit, unit, batch, pairs)) == 0
    assert float(Cosine()(unit, unit.flip(0), batch, pairs)) == 1
