"""What a named source remembers in Redis, so that a restarted process goes on where it was.

One hash a source: ``run`` (the run's id, also the session id of all its patients),
``origin_us`` (Unix time of the start), ``digest`` (of what is streamed), ``confirmed_us``
(sample time up to which Redis has confirmed everything), ``seen_us`` (clock at that moment), and the
pace: ``speed``, and ``paced_us`` (sample time) that was due at ``paced_at_us`` (clock).
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.ingest.feed import Feed
from shared.errors import SelfmisError
from shared.position import PatientMark
from shared.redis.connection import Client
from shared.shards import marks_key, shard_of, source_key

# A clock set back by no more than this (a correction, no mistake) is waited for.
SET_BACK_S = 10.0


class RunError(SelfmisError):
    """A run that cannot begin or resume."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a source. ``confirmed_us`` 0: nothing confirmed yet."""

    run: int
    origin_us: int
    digest: str
    confirmed_us: int = 0
    seen_us: int = 0
    speed: float = 1.0
    paced_us: int = 0
    paced_at_us: int = 0

    @classmethod
    def begin(cls, digest: str, now_us: int, speed: float = 1.0) -> "Run":
        """A new run that starts now, under a random id."""
        return cls(secrets.randbits(63) | 1, now_us, digest, 0, now_us, speed, now_us, now_us)

    def resumed(self, now_us: int, speed: float) -> "Run":
        """The same run, gone on with now: at the same speed as if it had never paused, at another from here on."""
        if speed == self.speed:
            return self
        return replace(self, speed=speed, paced_us=max(self.confirmed_us, self.origin_us), paced_at_us=now_us)

    def to_redis(self) -> dict[Any, Any]:
        """The fields of the hash."""
        return {
            "run": self.run,
            "origin_us": self.origin_us,
            "digest": self.digest,
            "confirmed_us": self.confirmed_us,
            "seen_us": self.seen_us,
            "speed": self.speed,
            "paced_us": self.paced_us,
            "paced_at_us": self.paced_at_us,
        }

    @classmethod
    def from_redis(cls, fields: Mapping[bytes, bytes]) -> "Run":
        """Mirror image of `to_redis`."""
        try:
            return cls(
                run=int(fields[b"run"]),
                origin_us=int(fields[b"origin_us"]),
                digest=fields[b"digest"].decode(),
                confirmed_us=int(fields[b"confirmed_us"]),
                seen_us=int(fields[b"seen_us"]),
                speed=float(fields[b"speed"]),
                paced_us=int(fields[b"paced_us"]),
                paced_at_us=int(fields[b"paced_at_us"]),
            )
        except (KeyError, ValueError):
            raise RunError("the record of this source in Redis is damaged: start with --new-run") from None


def stored(client: Client, name: str) -> Run | None:
    """The last run of this source, if Redis remembers one."""
    fields: Any = client.hgetall(source_key(name))
    return Run.from_redis(fields) if fields else None


def store(client: Client, name: str, run: Run) -> None:
    """Remember a run."""
    client.hset(source_key(name), mapping=run.to_redis())


def forget(client: Client, name: str) -> None:
    """A run that came to its end is not resumed."""
    client.delete(source_key(name))


def resumable(last: Run | None, digest: str, now_us: int, within_s: float) -> bool:
    """Whether to go on with ``last``: the same things are streamed, and it was alive lately.

    Later than that, nobody wants hours of samples caught up with: a new session is honest. A clock
    that was set back a little since makes it alive in the future: no reason to cut the sessions in two. One
    that was set back far would keep a resumed run waiting for it.
    """
    return (
        last is not None and last.digest == digest and -SET_BACK_S * 1e6 <= now_us - last.seen_us <= within_s * 1e6
    )


def start_frames(client: Client, feeds: Sequence[Feed], run: Run, shards: int) -> list[int]:
    """The first frame each feed must send: of every patient the one its committed next window needs.

    A patient without a mark in this session (no window committed yet) resumes from what Redis
    has confirmed. A feed starts where its neediest patient does; what others get twice is harmless.
    """
    return [_start_frame(client, feed, run, shards) for feed in feeds]


def _start_frame(client: Client, feed: Feed, run: Run, shards: int) -> int:
    patients = feed.source.roster.patients
    by_shard: dict[int, list[bytes]] = {}
    for patient in patients:
        by_shard.setdefault(shard_of(patient, shards), []).append(patient)
    pipe = client.pipeline(transaction=False)
    for shard, members in by_shard.items():
        pipe.hmget(marks_key(shard), members)
    marks = [PatientMark.unpack(raw) for reply in pipe.execute() for raw in reply if raw is not None]
    frames = [feed.frame_of(mark.next_sample) for mark in marks if mark.session == run.run]
    if len(frames) < len(patients):
        frames.append(confirmed_frames(feed, run.confirmed_us))
    return min(frames)


def confirmed_frames(feed: Feed, confirmed_us: int) -> int:
    """How many frames of a feed were due, and so confirmed, by a moment of sample time."""
    seconds_us = confirmed_us - feed.slot.start_us
    if seconds_us <= 0:
        return 0
    samples = seconds_us * feed.source.roster.rate_mhz // 1_000_000_000
    return int(samples // feed.source.roster.frame_samples)
