"""How the workers of a group hand one another short rows of numbers, many times a step.

A shared batch norm asks all workers once a layer and direction: fifty times a step even in a small encoder. gloo
takes each of those through two threads and a TCP connection, a quarter of a millisecond at best and half a
millisecond of processor time, on the core that the training wants. Workers on one machine write to one another
directly (`Neighbours`): a few microseconds, in the thread that waits anyway. Across machines it is the process
group's sum (`ThroughGroup`).
"""

import mmap
import os
import secrets
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

Floats = npt.NDArray[np.float32]

_WAIT_S = 1800  # for a worker that neither answers nor dies: gloo's own patience
_AWAKE_S = 2e-3  # longer than workers on free cores are apart; a core that sleeps takes long to be woken
_LATELY = 0.1  # weight of the last wait among those before
_MOST_BYTES = 32_768  # fits a socket's buffer in the kernel, so that all may write before anybody reads
_INT = struct.Struct("i")


class Exchange(Protocol):
    """The rows of all workers, for each of them."""

    kind: str
    """In a word or two, for the history of a run."""

    def gather(self, row: Floats) -> Floats:
        """``(n,)`` of each worker to ``(workers, n)``, in order of rank, the same bits for all."""

    def close(self) -> None:
        """Hang up."""


class Alone:
    """One worker without others."""

    kind = "none"

    def gather(self, row: Floats) -> Floats:
        """See `Exchange.gather`."""
        return row[None]

    def close(self) -> None:
        """Nobody is there."""


class ThroughGroup:
    """Through the torch process group, wherever its workers are."""

    kind = "process group"

    def gather(self, row: Floats) -> Floats:
        """See `Exchange.gather`."""
        rows = np.zeros((dist.get_world_size(), len(row)), np.float32)
        rows[dist.get_rank()] = row
        dist.all_reduce(torch.from_numpy(rows))  # the others' rows are zeros: the sum gathers
        return rows

    def close(self) -> None:
        """The group is not ours."""


class Neighbours:
    """Through a socket to each of the other workers, all on this machine; no threads.

    ``others`` has a connected stream socket for each rank, None for our own. A worker that dies is a
    `ConnectionError` in all others at once. It waits awake while waits are short, and asleep where they have
    become long, since then others need the core.
    """

    kind = "sockets"

    def __init__(self, others: Sequence[socket.socket | None]) -> None:
        self._others = tuple(others)
        self.rank = self._others.index(None)
        self.size = len(self._others)
        self._wait_s = 0.0  # of late
        for _, other in self._peers():
            other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _WAIT_S, 0))

    def __deepcopy__(self, _memo: object) -> Self:
        """The copy of a model is in the same group."""
        return self

    def gather(self, row: Floats) -> Floats:
        """See `Exchange.gather`; refuses a row above 32 KiB."""
        size = row.nbytes
        if size > _MOST_BYTES:
            raise ValueError(f"a row of {size} bytes is too long: at most {_MOST_BYTES}")
        rows = np.empty((self.size, len(row)), np.float32)
        rows[self.rank] = row
        memory = rows.data.cast("B")
        parts = [memory[rank * size : (rank + 1) * size] for rank in range(self.size)]
        for _, other in self._peers():
            other.sendall(parts[self.rank])
        begun = time.perf_counter()
        asleep_after = begun + (_AWAKE_S if self._wait_s < _AWAKE_S else 0.0)
        for rank, other in self._peers():
            _read(other, parts[rank], rank, asleep_after)
        self._wait_s += _LATELY * (time.perf_counter() - begun - self._wait_s)
        return rows

    def memory(self, size: int) -> mmap.mmap:
        """``size`` bytes, all zero, that every neighbour reads and writes; all call it at the same moment.

        It has no name, so it ends with the last of them. `OSError` where the machine has not so much.
        """
        if self.rank:
            first = self._others[0]
            _, handles, _, _ = socket.recv_fds(first, 1, 1) if first else (b"", [], 0, None)
            if not handles:
                raise ConnectionError("training worker 0 has gone")
            (handle,) = handles
        else:
            handle = os.memfd_create("selfmis-gradients")
            os.posix_fallocate(handle, 0, size)  # too little memory is an error here, later it would be a signal
            for _, other in self._peers():
                socket.send_fds(other, [b"\0"], [handle])
        try:
            return mmap.mmap(handle, size)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Hang up."""
        for _, other in self._peers():
            other.close()

    def _peers(self) -> list[tuple[int, socket.socket]]:
        return [(rank, other) for rank, other in enumerate(self._others) if other is not None]


def neighbours() -> Neighbours | None:
    """A socket to each worker of the process group; None, for all workers, if they are not on one machine.

    Every worker calls it at the same moment. They meet under a random name in Linux's abstract name space, which
    ends with the machine (or the container's network): who can be called is a neighbour. Other users are not
    listened to.
    """
    if sys.platform != "linux":
        return None
    rank, size = dist.get_rank(), dist.get_world_size()
    key = torch.frombuffer(bytearray(secrets.token_bytes(16)), dtype=torch.uint8)
    dist.broadcast(key, src=0)
    name = f"\0selfmis-{bytes(key.tolist()).hex()}-"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{name}{rank}")
        door.listen(size)
        dist.barrier()  # all doors are open
        called = [_called(f"{name}{other}", rank) for other in range(rank)]
        reached = torch.tensor(0 if None in called else 1)
        dist.all_reduce(reached, op=dist.ReduceOp.MIN)  # nobody waits at the door for one who cannot call
        if not reached.item():
            for call in called:
                if call is not None:
                    call.close()
            return None
        callers = dict(_answered(door) for _ in range(rank + 1, size))
        return Neighbours([*called, None, *(callers[other] for other in range(rank + 1, size))])


def _called(name: str, rank: int) -> socket.socket | None:
    """A socket to who listens under that name, who is told our rank; None if nobody does on this machine."""
    call = socket.socket(socket.AF_UNIX)
    try:
        call.connect(name)
    except ConnectionRefusedError:
        call.close()
        return None
    if not _ours(call):
        raise PermissionError("another user's process answers in a training worker's place")
    call.sendall(_INT.pack(rank))
    return call


def _answered(door: socket.socket) -> tuple[int, socket.socket]:
    """The next worker at the door, by rank; strangers are turned away."""
    while True:
        caller, _ = door.accept()
        if _ours(caller):
            said = bytearray(_INT.size)
            _read(caller, memoryview(said), None)
            return _INT.unpack(said)[0], caller
        caller.close()


def _ours(peer: socket.socket) -> bool:
    """Whether a process of this very user is at the other end."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * _INT.size)
    _pid, user, _group = struct.unpack("3i", credentials)
    return bool(user == os.getuid())


def _read(peer: socket.socket, into: memoryview, rank: int | None, asleep_after: float = 0.0) -> None:
    """Fill ``into``. Asks again and again before it sleeps; who else wants the core gets it in between."""
    flags = int(socket.MSG_DONTWAIT)
    while into:
        try:
            count = peer.recv_into(into, 0, flags)
        except BlockingIOError:
            if not flags:
                raise TimeoutError(f"training worker {rank} has not answered for {_WAIT_S} s") from None
            if time.perf_counter() > asleep_after:
                flags = 0
            else:
                os.sched_yield()
            continue
        if not count:
            raise ConnectionError(f"training worker {rank} has gone")
        into = into[count:]
