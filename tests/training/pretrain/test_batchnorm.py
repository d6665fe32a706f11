import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from training.pretrain.batchnorm import SharedBatchNorm, norms_apart, shared_norms
from training.pretrain.exchange import Alone, Exchange, Neighbours

CHANNELS, CPU = 5, torch.device("cpu")
Found = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def two() -> Iterator[list[Neighbours]]:
    """Two neighbours."""
    one, other = socket.socketpair()
    group = [Neighbours([None, one]), Neighbours([other, None])]
    yield group
    for each in group:
        each.close()


def batch(mean: float) -> tuple[Tensor, Tensor]:
    """A batch whose channels lie at different heights, and what a loss would send back."""
    chance = torch.Generator().manual_seed(0)
    heights = mean * torch.arange(1, CHANNELS + 1)[:, None]
    x = torch.randn(12, CHANNELS, 40, generator=chance) + heights
    return x, torch.randn(12, CHANNELS, 40, generator=chance)


def norm() -> nn.BatchNorm1d:
    """A norm that has learnt something."""
    norm = nn.BatchNorm1d(CHANNELS)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, CHANNELS))
        norm.bias.copy_(torch.linspace(-1, 1, CHANNELS))
    return norm


def shared(exchange: Exchange) -> nn.Module:
    """The same norm, shared."""
    return shared_norms(nn.Sequential(norm()), CPU, exchange)[0]  # type: ignore[index]  # a Sequential


def found(norm: nn.Module, x: Tensor, gradient: Tensor) -> Found:
    """Output, gradients of input and parameters, and statistics kept."""
    x = x.clone().requires_grad_()
    y = norm(x)
    y.backward(gradient)
    kept = (norm.running_mean, norm.running_var)
    return y.detach(), x.grad, norm.weight.grad, norm.bias.grad, *kept  # type: ignore[return-value]  # all are there


def exact(x: Tensor, gradient: Tensor) -> Found:
    """What torch's own norm finds in double precision."""
    return found(norm().double(), x.double(), gradient.double())


def assert_close(ours: Tensor, exact: Tensor) -> None:
    """To five digits of what is largest."""
    assert (ours.double() - exact).abs().max() < 1e-5 * exact.abs().max()


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_a_worker_alone_finds_what_torch_finds(mean: float) -> None:
    for ours, truth in zip(found(shared(Alone()), *batch(mean)), exact(*batch(mean)), strict=True):
        assert_close(ours, truth)


@pytest.mark.parametrize("split", [6, 1, 11])
def test_shares_of_any_size_are_one_batch(two: list[Neighbours], split: int) -> None:
    x, gradient = batch(3.0)
    parts = (slice(0, split), slice(split, None))
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda near, part: found(shared(near), x[part], gradient[part]), two, parts)
    truth = exact(x, gradient)
    for number in (0, 1):  # a share's own rows
        assert_close(torch.cat([one[number], other[number]]), truth[number])
    for number in (2, 3):  # parts of a sum
        assert_close(one[number] + other[number], truth[number])
    for number in (4, 5):  # the same for all, to the bit
        assert torch.equal(one[number], other[number])
        assert_close(one[number], truth[number])


def test_what_is_evaluated_needs_no_other_worker(two: list[Neighbours]) -> None:
    x, _ = batch(1.0)
    ours = shared(two[0]).eval()
    assert isinstance(ours, SharedBatchNorm)
    assert torch.equal(ours(x), norm().eval()(x))


def test_norms_apart_are_norms_of_the_parts() -> None:
    x, gradient = batch(30.0)
    ours = norms_apart(nn.Sequential(norm()), 12, 4)[0]  # type: ignore[index]  # a Sequential
    parts = [exact(rows, sent) for rows, sent in zip(x.split(4), gradient.split(4), strict=True)]
    together = (torch.cat, torch.cat, sum, sum, mean, mean)  # rows; parts of a sum; what is kept
    for number, (found_now, put) in enumerate(zip(found(ours, x, gradient), together, strict=True)):
        assert_close(found_now, put([part[number] for part in parts]))


def test_two_views_of_a_row_are_in_one_norm() -> None:
    x, _ = batch(3.0)
    ours = norms_apart(nn.Sequential(norm()), 6, 3)[0]  # type: ignore[index]  # a Sequential
    first, second = torch.cat([x[:3], x[6:9]]), torch.cat([x[3:6], x[9:]])  # rows 0-2 and 3-5, two views each
    expected = [norm()(rows).chunk(2) for rows in (first, second)]
    views = [torch.cat([rows[view] for rows in expected]) for view in (0, 1)]
    assert_close(ours(x).detach(), torch.cat(views).detach().double())


def test_a_norm_over_all_rows_stays_what_it_is() -> None:
    whole = nn.Sequential(norm())
    assert type(norms_apart(whole, 12, 12)[0]) is nn.BatchNorm1d  # type: ignore[index]  # a Sequential


def mean(tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors).mean(dim=0)
