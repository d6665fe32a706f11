"""`python -m benchmarks.peers.pool JOB NUMBER`: a worker of a plain Redis consumer group.

As the Redis documentation has it: ``XREADGROUP`` with ``>`` for what is new, ``XACK`` for what is done, and who
starts claims with ``XAUTOCLAIM`` what a dead worker left pending. Three things it says less about are done as an
engineer with patients would:

- A group hands the entries of one stream to whoever asks, in no patient's order. So each stream belongs to one
  worker (the documentation's own advice for order: several keys, sharded by the application).
- An entry is done when no open window needs it any more: it is acknowledged then, some ten seconds after it was
  read, so that what is pending is just what a successor must read again.
- Results, the state of patients and the acknowledgements go in one MULTI.

Windows are cut and judged by the code that our monitor uses, so that only the plumbing differs. What this peer
does *not* have: a lease. Nothing takes over a dead worker's streams but its restarted self, and a worker that was
only slow writes on beside its successor. Nor does it keep what the API shows (latest, trends, counters).
"""

import os
import signal
import threading
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from benchmarks.peers.job import READY, RESULTS, Job, Scorer, fields, local_scorer, results
from services.inference.alarms import AlarmWard, Alert
from services.inference.commit.reader import Entry, Pulled
from services.inference.monitor.decoding import decoded
from services.inference.monitor.saying import evidence
from services.inference.monitor.shard import ShardRules
from services.inference.windows import Cutter
from shared.command import DONE, run
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client, connect
from shared.shards import BATCH_FIELD, stream_key

GROUP = "pool"
# Of one stream in one read.
MOST_ENTRIES = 64
BLOCK_MS = 200
# A pending entry is claimed from whom it was handed to this long ago: more than a step takes.
CLAIM_AFTER_MS = 2_000


class Shard:
    """The memory of one stream's owner, from what was committed of it."""

    def __init__(self, client: Client, number: int, rules: ShardRules) -> None:
        self.number = number
        self.stream = stream_key(number)
        self.keys = {what: f"peers:{what}:{number}" for what in ("position", "mark", "parked", "state")}
        position: Any = client.hgetall(self.keys["position"])
        marks, parked, states = (self._all(client, what) for what in ("mark", "parked", "state"))
        self.position = ShardPosition.from_redis(position)
        self.cutter = Cutter(rules.windows, self.position, ((n, m, parked.get(n)) for n, m in marks.items()))
        self.ward = AlarmWard(rules.alarms, states.items())
        self.pending: list[str] = []

    def _all(self, client: Client, what: str) -> dict[bytes, bytes]:
        found: Any = client.hgetall(self.keys[what])
        return dict(found)


class Worker:
    """One consumer of the group."""

    def __init__(self, client: Client, job: Job, number: int, scorer: Scorer, version: str) -> None:
        settings = job.rules()
        self._client, self._scorer, self._version = client, scorer, version
        self._rules = ShardRules.of(settings)
        self._name = f"worker-{number}-{os.getpid()}"
        for shard in job.share(number):
            try:
                client.xgroup_create(stream_key(shard), GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        self._shards = {shard: Shard(client, shard, self._rules) for shard in job.share(number)}
        self._by_stream = {shard.stream.encode(): shard for shard in self._shards.values()}

    def claim(self) -> None:
        """Take over and do what a dead worker left pending; waits until it counts as dead."""
        left = {number: self._claimed(shard) for number, shard in self._shards.items()}
        self._do(left)

    def step(self) -> None:
        """Read what is new, do it, commit it."""
        streams: Any = {shard.stream: ">" for shard in self._shards.values()}
        answer: Any = self._client.xreadgroup(GROUP, self._name, streams, count=MOST_ENTRIES, block=BLOCK_MS)
        self._do({self._by_stream[name].number: entries for name, entries in answer or []})

    def _claimed(self, shard: Shard) -> list[Any]:
        found: list[Any] = []
        cursor: Any = "0-0"
        stop = threading.Event()
        while True:
            waiting: Any = self._client.xpending(shard.stream, GROUP)
            mine = {each["name"].decode() for each in waiting["consumers"]} <= {self._name}
            if mine:
                return sorted(dict(found).items(), key=lambda each: parse_id(each[0].decode()))
            cursor, entries, *_ = self._client.xautoclaim(
                shard.stream, GROUP, self._name, CLAIM_AFTER_MS, start_id=cursor, count=500
            )
            found += entries
            if not entries and cursor in {b"0-0", "0-0"}:
                stop.wait(0.1)

    def _do(self, entries: dict[int, list[Any]]) -> None:
        read = decoded(
            [
                Pulled(number, tuple(Entry(i.decode(), f.get(BATCH_FIELD), counted=True) for i, f in some), ())
                for number, some in entries.items()
                if some
            ],
            self._rules.most_bytes,
        )
        if not read:
            return
        shards = [self._shards[each.pulled.shard] for each in read]
        steps = [shard.cutter.step(each.entries) for shard, each in zip(shards, read, strict=True)]
        scores, batches = self._scorer([step.cut for step in steps])
        pipe = self._client.pipeline(transaction=True)
        rows: list[bytes] = []
        alerts: list[Alert] = []
        for shard, each, step, scored in zip(shards, read, steps, scores, strict=True):
            alerts += shard.ward.apply(evidence(step.cut.windows, scored), self._version)
            rows.append(results(step.cut, scored).tobytes())
            self._keep(pipe, shard, "mark", step.marks)
            self._keep(pipe, shard, "parked", step.parked)
            self._keep(pipe, shard, "state", shard.ward.changed())
            position: Any = {"offset": step.offset, "rewind": step.rewind}
            pipe.hset(shard.keys["position"], mapping=position)
            shard.pending += [entry.id for entry in each.pulled.entries]
            rewind = parse_id(step.rewind)
            done = [i for i in shard.pending if parse_id(i) < rewind]
            if done:
                pipe.xack(shard.stream, GROUP, *done)
                shard.pending = shard.pending[len(done) :]
        if any(rows):
            pipe.xadd(RESULTS, fields(rows, alerts, batches))
        pipe.execute()

    def _keep(self, pipe: Any, shard: Shard, what: str, values: Any) -> None:
        there = {name: value for name, value in values.items() if value is not None}
        gone = [name for name, value in values.items() if value is None]
        if there:
            pipe.hset(shard.keys[what], mapping=there)
        if gone:
            pipe.hdel(shard.keys[what], *gone)


def work(job: Job, number: int, scorer: Scorer, version: str) -> None:
    """Be a worker until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with connect(job.url, resend=False) as client:  # a results' MULTI sent twice would count twice
        worker = Worker(client, job, number, scorer, version)
        worker.claim()
        client.incr(READY)
        while not stop.is_set():
            worker.step()


def main(argv: Sequence[str]) -> int:
    """Be a worker that asks the engine in its own process."""
    job, number = Job.read(argv[0]), int(argv[1])
    engine = job.engine()
    work(job, number, local_scorer(engine, job.rules().window.max_missing), engine.version)
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
