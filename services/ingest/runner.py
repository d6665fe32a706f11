"""Walks the schedule: waits until frames are due, lets the network have its way, hands them to the sender.

The clock and the wish to stop come from outside. `Progress.confirmed_us` is the sample time up to which
Redis has everything; `streaming` has it remembered there, so that a restarted process resumes.
"""

import heapq
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
    """How late frames were confirmed: milliseconds, rounded up to three digits so that few numbers are kept."""

    frames: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float, frames: int) -> None:
        """So many frames were so late."""
        milliseconds = math.ceil(max(0.0, seconds) * 1000)
        step = 10 ** max(0, len(str(milliseconds)) - 3)
        self.frames[-(-milliseconds // step) * step] += frames

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


class Unconfirmed:
    """Moments of sample time at which frames were taken that Redis has not confirmed yet; asks for the earliest.

    Frames arrive in order of those moments but for the ones that the network delays: these count from
    the moment they are delayed, so that a run stopped meanwhile resumes early enough to send them.
    """

    def __init__(self) -> None:
        self._offered: deque[tuple[int, Future[None], bool]] = deque()
        self._late: Counter[int] = Counter()
        self._late_moments: list[int] = []

    def delayed(self, taken_us: int) -> None:
        """A parcel taken then will be offered later."""
        if not self._late[taken_us]:
            heapq.heappush(self._late_moments, taken_us)
        self._late[taken_us] += 1

    def offered(self, taken_us: int, ticket: Future[None], *, late: bool) -> None:
        """A parcel taken then is with the sender; ``late``: it was announced by `delayed`."""
        self._offered.append((taken_us, ticket, late))

    def earliest(self) -> float:
        """The earliest moment with an unconfirmed frame; infinite if there is none. Forgets what is confirmed."""
        while self._offered and self._offered[0][1].done():
            taken_us, _, late = self._offered.popleft()
            if late:  # a moment that was never announced must not be remembered
                self._late[taken_us] -= 1
        while self._late_moments and self._late[self._late_moments[0]] <= 0:
            del self._late[heapq.heappop(self._late_moments)]
        offered = self._offered[0][0] if self._offered else math.inf
        return min(offered, self._late_moments[0] if self._late_moments else math.inf)


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
        self._unconfirmed = Unconfirmed()
        self._walked_us = 0

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
                self._send(self._schedule.peek(), due_s)
                self._schedule.pop()  # only now: what the closed sender refused is still to come
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
        feed = self._feeds[due.feed]
        taken_us = feed.due_us(due.index)
        if due.parcel is not None:
            parcels = [due.parcel]
        else:
            whole = feed.parcel(due.index)
            taken_s = (due.at_us - feed.slot.start_us) / 1e6
            parcels = []
            for delay_s, parcel in self._network.carry(whole, due.feed, due.index, taken_s):
                if delay_s:
                    self._schedule.delay(due, parcel, delay_s)
                    self._unconfirmed.delayed(taken_us)
                else:
                    parcels.append(parcel)
        for parcel in parcels:
            ticket = self._sender.offer(parcel, due_s)
            self._progress.frames_offered += len(parcel)
            self._unconfirmed.offered(taken_us, ticket, late=due.parcel is not None)
        self._walked_us = max(self._walked_us, taken_us)

    def _note_confirmed(self) -> None:
        first_missing = self._unconfirmed.earliest()
        if self._schedule:
            first_missing = min(first_missing, self._schedule.peek().at_us)
        upto = self._walked_us if math.isinf(first_missing) else int(first_missing) - 1
        self._progress.confirmed_us = max(self._progress.confirmed_us, upto)
