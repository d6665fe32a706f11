import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.methods import Batch, Chance
from training.methods.pairs import Pairs
from training.methods.siglip import SigLIP, siglip


def batch_of(patients: list[int], first: int = 0, rows: int | None = None) -> Batch:
    """The share of a batch that begins at ``first``; no windows that anyone would look at."""
    total = len(patients)
    mine = total - first if rows is None else rows
    return Batch(
        windows=torch.zeros(mine, 1, 1),
        rows=total,
        first=first,
        chance=Chance.of(torch.arange(mine)),
        patients=torch.tensor(patients),
    )


def siglip_of(logits: torch.Tensor, patients: list[int], first: int = 0, same: str = "left-out") -> torch.Tensor:
    batch = batch_of(patients, first, len(logits))
    return siglip(logits, Pairs.of(batch, same), batch.rows)


def by_hand(logits: np.ndarray, patients: list[int], first: int) -> float:
    total = 0.0
    for i, row in enumerate(logits):
        for j, logit in enumerate(row):
            own = j == first + i
            if own or patients[j] != patients[first + i]:
                total += math.log1p(math.exp(-logit if own else logit))
    return total / logits.shape[1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=6), st.integers(0, 100))
def test_the_loss_is_that_of_all_pairs_but_those_of_one_patient(patients: list[int], seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (len(patients), len(patients)))
    found = siglip_of(torch.from_numpy(logits), patients)
    assert float(found) == pytest.approx(by_hand(logits, patients, 0))


def test_the_shares_of_a_batch_add_up_to_its_loss() -> None:
    logits, patients = torch.randn(7, 7), [0, 0, 1, 2, 2, 3, 4]
    whole = siglip_of(logits, patients)
    shares = siglip_of(logits[:3], patients) + siglip_of(logits[3:], patients, 3)
    assert torch.allclose(whole, shares)


def test_records_of_one_patient_are_wrong_pairs_where_that_was_asked() -> None:
    logits = torch.randn(4, 4)
    patients = [0, 0, 1, 2]
    assert torch.allclose(siglip_of(logits, patients, same="negative"), siglip_of(logits, [0, 1, 2, 3]))
    assert not torch.allclose(siglip_of(logits, patients), siglip_of(logits, [0, 1, 2, 3]))


def test_temperature_and_bias_start_as_published() -> None:
    loss = SigLIP()
    assert float(loss.log_temperature.exp().detach()) == pytest.approx(10.0)
    assert float(loss.bias.detach()) == -10.0


def test_the_teacher_side_gets_no_gradient() -> None:
    student, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4)
    batch = batch_of([0, 1, 2])
    torch.autograd.backward(SigLIP()(student, teacher, batch, Pairs.of(batch, "left-out")))
    assert student.grad is not None
    assert teacher.grad is None
