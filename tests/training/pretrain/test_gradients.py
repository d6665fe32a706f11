import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from training.pretrain.exchange import Neighbours
from training.pretrain.gradients import SharedGradients

Workers = list[tuple[nn.Module, SharedGradients]]


@pytest.fixture
def three() -> Iterator[Workers]:
    """Three neighbours, each with the same small model, whose eleven numbers do not divide by three."""
    others: list[list[socket.socket | None]] = [[None] * 3 for _ in range(3)]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        others[one][two], others[two][one] = socket.socketpair()
    group = [Neighbours(each) for each in others]
    with ThreadPoolExecutor(3) as pool:
        yield list(pool.map(worker, group))
    for each in group:
        each.close()


def worker(near: Neighbours) -> tuple[nn.Module, SharedGradients]:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    frozen = model[1].bias.requires_grad_(False)
    frozen.zero_()
    for number, parameter in enumerate(model.parameters()):
        if parameter.requires_grad:
            nn.init.constant_(parameter, number + 0.5)
    return model, SharedGradients(model.parameters(), near)


def gradients_of(model: nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def stepped(each: tuple[tuple[nn.Module, SharedGradients], torch.Tensor]) -> list[torch.Tensor]:
    """The gradients of a step on a worker's rows, summed over all."""
    (model, shared), rows = each
    model.zero_grad()
    torch.autograd.backward(model(rows).square().sum())
    shared.sum()
    return gradients_of(model)


def test_the_gradients_of_all_rows_are_found_by_all_to_the_bit(three: Workers) -> None:
    rows = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(stepped, zip(three, rows.split([1, 7, 4]), strict=True)))
    model, _ = three[0]
    model.zero_grad()
    torch.autograd.backward(model(rows).square().sum())
    for one, two, other, exact in zip(*found, gradients_of(model), strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, other)
        assert torch.allclose(one, exact, rtol=1e-5)


def test_steps_follow_one_another_without_mixing(three: Workers) -> None:
    def steps(rank: int) -> list[float]:
        rows = torch.full((2, 3), float(rank))
        return [float(sum(g.sum() for g in stepped((three[rank], rows * turn)))) for turn in range(100)]

    with ThreadPoolExecutor(3) as pool:
        one, two, other = pool.map(steps, range(3))
    assert one == two == other
    assert len(set(one)) == 100


def test_what_is_frozen_stays_without_a_gradient(three: Workers) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(stepped, zip(three, torch.ones(3, 1, 3), strict=True)))
    assert all(model[1].bias.grad is None for model, _ in three)  # type: ignore[index]  # a Sequential


def test_a_parameter_that_the_loss_does_not_depend_on_is_refused(three: Workers) -> None:
    model, shared = three[0]
    torch.autograd.backward(model[0](torch.ones(1, 3)).sum())  # type: ignore[index]  # a Sequential
    with pytest.raises(ValueError, match="1 parameters have no part in the loss"):
        shared.sum()
