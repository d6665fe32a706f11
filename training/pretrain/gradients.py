"""The gradients of workers on one machine, summed through memory that all of them have.

gloo sends every gradient through TCP and two threads of its own, which take the cores that the training wants;
here a worker writes its gradients down once, adds up its part of everybody's, and reads the parts of the others.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from training.pretrain.exchange import Neighbours

_TURN = np.zeros(1, np.float32)


class SharedGradients:
    """The parameters that learn, and room for the gradients of all workers.

    Every neighbour makes one at the same moment, of equal parameters. It takes the memory of one more set of
    gradients in each worker, which is what `DistributedDataParallel` takes, too.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], near: Neighbours) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._near = near
        self._sizes = [p.numel() for p in self._parameters]
        total = sum(self._sizes)
        memory = near.memory(max(1, near.size * total) * _TURN.itemsize)
        self._areas = torch.frombuffer(memory, dtype=torch.float32)[: near.size * total].view(near.size, total)
        self._parts = [slice(total * r // near.size, total * (r + 1) // near.size) for r in range(near.size)]

    def sum(self) -> None:
        """Make each parameter's gradient the sum of all workers', the same bits for all.

        Every worker calls it after its backward pass. Refuses a parameter that the loss does not depend on.
        """
        mine = self._areas[self._near.rank]
        torch.cat([gradient.reshape(-1) for gradient in self._gradients()], out=mine)
        self._turn()  # all have written
        part = self._parts[self._near.rank]
        mine[part] = _added([area[part] for area in self._areas])  # nobody else reads this part of ours
        self._turn()  # all have added
        whole = torch.cat([area[part] for area, part in zip(self._areas, self._parts, strict=True)])
        self._turn()  # all have read
        for parameter, gradient in zip(self._parameters, torch.split(whole, self._sizes), strict=True):
            parameter.grad = gradient.view_as(parameter)

    def _gradients(self) -> Sequence[Tensor]:
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if len(gradients) < len(self._parameters):
            raise ValueError(f"{len(self._parameters) - len(gradients)} parameters have no part in the loss")
        return gradients

    def _turn(self) -> None:
        self._near.gather(_TURN)


def _added(parts: Sequence[Tensor]) -> Tensor:
    """The sum, in the order given."""
    total = parts[0] + parts[1]
    for part in parts[2:]:
        total += part
    return total
