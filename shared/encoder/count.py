"""How large a network is and what one window costs: parameters and multiply-accumulates, counted exactly."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class CountsItself(Protocol):
    """A layer that is neither a convolution nor linear, and multiplies."""

    def macs(self, output: Tensor) -> int:
        """Multiply-accumulates of one row, of whose output it is shown the shape."""
        ...


def count_parameters(module: nn.Module) -> int:
    """Learnable numbers in ``module``; running statistics of norms are not among them."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of all convolutions and linear layers for one row of ``shape`` (without the batch).

    A `CountsItself` says by itself what it costs. Bias, norms, activations and pooling are not counted. Runs
    ``module`` once on zeros, in `eval` mode.
    """
    total = 0

    def convolution(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv1d)  # noqa: S101 - a fact of this function, for the type checker
        total += output.numel() * (layer.in_channels // layer.groups) * layer.kernel_size[0]

    def linear(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Linear)  # noqa: S101 - for the type checker
        total += output.numel() * layer.in_features

    def by_itself(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, CountsItself)  # noqa: S101 - for the type checker
        total += layer.macs(output)

    hooks = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d):
            hooks.append(layer.register_forward_hook(convolution))
        elif isinstance(layer, nn.Linear):
            hooks.append(layer.register_forward_hook(linear))
        elif isinstance(layer, CountsItself):
            hooks.append(layer.register_forward_hook(by_itself))
    was_training = module.training
    try:
        module.eval()
        with torch.no_grad():
            module(torch.zeros(1, *shape))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
