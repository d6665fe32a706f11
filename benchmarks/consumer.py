"""A minimal real consumer: reads every shard from an offset, notes what it saw, keeps the position record.

What an owner must do so that the sender can trim and knows the lag, and no more: benchmarks and
tests of ingest run against it. The monitor itself is `services.inference`.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.frames import Frames, decode
from shared.position import PatientMark, ShardPosition
from shared.redis.connection import Client
from shared.shards import BATCH_FIELD, marks_key, position_key, stream_key

WINDOW_SECONDS = 10


class Coverage:
    """Which samples of each patient's session were seen, and how often frames came again."""

    def __init__(self) -> None:
        self.frames = 0
        self._first: dict[tuple[bytes, int], list[np.ndarray[Any, np.dtype[np.int64]]]] = defaultdict(list)

    def add(self, run: Frames) -> None:
        """Note a run of equally long frames; costs a Python step a frame."""
        self.frames += len(run)
        for header in run.headers:
            key = bytes(header["patient"]), int(header["session"])
            self._first[key].append(np.array([header["first"], header["count"]], np.int64))

    def holes(self) -> dict[tuple[bytes, int], list[tuple[int, int]]]:
        """For each (patient, session) that misses any: the sample ranges missing below its newest sample."""
        found = {}
        for key, frames in self._first.items():
            rows = np.unique(np.stack(frames), axis=0)
            ends = np.maximum.accumulate(rows[:, 0] + rows[:, 1])
            before = np.concatenate([[0], ends[:-1]])
            missing = [(int(a), int(b)) for a, b in zip(before, rows[:, 0], strict=True) if b > a]
            if missing:
                found[key] = missing
        return found

    def newest(self) -> dict[tuple[bytes, int], int]:
        """One past the newest sample of each (patient, session)."""
        return {key: int(max(f.sum() for f in frames)) for key, frames in self._first.items()}

    def repeated(self) -> int:
        """Frames that came more than once."""
        return self.frames - sum(len(np.unique(np.stack(f), axis=0)) for f in self._first.values())


class Consumer:
    """Reads shards; one `step` reads what is there, notes it, and commits positions and patient marks."""

    def __init__(
        self,
        client: Client,
        shards: int | Sequence[int],
        *,
        stride_s: float = 5.0,
        coverage: Coverage | None = None,
    ) -> None:
        """``shards``: how many there are, to read them all, or the ones to read (of a cluster: of one slot)."""
        self._client = client
        self._stride_s = stride_s
        self.coverage = coverage
        self.positions = {
            shard: ShardPosition.from_redis(client.hgetall(position_key(shard)))  # type: ignore[arg-type]  # sync client
            for shard in (range(shards) if isinstance(shards, int) else shards)
        }
        self.frames = 0
        self.bytes = 0

    def step(self, *, count: int = 200, block_ms: int | None = None, marks: bool = True) -> int:
        """Read up to ``count`` entries of each shard; how many frames they held. Raises what redis-py raises."""
        streams: Any = {stream_key(shard): p.offset for shard, p in self.positions.items()}
        by_name = {stream_key(shard).encode(): shard for shard in self.positions}
        answer: Any = self._client.xread(streams, count=count, block=block_ms)
        seen = 0
        for name, entries in answer or []:
            shard = by_name[name]
            new_marks: dict[Any, Any] = {}
            for _, fields in entries:
                self.bytes += len(fields[BATCH_FIELD])
                for run in decode(fields[BATCH_FIELD]):
                    seen += len(run)
                    if self.coverage is not None:
                        self.coverage.add(run)
                    if marks:
                        new_marks.update(self._marks(run))
            self._commit(shard, entries[-1][0].decode(), new_marks)
        self.frames += seen
        return seen

    def _commit(self, shard: int, offset: str, marks: dict[Any, Any]) -> None:
        before = self.positions[shard]
        after = ShardPosition(offset=offset, rewind=offset, sequence=before.sequence + 1)
        fields: dict[Any, Any] = dict(after.to_redis())
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(position_key(shard), mapping=fields)
        if marks:
            pipe.hset(marks_key(shard), mapping=marks)
        pipe.execute()
        self.positions[shard] = after

    def _marks(self, run: Frames) -> dict[bytes, bytes]:
        """Marks as if every window were committed as soon as its last sample came."""
        marks = {}
        for header in run.headers:
            rate = int(header["rate_mhz"])
            high = int(header["first"]) + int(header["count"])
            window = max(0, int((high * 1000 / rate - WINDOW_SECONDS) // self._stride_s) + 1)
            start = int(window * self._stride_s * rate / 1000)
            mark = PatientMark(int(header["session"]), int(header["session_start_us"]), rate, window, start, high)
            marks[bytes(header["patient"])] = mark.pack()
        return marks
