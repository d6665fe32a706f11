"""The way of a request's frames to Redis: limits, session starts, the sender, its confirmation.

Knows neither HTTP nor JSON. All frames of a request are taken or none; what is refused was not
stored, except after a 503: then some may have been, and sending them again is harmless.
"""

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from services.ingest.gateway.rate import Allowance
from services.ingest.gateway.refusal import Refusal, in_frame
from services.ingest.gateway.starts import Session, SessionStarts
from services.ingest.outbox import Dropped, Ticket
from services.ingest.parcel import Parcel
from services.ingest.sender import Sender, SenderClosed
from shared.frames import FrameError, Frames, decode
from shared.sections import GatewaySettings

# Seconds given as milliseconds or the like are a start in the last century, and no device is that old.
YEAR_2000_US = 946_684_800_000_000
# A device's sample clock may run so much faster than ours: after a day a percent is a quarter of an hour.
_DRIFT = 100  # one part in
# Faults of the bytes; any other fault of a record batch is one of a frame's fields.
_BROKEN = frozenset({"empty", "length", "truncated", "version", "checksum", "count"})
# Why the sender takes nothing: (text, seconds until it is worth trying again).
_OBSTACLES = {
    "closed": ("the gateway is stopping", 2),
    "redis": ("Redis does not answer", 1),
    "lag": ("the consumers are behind", 5),
    "memory": ("Redis is short of memory", 5),
    "full": ("too many frames wait for Redis", 1),
    "late": ("Redis has not confirmed in time", 1),
}


def busy(obstacle: str) -> Refusal:
    """The 503 for an obstacle (`services.ingest.sender.Sender.obstacle`)."""
    text, retry_after_s = _OBSTACLES[obstacle]
    return Refusal(503, obstacle, f"{text}: send it again", retry_after_s=retry_after_s)


def read_batch(body: bytes) -> list[Frames]:
    """The frames of a binary record batch, or a `Refusal`: 400 for broken bytes, 422 for a field."""
    try:
        return decode(body)
    except FrameError as error:
        raise Refusal(400 if error.reason in _BROKEN else 422, error.reason, str(error)) from None


@dataclass(frozen=True, slots=True)
class Admitted:
    """Frames on their way to Redis, to be confirmed until ``deadline`` (of the loop's clock)."""

    frames: int
    ticket: Ticket
    deadline: float


class Intake:
    """Takes frames for one gateway process; belongs to one event loop."""

    def __init__(
        self,
        sender: Sender,
        starts: SessionStarts,
        allowance: Allowance,
        settings: GatewaySettings,
        *,
        shards: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sender = sender
        self._starts = starts
        self._allowance = allowance
        self._settings = settings
        self._shards = shards
        self._clock = clock

    def check_ready(self) -> None:
        """`Refusal` 503 while frames could not be sent on at once."""
        if self._sender.obstacle is not None:
            raise busy(self._sender.obstacle)

    async def admit(self, runs: Sequence[Frames]) -> Admitted:
        """Hand frames to the sender, or raise `Refusal`. A session start of 0 is one left out.

        Costs a step of Python a frame and, for sessions not met lately, one round trip to Redis.
        """
        self.check_ready()
        deadline = asyncio.get_running_loop().time() + self._settings.confirm_timeout_s
        now_s = self._clock()
        frames = sum(map(len, runs))
        if frames > self._settings.max_frames:
            raise Refusal(413, "frames", f"a request holds at most {self._settings.max_frames} frames")
        now_us, skew_us = int(now_s * 1e6), int(self._settings.max_clock_skew_s * 1e6)
        proposed = _proposed_starts(runs, now_us, skew_us)
        samples = _samples_of(runs)
        wait = self._allowance.take(samples)
        if wait > 0:
            rule = f"more than {self._settings.max_samples_per_s:g} samples per second of one patient"
            raise Refusal(429, "rate", rule, retry_after_s=math.ceil(wait))
        try:
            async with asyncio.timeout_at(deadline):
                standing = await self._starts.agree(proposed)
            started = _with_starts(runs, standing)
            _check_ends(started, now_us, skew_us)
            ticket = self._offer(started, now_s)
        except TimeoutError:
            self._allowance.give_back(samples)
            raise busy("late") from None
        except Refusal:
            self._allowance.give_back(samples)
            raise
        return Admitted(frames, ticket, deadline)

    async def confirmed(self, admitted: Admitted) -> None:
        """Wait until Redis has the frames; `Refusal` 503 if it did not say so in time."""
        try:
            async with asyncio.timeout_at(admitted.deadline):
                # Shielded: cancelling a ticket that the sender's thread is about to resolve would upset it.
                await asyncio.shield(asyncio.wrap_future(admitted.ticket))
        except TimeoutError:
            raise busy("late") from None
        except Dropped:
            raise busy("full") from None

    def _offer(self, runs: Sequence[Frames], now_s: float) -> Ticket:
        try:
            ticket = self._sender.try_offer([Parcel.address(run, self._shards) for run in runs], now_s)
        except SenderClosed:
            raise busy("closed") from None
        except FrameError as error:
            raise Refusal(422, error.reason, str(error)) from None
        if ticket is None:
            raise busy("full")
        return ticket


def _samples_of(runs: Sequence[Frames]) -> Counter[bytes]:
    samples: Counter[bytes] = Counter()
    for run in runs:
        for patient in run.headers["patient"].tolist():
            samples[patient] += run.count
    return samples


def _sessions(run: Frames) -> list[Session]:
    return list(zip(run.headers["patient"].tolist(), run.headers["session"].tolist(), strict=True))


def _proposed_starts(runs: Sequence[Frames], now_us: int, skew_us: int) -> dict[Session, int]:
    """Of every session in the request the start it states, else the one that makes its newest sample new."""
    stated: dict[Session, int] = {}
    age_us: dict[Session, int] = defaultdict(int)
    index = 0
    for run in runs:
        starts = run.headers["session_start_us"]
        _check_starts(starts, index, now_us + skew_us)
        ends = run.headers["first"] + run.count
        rates = run.headers["rate_mhz"]
        rows = zip(_sessions(run), starts.tolist(), ends.tolist(), rates.tolist(), strict=True)
        for session, start_us, end, rate_mhz in rows:
            if start_us:
                stated.setdefault(session, start_us)
            else:
                # Python's integers: an index near 2**53 times a billion is beyond 64 bits.
                age_us[session] = max(age_us[session], end * 1_000_000_000 // rate_mhz)
            if not start_us and age_us[session] > now_us - YEAR_2000_US:
                raise in_frame(index, "first", "first", "sample 0 would be from before the year 2000")
            index += 1
    return {session: now_us - age for session, age in age_us.items()} | stated


def _check_starts(starts: "np.ndarray[tuple[int], np.dtype[np.int64]]", index: int, latest_us: int) -> None:
    early = (starts != 0) & (starts < YEAR_2000_US)
    if early.any():
        rule = "before the year 2000; a number is microseconds since 1970"
        raise in_frame(index + int(np.argmax(early)), "session_start", "session_start", rule)
    late = starts > latest_us
    if late.any():
        rule = "in the future; set the clock of the device or of the gateway"
        raise in_frame(index + int(np.argmax(late)), "session_start", "clock", rule)


def _check_ends(runs: Sequence[Frames], now_us: int, skew_us: int) -> None:
    """`Refusal` 422 for samples that cannot have been taken yet.

    One wrong index would carry a patient's time ahead for good: all that really comes after it would be late.
    """
    index = 0
    for run in runs:
        header = run.headers
        age_us = now_us - header["session_start_us"]
        # Floats: an index near 2**53 times a billion is beyond 64 bits, and no microsecond matters here.
        ends_us = (header["first"] + run.count) * (1e9 / header["rate_mhz"])
        late = ends_us > age_us + skew_us + np.maximum(age_us, 0) / _DRIFT
        if late.any():
            rule = "its samples end in the future: correct the index, the clock or session_start, in a new session"
            raise in_frame(index + int(np.argmax(late)), "first", "clock", rule)
        index += len(run)


def _with_starts(runs: Sequence[Frames], standing: dict[Session, int]) -> list[Frames]:
    """The frames with the starts that stand; `Refusal` 409 for one that states another."""
    made = []
    index = 0
    for run in runs:
        stand = np.array([standing[session] for session in _sessions(run)], np.int64)
        stated = run.headers["session_start_us"]
        other = (stated != 0) & (stated != stand)
        if other.any():
            rule = "this session began at another time; a session has one start: state that, or a new session id"
            where = f"frame {index + int(np.argmax(other))}, session_start"
            raise Refusal(409, "session_start", f"{where}: {rule}")
        header = run.headers.copy()
        header["session_start_us"] = stand
        made.append(Frames(header, run.samples))
        index += len(run)
    return made
