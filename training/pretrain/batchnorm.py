"""Batch norm over the whole batch where several workers each hold a share of it.

With plain batch norm every worker would normalise by its own rows, and N workers would learn something else than
one. torch has a synchronised norm for GPUs only; this is the same for processors: native kernels on the share, and
one small exchange each way.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

Saved = tuple[Tensor | None, ...]


class SharedBatchNorm(nn.BatchNorm1d):
    """`nn.BatchNorm1d`, with the same parameters and buffers, normalising over the shares of all workers."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """``(n, channels, samples)`` to the same."""
        if not self.training:
            return super().forward(input)
        normal, mean, variance, count = _normalise(input, self.weight, self.bias, self.eps)
        with torch.no_grad():
            assert self.num_batches_tracked is not None  # noqa: S101 - we only replace norms that track
            assert self.running_mean is not None  # noqa: S101 - for the type checker
            assert self.running_var is not None  # noqa: S101 - for the type checker
            self.num_batches_tracked.add_(1)
            momentum = 0.1 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), momentum)
        result: Tensor = normal
        return result


def shared_norms(module: nn.Module, device: torch.device) -> nn.Module:
    """``module`` with its batch norms replaced, in place, by ones that span all workers."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]  # torch's
        return converted
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d) and not isinstance(child, SharedBatchNorm):
            norm = SharedBatchNorm(child.num_features, child.eps, child.momentum)
            norm.load_state_dict(child.state_dict())
            norm.requires_grad_(child.weight.requires_grad)  # what is frozen stays so
            setattr(module, name, norm.to(child.weight.device).train(child.training))
        else:
            shared_norms(child, device)
    return module


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    normal, mean, variance, count = _Normalise.apply(x, weight, bias, eps)  # type: ignore[no-untyped-call]  # torch's
    return normal, mean, variance, count


class _Normalise(torch.autograd.Function):
    """Forward with the statistics of all shares; backward as if the sum of all workers' losses were derived."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        own = x.new_tensor([x.shape[0] * x.shape[2]])
        own_variance, own_mean = torch.var_mean(x, dim=(0, 2), correction=0)
        channels = x.shape[1]
        shares = x.new_zeros(dist.get_world_size(), 2 * channels + 1)
        shares[dist.get_rank()] = torch.cat([own_mean, own_variance * own, own])
        dist.all_reduce(shares)  # the others' rows are zeros: the sum gathers
        means, squares, counts = shares[:, :channels], shares[:, channels:-1], shares[:, -1:]
        count = counts.sum()
        mean = (means * counts).sum(dim=0) / count
        variance = (squares + counts * (means - mean).square()).sum(dim=0) / count
        normal = torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, eps, False)
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Saved:
        x, weight, mean, variance, count = ctx.saved_tensors
        # As if mean and variance were constants; then what they owe to x, which reaches every worker's rows.
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0].contiguous(), x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.cat([grad_bias, grad_weight])
        dist.all_reduce(sums)
        mean_grad, mean_grad_normal = sums.div_(count).chunk(2)
        scale = weight * (variance + ctx.eps).rsqrt()
        slope = scale * mean_grad_normal * (variance + ctx.eps).rsqrt()
        grad_x -= (scale * mean_grad - slope * mean)[:, None]
        grad_x.addcmul_(x, slope[:, None], value=-1.0)
        return grad_x, grad_weight, grad_bias, None
