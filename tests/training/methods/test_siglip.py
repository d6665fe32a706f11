import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.methods.siglip import SigLIP, siglip


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
    found = siglip(torch.from_numpy(logits), torch.tensor(patients), 0)
    assert float(found) == pytest.approx(by_hand(logits, patients, 0))


def test_the_shares_of_a_batch_add_up_to_its_loss() -> None:
    logits, patients = torch.randn(7, 7), torch.tensor([0, 0, 1, 2, 2, 3, 4])
    whole = siglip(logits, patients, 0)
    shares = siglip(logits[:3], patients, 0) + siglip(logits[3:], patients, 3)
    assert torch.allclose(whole, shares)


def test_temperature_and_bias_start_as_published() -> None:
    loss = SigLIP()
    assert float(loss.log_temperature.exp().detach()) == pytest.approx(10.0)
    assert float(loss.bias.detach()) == -10.0


def test_the_teacher_side_gets_no_gradient() -> None:
    student, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4)
    torch.autograd.backward(SigLIP()(student, teacher, torch.arange(3), 0))
    assert student.grad is not None
    assert teacher.grad is None
