"""Walks the schedule: waits until frames are due, lets the network have its way, hands them to the sender.

The clock and the wish to stop come from outside. `Progress.confirmed_us` is the sample time up to which
Redis has everything; `streaming` has it remembered there, so that a restarted process resumes.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from services.ingest.faults import Network
from services.ingest.feed import Feed
from services.ingest.outbox import Ticket
from services.ingest.schedule import Due, Pace, Schedule
from services.ingest.sender import Sender, SenderClosed

LONGEST_WAIT_S = 1.0


@dataclass(slots=True)
class Lateness:
    """How late frames were confirmed, counted by the millisecond (rounded up)."""

    frames: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float, frames: int) -> None:
        """So many frames were so late."""
        self.frames[math.ceil(max(0.0, seconds) * 1000)] += frames

    def quantile_s(self, share: float) -> float | None:
        """The lateness that ``share`` of the frames do not exceed; None without frames."""
        need = share * self.frames.total()
        for milliseconds in sorted(self.frames):
            need -= self.frames[milliseconds]
            if need <= 0:
                return milliseconds / 1000
        return None

    def since(self, before: "Lateness") -> "Lateness":
        """What was added after ``before`` was copied."""
        return Lateness(self.frames - before.frames)

    def copy(self) -> "Lateness":
        """As it is now; safe while another thread adds."""
        return Lateness(self.frames.copy())


@dataclass(slots=True)
class Progress:
    """Where a run stands. Written by the runner and, for lateness, the sender's thread."""

    patients: int
    frames_offered: int = 0
    confirmed_us: int = 0
    lateness: Lateness = field(default_factory=Lateness)

    def note(self, ticket: Ticket, now_s: float) -> None:
        """The sender's ``on_confirm``. What was due at once (as fast as possible) cannot be late."""
        if ticket.due_s:
            self.lateness.add(now_s - ticket.due_s, ticket.frames)


class Runner:
    """One run of some feeds from given frames to their end, ``stop``, or the end of sample time ``stop_us``."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        schedule: Schedule,
        pace: Pace,
        network: Network,
        sender: Sender,
        *,
        progress: Progress,
        stop: threading.Event,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._feeds = feeds
        self._schedule = schedule
        self._pace = pace
        self._network = network
        self._sender = sender
        self._progress = progress
        self._stop = stop
        self._clock = clock
        self._outstanding: deque[tuple[int, Future[None]]] = deque()

    def run(self) -> bool:
        """Send until the end; True if it was reached, False if stopped before."""
        while self._schedule and not self._stop.is_set():
            due_s = self._pace.wall_s(self._schedule.peek().at_us)
            wait = due_s - self._clock()
            if wait > 0 and self._stop.wait(min(wait, LONGEST_WAIT_S)):
                break
            self._note_confirmed()
            if wait > LONGEST_WAIT_S:
                continue
            try:
                self._send(self._schedule.pop(), due_s)
            except SenderClosed:
                if self._stop.is_set():
                    break
                raise
        return not self._schedule

    def finish(self, timeout_s: float) -> bool:
        """Wait for the last confirmations; False if some did not come in time."""
        done = self._sender.flush(timeout_s)
        self._note_confirmed()
        return done

    def _send(self, due: Due, due_s: float) -> None:
        if due.parcel is not None:
            parcels = [due.parcel]
        else:
            feed = self._feeds[due.feed]
            whole = feed.parcel(due.index)
            taken_s = (due.at_us - feed.slot.start_us) / 1e6
            parcels = []
            for delay_s, parcel in self._network.carry(whole, due.feed, due.index, taken_s):
                if delay_s:
                    self._schedule.delay(due, parcel, delay_s)
                else:
                    parcels.append(parcel)
        for parcel in parcels:
            ticket = self._sender.offer(parcel, due_s)
            self._progress.frames_offered += len(parcel)
            self._outstanding.append((due.at_us, ticket))

    def _note_confirmed(self) -> None:
        while self._outstanding and self._outstanding[0][1].done():
            self._progress.confirmed_us = max(self._progress.confirmed_us, self._outstanding.popleft()[0])
