"""Bytewax: keyed event-time sliding windows, the model over the batches that come, keyed alarm state, recovery on.

As its documentation has it, and then tuned:

- The source is a `FixedPartitionedSource` with a partition for each stream, whose snapshot is the last entry read.
  It asks every 50 ms, all that is there; frames decode a batch at a time.
- `SlidingWindower` of 10 s every 5 s per patient and session, on the time of the samples (`EventClock`). Its
  ``now`` stands still, so that the watermark follows from the samples alone: with the system's clock, what is read
  again after a crash is late, and lost.
- Windows collect with ``ordered=False`` and speak as soon as they are full, where `collect_window` would wait
  until the watermark passes the end (2 s of lateness).
- Scoring is `flat_map_batch`: whatever closed at once goes through the model at once. Alarms are judged by
  `stateful_batch` per shard, so that the alarm rules work on arrays, not on one window after the other.
- Recovery: SQLite partitions, a snapshot every `SNAPSHOT_S`, no backup interval. As many processes as workers
  (``-i``, ``-a``), joined to one cluster. When one is killed the others end too, and all are started again.

Sinks of bytewax are at-least-once unless they can seek back: what was written since the last snapshot is written
again. A reader that drops known ids would hide that; `doubled` counts it.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import numpy as np
import numpy.typing as npt
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.operators import windowing as w
from bytewax.operators.windowing import WindowLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.peers.job import READY, RESULTS, Job, cut_of, fields, local_scorer, results, window_row
from services.inference.alarms import AlarmWard, Alert
from services.inference.engine import Scored
from services.inference.monitor.saying import evidence
from services.inference.monitor.shard import ShardRules
from services.inference.windows import Cut
from shared.errors import SelfmisError
from shared.frames import decode_many
from shared.position import STREAM_START
from shared.redis.connection import Client, connect
from shared.shards import BATCH_FIELD, shard_of, stream_key

SNAPSHOT_S = 10
POLL = timedelta(milliseconds=50)
MOST_ENTRIES = 256
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOW_S = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Some samples of one session, within one stride, in millivolts. ``at``: on the session's own clock."""

    start_us: int
    rate_mhz: int
    first: int
    at: datetime
    millivolts: npt.NDArray[np.float32]


Pieces = tuple[Piece, ...]


class StreamPart(StatefulSourcePartition[Any, str]):
    """Follows one stream; gives (patient|session, piece)."""

    def __init__(self, client: Client, stream: str, last: str, stride_us: int) -> None:
        self._client, self._stream, self._last, self._stride_us = client, stream, last, stride_us
        self._next = datetime.now(UTC)

    def next_batch(self) -> Iterable[Any]:
        """What is there."""
        self._next = datetime.now(UTC) + POLL
        answer: Any = self._client.xread({self._stream: self._last}, count=MOST_ENTRIES)
        if not answer:
            return []
        entries = answer[0][1]
        self._last = entries[-1][0].decode()
        return list(pieces_of([f[BATCH_FIELD] for _, f in entries], self._stride_us))

    def next_awake(self) -> datetime:
        """When to ask again."""
        return self._next

    def snapshot(self) -> str:
        """The last entry read."""
        return self._last


class Streams(FixedPartitionedSource[Any, str]):
    """All streams of frames, each a partition."""

    def __init__(self, client: Client, shards: int, stride_us: int) -> None:
        self._client, self._shards, self._stride_us = client, shards, stride_us

    def list_parts(self) -> list[str]:
        """Their names."""
        return [stream_key(shard) for shard in range(self._shards)]

    def build_part(self, step_id: str, for_part: str, resume_state: str | None) -> StreamPart:  # noqa: ARG002 - theirs
        """From the last entry of the snapshot on."""
        return StreamPart(self._client, for_part, resume_state or STREAM_START, self._stride_us)


def pieces_of(batches: list[bytes], stride_us: int) -> Iterable[tuple[str, Piece]]:
    for runs in decode_many(batches):
        if isinstance(runs, SelfmisError):
            raise runs
        for run in runs:
            for header, samples in zip(run.headers.tolist(), run.millivolts(), strict=True):
                _, _, _, count, patient, session, start_us, first, rate, _ = header
                stride, rest = divmod(rate * stride_us, 10**9)
                if rest:
                    raise SelfmisError(
                        f"bench peers: bytewax's windows need whole samples a stride, not {rate} mHz"
                    )
                key = f"{patient.decode()}|{session}"
                at = first
                while at < first + count:
                    end = min(first + count, (at // stride + 1) * stride)
                    time = EPOCH + timedelta(microseconds=at * 10**9 // rate)
                    yield key, Piece(start_us, rate, at, time, samples[at - first : end - first])
                    at = end


class Assembly(WindowLogic[Piece, Pieces, tuple[Pieces, int]]):
    """The pieces of one window; given away when it is full, else when the watermark has passed it."""

    def __init__(self, resume: tuple[Pieces, int] | None) -> None:
        self._pieces, self._missing = resume or ((), -1)

    def on_value(self, value: Piece) -> Iterable[Pieces]:
        """Once more samples; those that came before count once."""
        if self._missing < 0:
            self._missing = WINDOW_S * value.rate_mhz // 1000
        if not self._missing or any(piece.first == value.first for piece in self._pieces):
            return ()
        self._pieces = (*self._pieces, value)
        self._missing -= len(value.millivolts)
        return self._take() if self._missing == 0 else ()

    def on_merge(self, original: Any) -> Iterable[Pieces]:
        """What bytewax asks of windows that merge, as sessions do; sliding ones never do."""
        raise NotImplementedError("sliding windows do not merge")

    def on_close(self) -> Iterable[Pieces]:
        """With gaps, if it still waits."""
        return self._take() if self._missing else ()

    def snapshot(self) -> tuple[Pieces, int]:
        """Immutable already."""
        return self._pieces, self._missing

    def _take(self) -> Iterable[Pieces]:
        taken, self._pieces, self._missing = self._pieces, (), 0
        return (taken,)


@dataclass(frozen=True, eq=False, slots=True)
class Portion:
    """Scored windows of one shard. ``batches``: its share of the model's calls."""

    cut: Cut
    scored: Scored
    batches: float


class Alarms(StatefulBatchLogic[Portion, "Judged", dict[bytes, bytes]]):
    """The alarm rules of one shard."""

    def __init__(self, job_rules: ShardRules, version: str, resume: dict[bytes, bytes] | None) -> None:
        self._states = dict(resume or {})
        self._ward = AlarmWard(job_rules.alarms, self._states.items())
        self._version = version

    def on_batch(self, values: list[Portion]) -> tuple[Iterable["Judged"], bool]:
        """Judge windows."""
        judged = []
        for each in values:
            alerts = self._ward.apply(evidence(each.cut.windows, each.scored), self._version)
            judged.append(Judged(results(each.cut, each.scored).tobytes(), tuple(alerts), each.batches))
        self._states.update(self._ward.changed())
        return judged, StatefulBatchLogic.RETAIN

    def snapshot(self) -> dict[bytes, bytes]:
        """The state of each patient."""
        return dict(self._states)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be written."""

    rows: bytes
    alerts: tuple[Alert, ...]
    batches: float


class ResultPart(StatelessSinkPartition[Any]):
    """Appends to the stream of results, one entry a batch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def write_batch(self, items: list[tuple[str, Judged]]) -> None:
        """Write."""
        found = [judged for _, judged in items]
        alerts = [alert for each in found for alert in each.alerts]
        self._client.xadd(
            RESULTS, fields([each.rows for each in found], alerts, sum(each.batches for each in found))
        )


class ResultStream(DynamicSink[Any]):
    """Every worker writes what it has."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def build(self, step_id: str, worker_index: int, worker_count: int) -> ResultPart:  # noqa: ARG002 - theirs
        """One a worker."""
        return ResultPart(self._client)


def flow(job_file: str) -> Dataflow:
    """The dataflow; what `python -m bytewax.run benchmarks.peers.bytewax_peer:flow('JOB')` asks for."""
    job = Job.read(job_file)
    settings = job.rules()
    rules, stride_us = ShardRules.of(settings), round(settings.window.stride_s * 1e6)
    shards, most = settings.stream.shards, settings.window.max_missing
    client = connect(job.url)
    engine = job.engine()
    scorer = local_scorer(engine, most)

    def score(closed: list[tuple[str, tuple[int, Pieces]]]) -> Iterable[tuple[str, Portion]]:
        by_shard: dict[int, list[tuple[str, int, Pieces]]] = defaultdict(list)
        for key, (window, pieces) in closed:
            if window >= 0 and pieces:  # the sliding windows that begin before the session does are none of ours
                by_shard[shard_of(key.rsplit("|", 1)[0].encode(), shards)].append((key, window, pieces))
        cuts = {shard: cut_of_pieces(windows, stride_us, most) for shard, windows in by_shard.items()}
        if cuts:
            scores, batches = scorer(list(cuts.values()))
            for (shard, cut), scored in zip(cuts.items(), scores, strict=True):
                yield f"{shard:05d}", Portion(cut, scored, batches / len(cuts))

    clock = w.EventClock(
        ts_getter=lambda piece: piece.at,
        wait_for_system_duration=timedelta(seconds=settings.window.lateness_s),
        now_getter=lambda: EPOCH,
        to_system_utc=lambda _: None,
    )
    windower = w.SlidingWindower(
        length=timedelta(seconds=WINDOW_S), offset=timedelta(microseconds=stride_us), align_to=EPOCH
    )
    dataflow = Dataflow("peer")
    pieces = op.input("frames", dataflow, Streams(client, shards, stride_us))
    windows = w.window("windows", pieces, clock, windower, Assembly, ordered=False)
    scored = op.flat_map_batch("score", windows.down, score)
    judged = op.stateful_batch("alarms", scored, lambda state: Alarms(rules, engine.version, state))
    op.output("results", judged, ResultStream(client))
    client.incr(READY)
    return dataflow


def cut_of_pieces(windows: Sequence[tuple[str, int, Pieces]], stride_us: int, most: float) -> Cut:
    rows, samples = [], []
    for key, window, pieces in windows:
        name, session = key.rsplit("|", 1)
        rate = pieces[0].rate_mhz
        whole = np.full(WINDOW_S * rate // 1000, np.nan, np.float32)
        first = window * stride_us * rate // 10**9
        for piece in pieces:
            whole[piece.first - first : piece.first - first + len(piece.millivolts)] = piece.millivolts
        missing = int(np.isnan(whole).sum())
        start_us = pieces[0].start_us
        rows.append(
            window_row(
                name.encode(), int(session), start_us, window, rate, stride_us, missing, int(most * len(whole))
            )
        )
        samples.append(whole)
    return cut_of(rows, samples)


def commands(job_file: str, recovery: str, ports: Sequence[int]) -> list[list[str]]:
    """The command of each process of the cluster."""
    addresses = ";".join(f"localhost:{port}" for port in ports)
    start = [sys.executable, "-m", "bytewax.run", f"benchmarks.peers.bytewax_peer:flow({os.fspath(job_file)!r})"]
    start += ["-r", recovery, "-s", str(SNAPSHOT_S), "-b", "0"]
    if len(ports) == 1:
        return [start]
    return [[*start, "-i", str(number), "-a", addresses] for number in range(len(ports))]
