"""The processes of one peer: started, counted, killed, started again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import psutil

from benchmarks.peers.job import READY
from shared.errors import SelfmisError

REPLICA_FIRST_S = 3.0


@dataclass(slots=True)
class Fleet:
    """``commands``: one for each process. ``environ``: what they are told beside our own.

    ``together``: they are one cluster, which ends and starts as one. ``first``: what the first one
    is, in words. ``victims``: finds processes below ours, one of which a crash hits before the first.
    """

    name: str
    commands: Sequence[Sequence[str]]
    environ: dict[str, str] = field(default_factory=dict)
    together: bool = False
    first: str = "a worker"
    victims: Callable[[psutil.Process], bool] | None = None
    ready_s: float = 120.0
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, client: Any) -> Self:
        """Start all, and wait until all say that they are ready."""
        client.delete(READY)
        for command in self.commands:
            self.running.append(self._begin(command))
        self._wait(client, len(self.commands))
        return self

    def cpu_s(self) -> float:
        """Processor time of all living processes and those they have waited for."""
        total = 0.0
        for process in self._all():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def rss_mb(self) -> float:
        """Memory of all, shared pages counted once a process."""
        total = 0
        for process in self._all():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6

    def crash(self, client: Any) -> str:
        """SIGKILL one of each kind; start again what does not come back by itself. What was killed, in words."""
        killed = []
        for process in self._all() if self.victims else []:
            with suppress(psutil.Error):
                if self.victims is not None and self.victims(process):
                    process.kill()
                    killed.append("a replica")
                    break
        if self.victims is not None and not killed:
            raise SelfmisError(f"bench peers: {self.name} has no replica to kill")
        if killed:
            time.sleep(REPLICA_FIRST_S)  # so that the others meet a dead replica before they die themselves
        hit = range(len(self.running)) if self.together else [0]
        self._kill(self.running[0])
        killed.append(self.first)
        client.delete(READY)
        for place in hit:
            self._kill(self.running[place])
            self.running[place] = self._begin(self.commands[place])
        self._wait(client, len(hit))
        return " and ".join(killed)

    def overtake(self, client: Any) -> str:
        """Stop the first one (SIGSTOP) until a second of the same has taken over, then let it go on beside that.

        So it goes where a machine is cut off or too busy to answer, and its work is begun anew elsewhere.
        """
        stopped = self.running[0]
        stopped.send_signal(signal.SIGSTOP)
        client.delete(READY)
        try:
            self.running.append(self._begin(self.commands[0]))
            self._wait(client, 1)
        finally:
            stopped.send_signal(signal.SIGCONT)
        return self.first

    def close(self) -> None:
        """End all: asked first, then killed, with what they have started."""
        tree = self._all()
        for process in self.running:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for below in tree:
            with suppress(psutil.Error):
                below.kill()
        self.running.clear()

    def _begin(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **self.environ})

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()

    def _wait(self, client: Any, amount: int) -> None:
        deadline = time.monotonic() + self.ready_s
        while int(client.get(READY) or 0) < amount:
            for process, command in zip(self.running, self.commands, strict=False):
                if process.poll() is not None:
                    raise SelfmisError(f"bench peers: {self.name} has ended ({' '.join(command[1:4])}); see above")
            if time.monotonic() > deadline:
                raise SelfmisError(f"bench peers: {self.name} was not ready within {self.ready_s:g} s")
            time.sleep(0.05)

    def _all(self) -> list[psutil.Process]:
        found = []
        for each in self.running:
            with suppress(psutil.Error):
                process = psutil.Process(each.pid)
                found += [process, *process.children(recursive=True)]
        return found
