"""A run may last for months: what it keeps in mind is bounded, however many frames it has sent."""

import gc
import math
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from services.ingest import runner
from services.ingest.faults import Faults, Network
from services.ingest.feed import Feed, Slot
from services.ingest.outbox import Ticket
from services.ingest.runner import Progress, Runner, Unconfirmed
from services.ingest.schedule import Pace, Schedule
from services.ingest.sender import Sender
from services.ingest.source import Roster
from shared.frames import Samples
from shared.settings import load

SHARDS = 4
FIRST, LAST = 300, 2300


@pytest.fixture
def traced() -> Iterator[Callable[[], int]]:
    """Bytes that Python holds, of what code of ingest made since; cyclic garbage taken away before."""
    ours = tracemalloc.Filter(True, str(Path(runner.__file__).parent / "*"))
    tracemalloc.start()

    def held() -> int:
        gc.collect()
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)

    try:
        yield held
    finally:
        tracemalloc.stop()


def confirmed() -> Ticket:
    ticket = Ticket(0.0, 1)
    ticket.set_result(None)
    return ticket


def test_moments_that_are_confirmed_are_forgotten(traced: Callable[[], int]) -> None:
    unconfirmed = Unconfirmed()

    def walk(moments: range) -> None:
        for moment in moments:
            unconfirmed.offered(moment, confirmed(), late=False)
            if moment % 3 == 0:
                unconfirmed.delayed(moment)
                unconfirmed.offered(moment, confirmed(), late=True)
            assert unconfirmed.earliest() == math.inf

    walk(range(100))
    before = traced()
    walk(range(100, 5000))
    # A moment that is never forgotten takes thirty bytes and more.
    assert traced() - before < 4900 * 5


class Counted:
    """Patients without end; ``at`` is called before each frame is made."""

    def __init__(self, at: Callable[[int], None]) -> None:
        self.frames = None
        self.roster = Roster(tuple(b"p%d" % i for i in range(20)), 50_000, "I", 50, np.ones(20, np.float32))
        self._at = at

    def frame(self, index: int) -> Samples:
        self._at(index)
        return np.zeros((20, 50), np.int16)

    def close(self) -> None:
        """Nothing to close."""


def test_a_run_takes_no_more_memory_after_thousands_of_frames(redis_url: str, traced: Callable[[], int]) -> None:
    progress, held = Progress(patients=20), {}
    overrides = [f"stream.shards={SHARDS}", "ingest.keep_s=0", "ingest.max_memory=1", "ingest.buffer_mb=1"]
    sender = Sender(
        redis_url, load(environ={}, overrides=overrides).settings, shards=SHARDS, on_confirm=progress.note
    )

    def look(index: int) -> None:
        if index in {FIRST, LAST}:
            assert sender.flush(30)
            held[index] = traced()

    feed = Feed(Counted(look), Slot(1, 0), SHARDS)
    network = Network(Faults(loss=0.01, duplication=0.01, reorder=0.01, delay_s=2.0), 1)
    schedule = Schedule([feed], [0], (LAST + 5) * 1e6)
    run = Runner(
        [feed], schedule, Pace(0, 0, math.inf), network, sender, progress=progress, stop=threading.Event()
    )
    sender.start()
    try:
        assert run.run()
        assert run.finish(30)
    finally:
        sender.close()
    # A moment that is never forgotten takes sixty bytes; what a busy machine is late by, less than ten.
    assert held[LAST] - held[FIRST] < 30 * (LAST - FIRST)
