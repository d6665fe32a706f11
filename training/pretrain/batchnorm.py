"""Batch norm over the whole batch where several workers each hold a share of it.

With plain batch norm every worker would normalise by its own rows, and N workers would learn something else than
one. torch has a synchronised norm for GPUs only; this is the same for processors: one short exchange each way, and
on the share itself a few passes over whole vectors, which cost less than torch's own statistics.

Or norms are apart (`norms_apart`): each over a fixed number of records that no two workers share, and no worker
waits for another.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.pretrain.exchange import Exchange, Floats

Saved = tuple[Tensor | None, ...]


class _Tracking(nn.BatchNorm1d):
    def _tracked(self) -> tuple[Tensor, Tensor, float]:
        """Count a batch; the running mean and variance, and by how much they follow it."""
        assert self.num_batches_tracked is not None  # noqa: S101 - we only replace norms that track
        assert self.running_mean is not None  # noqa: S101 - for the type checker
        assert self.running_var is not None  # noqa: S101 - for the type checker
        self.num_batches_tracked.add_(1)
        return self.running_mean, self.running_var, 0.1 if self.momentum is None else self.momentum


class SharedBatchNorm(_Tracking):
    """`nn.BatchNorm1d`, with the same parameters and buffers, normalising over the shares of all workers."""

    def __init__(self, features: int, eps: float, momentum: float | None, exchange: Exchange) -> None:
        super().__init__(features, eps, momentum)
        self._exchange = exchange

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """``(n, channels, samples)`` to the same."""
        if not self.training:
            return super().forward(input)
        with torch.no_grad():
            mean, variance, count = _statistics(input, self._exchange)
            running_mean, running_variance, momentum = self._tracked()
            running_mean.lerp_(torch.from_numpy(mean), momentum)
            running_variance.lerp_(torch.from_numpy(variance * np.float32(count / (count - 1))), momentum)
        return _normalise(input, self.weight, self.bias, mean, variance, count, self.eps, self._exchange)


class NormApart(_Tracking):
    """`nn.BatchNorm1d`, with the same parameters and buffers, over each ``records`` of the ``rows`` alone.

    Each group's statistics weigh the same in the running ones.
    """

    def __init__(self, features: int, eps: float, momentum: float | None, rows: int, records: int) -> None:
        super().__init__(features, eps, momentum)
        self._rows, self._records = rows, records

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """``(k · rows, channels, samples)``, k views of the rows one after another, to the same."""
        if not self.training:
            return super().forward(input)
        running_mean, running_variance, momentum = self._tracked()
        groups = self._rows // self._records
        means, variances = running_mean.repeat(groups, 1), running_variance.repeat(groups, 1)
        views = input.reshape(-1, groups, self._records, *input.shape[1:]).unbind(dim=1)
        normal = [
            functional.batch_norm(
                view.flatten(0, 1), mean, variance, self.weight, self.bias, True, momentum, self.eps
            ).view(view.shape)
            for view, mean, variance in zip(views, means, variances, strict=True)
        ]
        with torch.no_grad():
            running_mean.copy_(means.mean(dim=0))
            running_variance.copy_(variances.mean(dim=0))
        return torch.stack(normal, dim=1).view(input.shape)


def norms_apart(module: nn.Module, rows: int, records: int) -> nn.Module:
    """``module`` with its batch norms, in place, such that each takes ``records`` of its ``rows`` together."""
    if rows == records:
        return module
    return _replaced(module, lambda norm: NormApart(norm.num_features, norm.eps, norm.momentum, rows, records))


def running_statistics(module: nn.Module) -> list[Tensor]:
    """The running means and variances of all batch norms."""
    norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm1d)]
    kept = [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var)]
    return [tensor for tensor in kept if tensor is not None]


def shared_norms(module: nn.Module, device: torch.device, exchange: Exchange) -> nn.Module:
    """``module`` with its batch norms replaced, in place, by ones that span all workers."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]  # torch's
        return converted
    return _replaced(module, lambda norm: SharedBatchNorm(norm.num_features, norm.eps, norm.momentum, exchange))


def _replaced(module: nn.Module, other: Callable[[nn.BatchNorm1d], nn.BatchNorm1d]) -> nn.Module:
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm1d:
            norm = other(child)
            norm.load_state_dict(child.state_dict())
            norm.requires_grad_(child.weight.requires_grad)  # what is frozen stays so
            setattr(module, name, norm.to(child.weight.device).train(child.training))
        else:
            _replaced(child, other)
    return module


def _statistics(x: Tensor, exchange: Exchange) -> tuple[Floats, Floats, float]:
    """Mean and variance of each channel over all workers' rows, and how many numbers they are of.

    Rows first, then samples: so whole vectors are added, where `torch.var_mean` goes number by number at ten times
    the cost. Centred before it is squared, so that a large mean costs no digits.
    """
    rows, channels, samples = x.shape
    own_count = rows * samples
    own_mean: Floats = x.sum(dim=0).sum(dim=1).div_(own_count).numpy()
    centred = x - torch.from_numpy(own_mean)[:, None]
    own_squares: Floats = centred.square_().sum(dim=0).sum(dim=1).numpy()
    shares = exchange.gather(np.concatenate([own_mean, own_squares, np.array([own_count], np.float32)]))
    if len(shares) == 1:
        return own_mean, own_squares / np.float32(own_count), float(own_count)
    exact = shares.astype(np.float64)
    means, squares, counts = exact[:, :channels], exact[:, channels:-1].sum(axis=0), exact[:, -1]
    count = counts.sum()
    mean = counts @ means / count
    variance = (squares + counts @ np.square(means - mean)) / count
    return mean.astype(np.float32), variance.astype(np.float32), float(count)


def _normalise(x: Tensor, *others: Any) -> Tensor:
    normal: Tensor = _Normalise.apply(x, *others)  # type: ignore[no-untyped-call]  # torch's
    return normal


class _Normalise(torch.autograd.Function):
    """Forward with given statistics; backward as if the sum of all workers' losses were derived."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Floats,
        variance: Floats,
        count: float,
        eps: float,
        exchange: Exchange,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.statistics, ctx.count, ctx.eps, ctx.exchange = (mean, variance), count, eps, exchange
        return torch.batch_norm(
            x, weight, bias, torch.from_numpy(mean), torch.from_numpy(variance), False, 0.0, eps, False
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Saved:
        (x, weight), (mean, variance) = ctx.saved_tensors, ctx.statistics
        gradient = gradients[0].contiguous()
        _, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            gradient,
            x,
            weight,
            torch.from_numpy(mean),
            torch.from_numpy(variance),
            None,
            None,
            False,
            ctx.eps,
            [False, True, True],
        )
        # What mean and variance owe to x reaches every worker's rows: a line in x for each channel …
        own = np.concatenate([grad_bias.numpy(), grad_weight.numpy()])
        sums = ctx.exchange.gather(own).sum(axis=0) / np.float32(ctx.count)
        spread = 1 / np.sqrt(variance + np.float32(ctx.eps))
        scale = weight.detach().numpy() * spread
        slope = -scale * sums[len(mean) :] * spread
        height = -scale * sums[: len(mean)] - slope * mean
        grad_x = _line(x, slope, height)
        # … beside what would be all if they were constants.
        grad_x.addcmul_(gradient, torch.from_numpy(scale)[:, None])
        return grad_x, grad_weight, grad_bias, None, None, None, None, None


def _line(x: Tensor, slope: Floats, height: Floats) -> Tensor:
    """``slope · x + height`` for each channel in one pass: a norm whose mean is 0 and whose variance is 1."""
    zero, one = torch.zeros(len(slope)), torch.ones(len(slope))
    return torch.batch_norm(
        x, torch.from_numpy(slope), torch.from_numpy(height), zero, one, False, 0.0, 0.0, False
    )
