"""A real owner with trivial arithmetic: small enough to see whether anything is lost or doubled.

Windows of 100 samples every 50; a window is its sum. Each patient's state is a hash chained over that
patient's windows, so one window lost, doubled or out of order shows for ever. Also a program:
``python -m tests.services.inference.tally URL …`` owns shards until all is read, and can kill or
stop itself at any point of its loop.
"""

import argparse
import hashlib
import os
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.inference.commit.facts import Alert, DeadLetter, Facts, Kind, Retention
from services.inference.commit.ids import after
from services.inference.commit.link import Link
from services.inference.commit.reader import Pulled, ShardReader
from services.inference.commit.store import TRANSIENT, Outcome, ShardStore, Snapshot
from services.inference.ownership.tenure import Tenures
from shared.frames import FrameError, Frames, decode, encode, headers
from shared.position import PatientMark, ShardPosition, parse_id
from shared.redis.connection import Client, connect
from shared.shards import (
    BATCH_FIELD,
    alerts_key,
    audit_key,
    commands_key,
    counters_key,
    dead_letters_key,
    marks_key,
    parked_key,
    position_key,
    shard_of,
    state_key,
    stream_key,
)

WINDOW, STRIDE = 100, 50
RETENTION = Retention(alerts_max=10_000, alerts_keep_ms=10**9, audit_max=1000, dead_letters_max=1000)


@dataclass
class Patient:
    session: int
    next_window: int = 0
    high_water: int = 0  # as the last window closed: a mark must not tell where a step ended
    chain: bytes = bytes(32)
    notes: int = 0
    # (first sample, samples, entry): what came and is still needed.
    frames: list[tuple[int, Any, str]] = field(default_factory=list)

    @property
    def next_sample(self) -> int:
        return self.next_window * STRIDE

    def place(self, first: int, samples: Any, entry: str) -> None:
        known = any(f <= first and first + len(samples) <= f + len(s) for f, s, _ in self.frames)
        if first + len(samples) > self.next_sample and not known:
            self.frames.append((first, samples, entry))

    def closed(self) -> list[tuple[int, int]]:
        """Number and sum of the windows that are complete now, in order."""
        windows = []
        while True:
            there = np.zeros(WINDOW, bool)
            values = np.zeros(WINDOW, np.int64)
            for first, samples, _ in self.frames:
                low, high = max(first, self.next_sample), min(first + len(samples), self.next_sample + WINDOW)
                if low < high:
                    there[low - self.next_sample : high - self.next_sample] = True
                    values[low - self.next_sample : high - self.next_sample] = samples[low - first : high - first]
            if not there.all():
                return windows
            windows.append((self.next_window, int(values.sum())))
            link = self.chain + struct.pack("<qq", *windows[-1])
            self.chain = hashlib.sha256(link).digest()
            self.next_window += 1
            self.high_water = max(self.high_water, *(first + len(samples) for first, samples, _ in self.frames))
            self.frames = [f for f in self.frames if f[0] + len(f[1]) > self.next_sample]

    def mark(self) -> bytes:
        mark = PatientMark(self.session, 0, 100_000, self.next_window, self.next_sample, self.high_water)
        return mark.pack()

    def state(self) -> bytes:
        return self.chain + struct.pack("<q", self.notes)


class Tally:
    """The pure part: one shard's memory."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.position = snapshot.position
        self.patients: dict[bytes, Patient] = {}
        for name, raw in snapshot.patients[Kind.MARK].items():
            mark = PatientMark.unpack(raw)
            state = snapshot.patients[Kind.STATE][name]
            (notes,) = struct.unpack("<q", state[32:])
            self.patients[name] = Patient(mark.session, mark.next_window, mark.high_water, state[:32], notes)

    def step(self, pulled: Pulled) -> Facts | None:
        counters: Counter[str] = Counter()
        alerts: list[Alert] = []
        dead: list[DeadLetter] = []
        audit: list[bytes] = []
        changed: set[bytes] = set()
        offset, command = self.position.offset, self.position.command
        for entry in pulled.entries:
            if entry.counted:
                offset = entry.id
                counters["entries"] += 1
            try:
                runs = decode(entry.data or b"")
            except FrameError as error:
                if entry.counted:
                    dead.append(DeadLetter(error.reason, entry.id, entry.data or b""))
                    counters["dead"] += 1
                continue
            for run in runs:
                for header, samples in zip(run.headers, run.samples, strict=True):
                    counters["frames"] += entry.counted
                    name = bytes(header["patient"])
                    patient = self.patients.setdefault(name, Patient(int(header["session"])))
                    patient.place(int(header["first"]), samples.astype(np.int64), entry.id)
                    for window, total in patient.closed():
                        changed.add(name)
                        counters["windows"] += 1
                        counters[f"sum_le_{total // 100_000}"] += 1
                        if total % 5 == 0:
                            counters["alerts"] += 1
                            alerts.append(Alert(f"{name.decode()}/{window}", str(total).encode()))
        for asked in pulled.commands:
            name = asked.fields["patient"].encode()
            patient = self.patients.setdefault(name, Patient(1))
            patient.notes += 1
            changed.add(name)
            command = asked.id
            audit.append(f"{asked.fields['patient']} {asked.fields['text']}".encode())
        if offset == self.position.offset and not pulled.commands:
            return None  # read again for open windows: nothing new, nothing to commit
        open_entries = [f[2] for p in self.patients.values() for f in p.frames]
        rewind = min(open_entries, key=parse_id) if open_entries else after(offset)
        if parse_id(rewind) < parse_id(self.position.rewind):
            rewind = self.position.rewind
        facts = Facts(
            offset,
            rewind,
            command,
            {
                Kind.MARK: {name: self.patients[name].mark() for name in changed},
                Kind.STATE: {name: self.patients[name].state() for name in changed},
                Kind.PARKED: dict.fromkeys(changed),
                Kind.LATEST: {name: b"%d" % self.patients[name].next_window for name in changed},
            },
            counters,
            alerts,
            audit,
            dead,
        )
        self.position = ShardPosition(offset=offset, rewind=rewind, command=command)
        return facts


def nothing(point: str) -> None:
    """The usual: nothing happens between two steps."""


class Owner:
    """The thin loop: what a pull loop does, one thing after the other, with a point between any two."""

    def __init__(
        self,
        url: str,
        replica: str,
        shards: int,
        *,
        lease_s: float = 30.0,
        most: int = 3,
        point: Callable[[str], None] = nothing,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 5.0,
        link: Link | None = None,
    ) -> None:
        self.link = link or Link(url, timeout_s=timeout_s)
        self.read_client = connect(url, timeout_s=timeout_s)
        self.store = ShardStore(self.link, lease_ms=round(lease_s * 1000), retention=RETENTION)
        self.reader = ShardReader(self.read_client, most=most)
        self.tenures = Tenures(
            self.link, replica, shards, lease_s=lease_s, beat_s=min(1.0, lease_s / 4), clock=clock
        )
        self.work: dict[int, Tally] = {}
        self.outcomes: Counter[Outcome] = Counter()
        self.loads = 0
        self.clock, self.point = clock, point

    def turn(self, block_ms: int = 5) -> None:
        """One round of the loop; waits out a Redis that is away."""
        try:
            self._turn(block_ms)
        except TRANSIENT:
            time.sleep(0.02)

    def _turn(self, block_ms: int) -> None:
        for holding in self.tenures.held.values():
            if holding.doubt is not None:
                self._act(holding.shard, self.store.resolve(holding))
        self.point("turn")
        turn = self.tenures.turn()
        for shard in turn.lost:
            self._forget(shard)
        for holding in turn.load:
            self.point("load")
            self._forget(holding.shard)
            snapshot = self.store.load(holding)
            self.point("loaded")
            if snapshot is None:
                self.tenures.drop(holding.shard)
                continue
            self.loads += 1
            self.work[holding.shard] = Tally(snapshot)
            self.reader.follow(holding.shard, snapshot.position)
        self.point("read")
        for pulled in self.reader.read(block_ms):
            if pulled.shard not in self.work:
                continue
            self.point("step")
            facts = self.work[pulled.shard].step(pulled)
            if facts is None:
                continue
            self.point("commit")
            outcome = self.store.commit(self.tenures.held[pulled.shard], facts, now_s=self.clock())
            self.point("committed")
            self._act(pulled.shard, outcome)
        for holding in turn.leave:
            self.point("release")
            self._forget(holding.shard)
            self.tenures.release(holding.shard)
            self.point("released")

    def _act(self, shard: int, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1
        while outcome is Outcome.UNKNOWN:
            self.point("resolve")
            try:
                outcome = self.store.resolve(self.tenures.held[shard])
            except TRANSIENT:
                time.sleep(0.02)
                continue
            self.outcomes[outcome] += 1
        if outcome is not Outcome.APPLIED:
            self._forget(shard)
        if outcome is Outcome.LOST:
            self.tenures.drop(shard)

    def _forget(self, shard: int) -> None:
        self.work.pop(shard, None)
        self.reader.forget(shard)

    def close(self) -> None:
        self.tenures.close()
        self.abandon()

    def abandon(self) -> None:
        """Go as a killed process goes: nothing is given back."""
        self.link.close()
        self.read_client.close()


Scenario = dict[int, list[tuple[str, bytes]]]


def scenario(shards: int, patients: int = 6, frames: int = 10, seed: int = 1) -> Scenario:
    """Entries of every shard under ids of their own: some frames twice, some late, some entries broken."""
    random = np.random.default_rng(seed)
    entries: Scenario = {shard: [] for shard in range(shards)}
    names = [f"p{i}".encode() for i in range(patients)]
    for shard in range(shards):
        mine = [name for name in names if shard_of(name, shards) == shard]
        order = [(name, f) for f in range(frames) for name in mine]
        for _ in range(len(order) // 3):  # neighbours change places, so some frames are late
            at = int(random.integers(0, len(order) - 1))
            order[at], order[at + 1] = order[at + 1], order[at]
        order += [order[int(at)] for at in random.integers(0, len(order), len(order) // 4)]
        for number, part in enumerate(order[at : at + 3] for at in range(0, len(order), 3)):
            batch = b"".join(encode(_frame(name, f)) for name, f in part)
            if number % 7 == 3:
                entries[shard].append((f"{1000 + number}-0", b"\xff" * 16))
            entries[shard].append((f"{1000 + number}-1", batch))
    return entries


def _frame(name: bytes, number: int) -> Frames:
    count = 35  # windows begin and end inside frames
    header = headers(1)
    header["patient"], header["session"], header["first"] = name, 1, number * count
    header["rate_mhz"], header["uv_per_lsb"] = 100_000, 1.0
    samples = (np.arange(number * count, (number + 1) * count) * (1 + name[-1] % 7) % 3001).astype(np.int16)
    return Frames(header, samples[None, :])


def fill(client: Client, entries: Scenario, *, commands: bool = True) -> None:
    """Put what is not there into the streams, as a source does that sends lost batches again."""
    for shard, rows in entries.items():
        have = {entry_id.decode() for entry_id, _ in client.xrange(stream_key(shard))}
        for entry_id, batch in rows:
            if entry_id not in have:
                client.xadd(stream_key(shard), {BATCH_FIELD: batch}, id=entry_id)
        if commands and rows:
            have = {entry_id.decode() for entry_id, _ in client.xrange(commands_key(shard))}
            # Applied ones may have been trimmed: those above what was applied are what a caller repeats.
            done = client.hget(position_key(shard), "command") or b"0-0"
            for number in range(3):
                command = f"{500 + number}-0"
                if command not in have and parse_id(command) > parse_id(done.decode()):
                    fields = {"patient": f"p{shard}", "text": f"note {number}"}
                    client.xadd(commands_key(shard), fields, id=command)


def done(client: Client, entries: Scenario) -> bool:
    """Whether everything is read and committed."""
    for shard, rows in entries.items():
        position = ShardPosition.from_redis(client.hgetall(position_key(shard)))
        if rows and (position.offset != rows[-1][0] or position.command != "502-0"):
            return False
    return True


def committed(client: Client, shards: int) -> dict[int, Any]:
    """All that was committed, but for how many steps it took and who did it."""
    found = {}
    for shard in range(shards):
        position = ShardPosition.from_redis(client.hgetall(position_key(shard)))
        found[shard] = {
            "marks": client.hgetall(marks_key(shard)),
            "state": client.hgetall(state_key(shard)),
            "parked": client.hgetall(parked_key(shard)),
            "counters": client.hgetall(counters_key(shard)),
            "alerts": [(row[b"id"], row[b"body"]) for _, row in client.xrange(alerts_key(shard))],
            "audit": [row[b"body"] for _, row in client.xrange(audit_key(shard))],
            "dead": [(row[b"reason"], row[b"entry"]) for _, row in client.xrange(dead_letters_key(shard))],
            "ends": (position.offset, position.rewind, position.command),
        }
    return found


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--replica", default="child")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--lease", type=float, default=0.6)
    parser.add_argument("--at", help="NAME:NUMBER, the point where --signal is sent to itself")
    parser.add_argument("--signal", type=int, default=signal.SIGKILL)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args(argv)
    passed: Counter[str] = Counter()

    def point(name: str) -> None:
        passed[name] += 1
        if f"{name}:{passed[name]}" == arguments.at:
            os.kill(os.getpid(), arguments.signal)

    owner = Owner(arguments.url, arguments.replica, arguments.shards, lease_s=arguments.lease, most=2, point=point)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        ends = time.monotonic() + arguments.seconds
        told: Counter[Outcome] = Counter()
        while time.monotonic() < ends:
            owner.turn()
            for outcome in owner.outcomes - told:
                print(outcome.value, flush=True)
            told = owner.outcomes.copy()
    finally:
        owner.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
