"""This worker among the others: who it is, how they add up, and where its state is kept.

`World` is a worker alone, in one process; `Group` is one of several in a torch process group. The training loop
knows only these few methods, so it is the same loop in a unit test, in a benchmark and on a cluster.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.pretrain.batchnorm import norms_apart, running_statistics, shared_norms
from training.pretrain.exchange import Alone, Exchange, Neighbours, ThroughGroup, neighbours
from training.pretrain.gradients import SharedGradients
from training.pretrain.order import share_of
from training.pretrain.progress import Progress
from training.pretrain.state import FILE
from training.runs import write_file

Record = Mapping[str, Any]


class World:
    """A worker alone. Its state is kept in ``folder``, or nowhere."""

    rank = 0
    size = 1
    exchange: Exchange = Alone()

    def __init__(
        self,
        device: torch.device,
        *,
        folder: Path | None = None,
        show: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self.device = device
        self.folder = folder
        self.show = show

    def wrap(self, module: nn.Module, rows: int, norm_records: int = 0) -> nn.Module:
        """``module``, such that `backward` leaves the gradient of the whole batch of ``rows`` in it.

        Its batch norms take ``norm_records`` of them together, or all: whoever has them, the result is the same.
        """
        return norms_apart(module, rows, norm_records) if norm_records else module

    def backward(self, loss: Tensor) -> None:
        """Derive the sum of all workers' losses by the parameters of what was wrapped."""
        torch.autograd.backward(loss)

    def level(self, *modules: nn.Module) -> None:
        """Make the running statistics of norms those of all workers, to be called before they are used or kept."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all workers."""
        return values

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all workers, in order of rank."""
        return rows

    def whole(self, share: Tensor, first: int, rows: int) -> Tensor:  # noqa: ARG002 - the group's
        """The ``rows`` of all workers from the share's, which begin at ``first``; gradients flow to all."""
        return share

    def barrier(self) -> None:
        """Wait until all workers are here."""

    def keep(self, _record: Record, state: Callable[[], bytes]) -> None:
        """Keep the state and tell the world how far we are; every worker calls it at the same moment."""
        if self.folder is not None:
            write_file(self.folder / FILE, state())

    def close(self) -> None:
        """Let go of the other workers."""
        self.exchange.close()

    def restored(self) -> bytes | None:
        """The state that was kept last, if any."""
        if self.folder is None or not (self.folder / FILE).exists():
            return None
        return (self.folder / FILE).read_bytes()

    def kept_in(self) -> str:
        """Where that state is, for people."""
        return str(self.folder)


class Group(World):
    """One of the workers of the torch process group that this process is in; all make theirs together."""

    def __init__(
        self,
        device: torch.device,
        *,
        folder: Path | None = None,
        show: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        super().__init__(device, folder=folder, show=show)
        self._gradients: SharedGradients | None = None
        self._weight: float | None = None  # our part of a batch, where norms do not reach beyond it
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        if self.size > 1:
            near = neighbours() if device.type == "cpu" else None
            self.exchange = near or ThroughGroup()

    def wrap(self, module: nn.Module, rows: int, norm_records: int = 0) -> nn.Module:
        """See `World.wrap`; norms of the whole batch cost an exchange a layer and direction, in each step."""
        if self.size == 1:
            return super().wrap(module, rows, norm_records)
        if norm_records:
            share = share_of(rows, self.rank, self.size, norm_records)
            self._weight = (share.stop - share.start) / rows
            module = norms_apart(module, share.stop - share.start, norm_records)
        else:
            module = shared_norms(module, self.device, self.exchange)
        if isinstance(self.exchange, Neighbours):
            self._gradients = SharedGradients(module.parameters(), self.exchange)
            return module
        # Buffers need no broadcast: with shared norms they are equal on all workers, else `level` makes them so.
        return DistributedDataParallel(module, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def backward(self, loss: Tensor) -> None:
        """See `World.backward`."""
        if self._gradients is not None:
            torch.autograd.backward(loss)
            self._gradients.sum()
        else:
            torch.autograd.backward(loss * self.size)  # torch averages what the workers find

    def level(self, *modules: nn.Module) -> None:
        """See `World.level`.

        A running statistic is linear in those of the batches, and so is a moving average of it: the mean over all
        workers, however late, is what one worker would have.
        """
        if self._weight is None:
            return
        kept = [tensor for module in modules for tensor in running_statistics(module)]
        ours = torch.cat(kept).double() * self._weight  # double: what is equal on all stays so to the bit
        dist.all_reduce(ours)
        for tensor, mean in zip(kept, torch.split(ours, [len(each) for each in kept]), strict=True):
            tensor.copy_(mean)

    def sum(self, values: Tensor) -> Tensor:
        """See `World.sum`."""
        total = values.clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total

    def gather(self, rows: Tensor) -> Tensor:
        """See `World.gather`; the workers may have different numbers of rows."""
        if self.size == 1:
            return rows
        counts = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        counts[self.rank] = len(rows)
        dist.all_reduce(counts)
        padded = rows.new_zeros(int(counts.max()), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])

    def whole(self, share: Tensor, first: int, rows: int) -> Tensor:
        """See `World.whole`."""
        if self.size == 1:
            return share
        gathered: Tensor = _Whole.apply(share, first, rows)  # type: ignore[no-untyped-call]  # torch's
        return gathered

    def barrier(self) -> None:
        """See `World.barrier`."""
        if self.size > 1:
            dist.all_reduce(torch.zeros(1, device=self.device))

    def keep(self, record: Record, state: Callable[[], bytes]) -> None:
        """See `World.keep`; the first worker writes."""
        if self.rank == 0:
            super().keep(record, state)
        self.barrier()


class _Whole(torch.autograd.Function):
    """Each worker puts its rows where they belong, zeros elsewhere, and the sum is the whole; and back again."""

    @staticmethod
    def forward(ctx: Any, share: Tensor, first: int, rows: int) -> Tensor:
        ctx.share = slice(first, first + len(share))
        whole = share.new_zeros(rows, *share.shape[1:])
        whole[ctx.share] = share
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whole = gradients[0].contiguous().clone()
        dist.all_reduce(whole)  # what the losses of all workers owe to each row
        return whole[ctx.share], None, None
