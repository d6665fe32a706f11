"""The pull loop of one replica: own shards, read, place, score, judge, commit; and reload when memory is in doubt.

One thread walks it. Redis is reached through three doors only: `Tenures` (who owns what), `ShardReader` (what
came) and `ShardStore` (what lasts). Everything between is a function of what was read, so a loop that dies at
any point leaves nothing behind but what the next owner finds in Redis.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from redis.exceptions import RedisError, ResponseError

from services.inference.alarms.census import oldest
from services.inference.alarms.together import Look
from services.inference.commit.facts import Facts, Retention
from services.inference.commit.link import Link
from services.inference.commit.reader import Pulled, ShardReader
from services.inference.commit.store import TRANSIENT, Holding, Outcome, ShardStore, transient
from services.inference.engine import Engine, score
from services.inference.engine.runtimes import Array
from services.inference.monitor import speed
from services.inference.monitor.decoding import Decoded, decoded
from services.inference.monitor.lookout import Lookout
from services.inference.monitor.pulse import WAIT, Pulse, tell
from services.inference.monitor.shard import (
    Placed,
    Room,
    Shard,
    ShardRules,
    conclude_together,
    place_together,
)
from services.inference.monitor.stopwatch import Stopwatch
from services.inference.ownership.tenure import Tenures
from services.inference.windows import Outcome as WindowOutcome
from shared.position import parse_id
from shared.settings import Settings

log = logging.getLogger(__name__)

# A read waits this long for the first entry: short, so that a turn of the tenures comes in time.
BLOCK_MS = 200
LONGEST_PAUSE_S = 2.0
TELL_EVERY_S = 1.0


class Bite:
    """How many entries of a shard one step takes: so many that a step stays well within a lease.

    A backlog read at once would take longer than the lease it must be committed under, be lost, and be
    read again, for ever. Begins small, doubles while twice as much would not take too long, halves when it does.
    """

    def __init__(self, longest_s: float, *, first: int = 8, most: int = 256) -> None:
        self.entries = first
        self._longest_s = longest_s
        self._most = most

    def took(self, seconds: float, entries: int) -> None:
        """A step of up to ``entries`` of one shard took so long."""
        if seconds > self._longest_s:
            self.entries = max(1, self.entries // 2)
        elif seconds < self._longest_s / 2 and entries >= self.entries:
            self.entries = min(self._most, self.entries * 2)


class PullLoop:
    """One replica's loop; `run` in a thread, `stop` from any. Has connections of its own and closes them."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        replica: str,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self.pulse = Pulse(beat_s=clock(), model=engine.version, folder=str(engine.model.folder.resolve()))
        self.engine = engine
        self.rules = ShardRules.of(settings)
        self._next: tuple[ShardRules, Engine] | None = None
        self._settings = settings.monitor
        self._max_missing = settings.window.max_missing
        self._clock, self._wall, self._cpu = clock, wall, cpu
        self._stop = threading.Event()
        self._replica = replica
        self._next_tell = clock()
        self._account = speed.Account()
        self._watch = Stopwatch(cpu, clock)
        timeout_s = settings.redis.timeout_s
        self._link = Link(url, timeout_s=timeout_s)
        self._reading = self._link.reader()
        self._tenures = Tenures(
            self._link,
            replica,
            settings.stream.shards,
            lease_s=self._settings.lease_s,
            beat_s=self._settings.heartbeat_s,
            clock=clock,
        )
        lease_ms = round(self._settings.lease_s * 1000)
        self._store = ShardStore(self._link, lease_ms=lease_ms, retention=Retention.of(self._settings))
        self._reader = ShardReader(self._reading)
        self._lookout = Lookout(self._reading, replica, settings.stream.shards, clock=clock)
        self._bite = Bite(self._settings.lease_s / 4)
        self._shards: dict[int, Shard] = {}
        self._room = Room.of(self.rules)

    def reconfigure(self, rules: ShardRules, engine: Engine | None = None) -> None:
        """Other alarm rules, and another model if given, from the next step on."""
        self._next = (rules, engine or self.engine)

    def stop(self) -> None:
        """Finish the step under way, give back all leases, end."""
        self._stop.set()

    def run(self) -> None:
        """Until `stop`. Waits out a Redis that is away; raises what is a fault of ours."""
        pause_s = 0.05
        try:
            while not self._stop.is_set():
                begun = self._clock()
                try:
                    self.turn()
                    pause_s = 0.05
                except (*TRANSIENT, ResponseError) as error:
                    if not transient(error):
                        raise
                    log.warning(
                        "Redis does not answer, or takes nothing (%s); trying again", " ".join(str(error).split())
                    )
                    self._stop.wait(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self.pulse.beat_s = self._clock()
                # Fewer, larger steps cost less; what comes meanwhile waits in Redis.
                self._stop.wait(max(0.0, self._settings.pace_s - (self._clock() - begun)))
        finally:
            self._leave()

    def turn(self) -> None:
        """One walk: tenures, read, score, commit. Raises what redis-py raises; then the next turn goes on."""
        watch = self._watch = Stopwatch(self._cpu, self._clock)
        with watch.stage("own"):
            self._adopt()
            self._resolve()
            turn = self._tenures.turn()
            for shard in turn.lost:
                self._forget(shard)
            for holding in turn.load:
                self._load(holding)
        worked = self._step()
        watch.tell(self.pulse, worked=worked)
        rest = Stopwatch(self._cpu, self._clock)  # after the step was told, so that the pulse below has it
        with rest.stage("own"):
            for holding in turn.leave:
                self._forget(holding.shard)  # first: Redis may be away, and what is not held must not be read
                self._tenures.release(holding.shard)
            self._tell()
        rest.tell(self.pulse, worked=False)

    def _tell(self) -> None:
        """What a replica says of itself, once a second."""
        self.pulse.shards = len(self._shards)
        if self._clock() < self._next_tell:
            return
        self._next_tell = self._clock() + TELL_EVERY_S
        self.pulse.patients = sum(len(shard) for shard in self._shards.values())
        self.pulse.unacknowledged = oldest(slot for shard in self._shards.values() for slot in shard.slots())
        with suppress(ResponseError):  # for watching only; a full Redis takes the pulse, and no figures of speed
            tell(self._reading, self._replica, self.pulse)
            speed.add(self._reading, self._account.gained(self.pulse))

    def _adopt(self) -> None:
        """Between steps, so that a window is judged by one model and one set of rules only."""
        if self._next is None:
            return
        windows = self.rules.windows
        (self.rules, self.engine), self._next = self._next, None
        if self.rules.windows != windows:  # which are for shards that are loaded from now on
            self._room = Room.of(self.rules)
        self.pulse.model, self.pulse.folder = self.engine.version, str(self.engine.model.folder.resolve())
        for shard in self._shards.values():
            shard.reconfigure(self.rules)

    def _resolve(self) -> None:
        """Find out about commits that got no answer, before anything is computed on top of them."""
        for holding in tuple(self._tenures.held.values()):
            if holding.doubt is not None:
                self._settle(holding, self._store.resolve(holding))

    def _load(self, holding: Holding) -> None:
        snapshot = self._store.load(holding)
        if snapshot is None:
            self._tenures.drop(holding.shard)
            self._forget(holding.shard)
            return
        self.pulse.reloads += 1
        self._forget(holding.shard)
        self._shards[holding.shard] = Shard(holding.shard, self.rules, snapshot, self._room)
        self._reader.follow(holding.shard, snapshot.position)

    def _step(self) -> bool:
        """Read, and carry what came; whether anything did."""
        with self._watch.stage("read"):
            now_us = self._lookout.begin(self.rules.alarms, self._shards.keys(), self._tenures.live)
            pulled = [p for p in self._reader.read(BLOCK_MS, self._bite.entries) if p.shard in self._shards]
            came, read_at = self._clock(), self._wall()
            now_us = {shard: at for shard, at in now_us.items() if self._reader.at_end(shard)}
        ahead = {each.shard for each in pulled}  # memory has taken in what is not handed to a commit yet
        try:
            placed = self._carry(pulled, now_us, ahead)
        finally:
            for shard in ahead:
                self._discard(shard)
        with self._watch.stage("own"):
            self._bite.took(self._clock() - came, max((len(each.entries) for each in pulled), default=0))
            self._note(pulled, placed, read_at)
        return bool(pulled)

    def _carry(self, pulled: list[Pulled], now_us: Mapping[int, int], ahead: set[int]) -> list[Placed]:
        """Place, score, judge, commit; takes the shards that were handed to commits out of ``ahead``.

        ``now_us``: the shards to be looked at for silence, and when.
        """
        stage = self._watch.stage
        with stage("place"):
            read = decoded(pulled, self.rules.most_bytes)
            placed = [place_together(came) for came in self._by_room(read)]
        self._keep()
        with stage("score"):
            scores = score([room[0].step.cut for room in placed], self._ask, max_missing=self._max_missing)
        self._keep()
        with stage("judge"):
            version, looks = self.engine.version, self._looks(now_us)
            steps: list[tuple[Placed, Facts]] = []
            for room, scored in zip(placed, scores, strict=True):
                # What was lost in the midst of the step is not among them: its new owner reads all of it.
                held = [(self._shards[each.shard], each) for each in room if each.shard in self._shards]
                facts_of = conclude_together(held, scored, version, looks=looks)
                steps += zip((each for _, each in held), facts_of, strict=True)
            for each, _ in steps:
                looks.pop(each.shard, None)
            silent = []
            for shard, look in looks.items():  # nothing came of these, which may be just what is to be said
                ahead.add(shard)
                facts = self._shards[shard].silence(look, version)
                if facts is None:
                    ahead.remove(shard)
                else:
                    silent.append((self._tenures.held[shard], facts))
        with stage("commit"):
            commits = [(self._tenures.held[each.shard], facts) for each, facts in steps] + silent
            outcomes = self._store.commit_many(commits, now_s=self._clock())
            ahead.difference_update(holding.shard for holding, _ in commits)
            for (holding, _), outcome in zip(commits, outcomes, strict=True):
                self._settle(holding, outcome)
            self._late([e for (e, _), outcome in zip(steps, outcomes, strict=False) if outcome is Outcome.APPLIED])
        return [each for room in placed for each in room]

    def _by_room(self, read: list[Decoded]) -> list[list[tuple[Shard, Decoded]]]:
        """Shards that take their step together: all of them, unless window rules have changed."""
        rooms: dict[int, list[tuple[Shard, Decoded]]] = {}
        for each in read:
            shard = self._shards[each.pulled.shard]
            rooms.setdefault(id(shard.room), []).append((shard, each))
        return list(rooms.values())

    def _discard(self, shard: int) -> None:
        """A step broke off (Redis went away under a renewal, say): what its entries led to must not be skipped."""
        holding = self._tenures.held.get(shard)
        if holding is not None:
            holding.discard()
        self._forget(shard)

    def _ask(self, windows: Array) -> Array:
        """The model, its time taken."""
        with self._watch.stage("model"):
            return self.engine(windows)

    def _keep(self) -> None:
        """A long step must not lose its leases while nothing is wrong but its length."""
        for shard in self._tenures.keep():
            self._forget(shard)

    def _looks(self, now_us: Mapping[int, int]) -> dict[int, Look]:
        """A look at each of these shards that is still ours, with what all replicas hear."""
        now_us = {shard: at for shard, at in now_us.items() if shard in self._shards}
        if not now_us:
            return {}
        tallies = {number: shard.tally(now_us.get(number)) for number, shard in self._shards.items()}
        together = self._lookout.together(self.rules.alarms, now_us, tallies)
        self._lookout.tell(self.rules.alarms, tallies, self._tenures.live)
        return {shard: Look(at, together) for shard, at in now_us.items()}

    def _late(self, placed: list[Placed]) -> None:
        """Note how late the windows of a step were committed."""
        now_us = self._wall() * 1e6
        waits = [np.empty(0)]
        for each in placed:
            windows = each.step.cut.windows
            # A window with gaps waited for its samples, as it should; that says nothing about our speed.
            rows = each.step.rows[windows["outcome"][each.step.rows] == WindowOutcome.COMPLETE]
            waits.append(now_us - windows["end_us"][rows])
        # Where a replay runs ahead of the clock, samples come before their time: no wait at all.
        self.pulse.latency.add(np.maximum(0.0, np.concatenate(waits) / 1e6))

    def _settle(self, holding: Holding, outcome: Outcome) -> None:
        """Memory is kept only if it is what Redis holds, or until that is known (`_resolve` comes first)."""
        if outcome in {Outcome.APPLIED, Outcome.UNKNOWN}:
            return
        self._forget(holding.shard)
        if outcome is Outcome.LOST:
            self._tenures.drop(holding.shard)

    def _forget(self, shard: int) -> None:
        memory = self._shards.pop(shard, None)
        if memory is not None:
            memory.close()
        self._reader.forget(shard)

    def _note(self, pulled: list[Pulled], placed: list[Placed], read_at: float) -> None:
        self.pulse.steps += bool(pulled)
        # Entries that an owner before us has counted are read again, which says nothing about our speed.
        waited = [e.id for each in pulled if (e := next((e for e in each.entries if e.counted), None))]
        self.pulse.lag_s = max(0.0, read_at - min(parse_id(i)[0] for i in waited) / 1000) if waited else 0.0
        if waited:
            self.pulse.took[WAIT].count(self.pulse.lag_s)
        windows = sum(len(each.step.rows) for each in placed)
        self.pulse.windows += windows
        if windows:
            self.pulse.batch.add(np.array([windows]))

    def _leave(self) -> None:
        """Give back what is held, as far as Redis answers; the rest runs out by itself."""
        try:
            self._tenures.close()
            speed.add(self._reading, self._account.gained(self.pulse))
        except RedisError as error:
            log.warning("leases are not given back, they run out: %s", error)
        self._reading.close()
        self._link.close()
