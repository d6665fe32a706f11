"""One replica in a process of its own, as a benchmark needs it: the pull loop, and words about its cost on demand.

No Ray: what is measured is the loop, and a Serve replica adds nothing per window to it.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import psutil

from services.inference.engine import Engine, open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.pulse import LATENCY_EDGES_S, Histogram, Stage
from shared.artefact import load
from shared.errors import SelfmisError
from shared.settings import Settings
from shared.signal import WINDOW_SAMPLES

_LAP_S = 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a replica had come with its last whole turn: sums since its start, so that two can be compared.

    ``stage_s``: processor time of the loop by stage. ``latency_s``: of each window since the mark before.
    """

    cpu_s: float
    rss: int
    windows: int
    batches: int
    steps: int
    reloads: int
    stage_s: dict[str, float]
    latency_s: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bare:
    """The model alone: processor seconds and seconds a window, both of the median lap."""

    runtime: str
    precision: str
    cpu_s: float
    wall_s: float


class Latencies(Histogram):
    """The histogram of a pulse that also keeps each value, since an edge of a bucket is no percentile."""

    def __init__(self) -> None:
        super().__init__(LATENCY_EDGES_S)
        self._came: deque[npt.NDArray[np.float32]] = deque()

    def add(self, values: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> None:
        """Count values."""
        super().add(values)
        self._came.append(values.astype(np.float32))

    def taken(self) -> npt.NDArray[np.float32]:
        """Every value since the last call; another thread may add meanwhile."""
        return np.concatenate([np.empty(0, np.float32), *(self._came.popleft() for _ in range(len(self._came)))])


class Watched(PullLoop):
    """The loop, which marks each whole turn: of a step under way there is processor time, but no stage yet."""

    mark = Mark(0.0, 0, 0, 0, 0, 0, dict.fromkeys(Stage.__slots__, 0.0), np.empty(0, np.float32))

    def turn(self) -> None:
        """One turn, and its mark."""
        super().turn()
        pulse = self.pulse
        self.mark = replace(
            self.mark,
            cpu_s=time.process_time(),
            windows=pulse.windows,
            batches=int(pulse.batch.counts.sum()),
            steps=pulse.steps,
            reloads=pulse.reloads,
            stage_s={name: getattr(pulse.stage, name) for name in Stage.__slots__},
        )


class Replica:
    """A replica process: `mark` while it works, `finish` to end its loop, then `begin_bare` and `end_bare`."""

    def __init__(self, url: str, name: str, model: Path, settings: Settings) -> None:
        context = get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, url, name, model, settings), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._line.close()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.join()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still (SIGSTOP) while the block runs, and goes on as if nothing had been."""
        pid = self._process.pid
        assert pid is not None  # noqa: S101 - it was started, for the type checker
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def mark(self) -> Mark:
        """Where it stands now."""
        answer = self._ask("mark")
        assert isinstance(answer, Mark)  # noqa: S101 - a fact of this module, for the type checker
        return answer

    def finish(self) -> None:
        """Let it give back its shards and end its loop."""
        self._ask("finish")

    def begin_bare(self, batch: int, seconds: float) -> None:
        """Let the bare model run for so long on batches of this size; all replicas at once, like in the run."""
        self._line.send(("bare", batch, seconds))

    def end_bare(self) -> Bare:
        """What came of it."""
        answer = self._answer()
        assert isinstance(answer, Bare)  # noqa: S101 - for the type checker
        return answer

    def _ask(self, *words: Any) -> Any:
        self._line.send(words)
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._line.recv()
        except EOFError:
            raise SelfmisError("bench capacity: a replica has died; its words are above") from None
        if isinstance(answer, SelfmisError):
            raise answer
        return answer


def _work(line: Connection, url: str, name: str, model: Path, settings: Settings) -> None:
    """The process: the loop in a thread, and the line to whoever measures."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        engine = open_engine(load(model), settings.engine)
    except SelfmisError as error:
        line.send(error)
        return
    loop = Watched(url, settings, name, engine)
    loop.pulse.latency = latencies = Latencies()
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    while True:
        try:
            word, *rest = line.recv()
        except EOFError:
            return
        if not thread.is_alive() and word == "mark":
            return  # its traceback is on the terminal
        if word == "mark":
            line.send(replace(loop.mark, rss=psutil.Process().memory_info().rss, latency_s=latencies.taken()))
        elif word == "finish":
            loop.stop()
            thread.join()
            line.send(None)
        else:
            line.send(bare(engine, *rest))


def bare(engine: Engine, batch: int, seconds: float) -> Bare:
    """The model alone, for so long."""
    golden, _ = engine.model.golden()
    windows = np.ascontiguousarray(np.resize(golden, (batch, WINDOW_SAMPLES)))
    laps: list[tuple[float, float]] = []
    deadline = time.monotonic() + seconds
    while not laps or time.monotonic() < deadline:
        done, began, cpu_began = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < _LAP_S:
            engine(windows)
            done += batch
        laps.append(((time.process_time() - cpu_began) / done, (time.perf_counter() - began) / done))
    cpu_s, wall_s = np.median(np.array(laps), axis=0).tolist()
    return Bare(engine.runtime, engine.precision, cpu_s, wall_s)
