"""What comes over the stream: record batches, and whatever else somebody writes into a shard's streams."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from benchmarks.fuzz.bend import WORDS, bent_bytes, bent_json
from benchmarks.fuzz.door import Way
from benchmarks.fuzz.judge import Wrong
from benchmarks.fuzz.parts import chosen, join, split
from benchmarks.untrained import untrained
from services.inference.alarms import Action
from services.inference.alarms import Command as Asked
from services.inference.commit.facts import Kind
from services.inference.commit.reader import Command, Entry, Pulled
from services.inference.commit.store import Snapshot
from services.inference.engine import Engine, open_engine
from services.inference.engine.scoring import score
from services.inference.monitor.decoding import decoded
from services.inference.monitor.offline import NOTHING_COMMITTED
from services.inference.monitor.shard import COMMAND_FIELD, Shard, ShardRules
from shared.frames import (
    HEADER,
    HEADER_BYTES,
    FrameError,
    Frames,
    decode,
    decode_many,
    encode,
    frame_bytes,
    headers,
)
from shared.frames import _checksums as checksums
from shared.frames import _frame_dtype as frame_dtype
from shared.position import ShardPosition
from shared.settings import load

START_US = 1_767_225_600_000_000
_FIELDS = [name for name in HEADER.names or () if name != "checksum"]


def batch(chance: Random, *, patients: int = 4, seconds: float = 1.0, first: int = 0) -> bytes:
    """A good batch of up to so many patients."""
    n, rate = chance.randrange(1, patients + 1), chance.choice((100, 125, 250))
    header = headers(n)
    header["patient"] = [f"p{chance.randrange(20)}".encode() for _ in range(n)]
    header["session"] = chance.randrange(1, 4)
    header["session_start_us"] = START_US
    header["first"] = first
    header["rate_mhz"] = rate * 1000
    header["uv_per_lsb"] = 2.5
    count = max(1, round(seconds * rate))
    waves = 300 * np.sin(np.arange(n * count).reshape(n, count) / chance.uniform(3, 30))
    return encode(Frames(header, waves.astype(np.int16)))


def bent_batch(case: bytes, chance: Random) -> bytes:
    """A change of the bytes, or of a field of one frame with the checksum made right again."""
    if chance.random() < 0.4:
        return bent_bytes(case, chance)
    if chance.random() < 0.1:
        return case + batch(chance, seconds=chance.choice((0.01, 0.5, 1)))
    if len(case) < HEADER_BYTES:
        return batch(chance)
    count = int.from_bytes(case[6:8], "little") or 1
    size = frame_bytes(count)
    if len(case) < size:
        return bent_bytes(case, chance)
    at = size * chance.randrange(len(case) // size)
    # A field takes any bytes; the checksum over them is right, so that what it guards is reached.
    field = chance.choice(_FIELDS)
    begin = at + int(HEADER.fields[field][1]) if HEADER.fields is not None else at
    width = int(HEADER[field].itemsize)
    value = chance.choice((b"\x00" * width, b"\xff" * width, chance.randbytes(width), _word(chance, width)))
    bent = bytearray(case)
    bent[begin : begin + width] = value
    return sealed(bytes(bent), at)


def sealed(case: bytes, at: int) -> bytes:
    """The frame at that place with a right checksum, as far as it is one."""
    count = int.from_bytes(case[at + 6 : at + 8], "little")
    if not count or len(case) - at < frame_bytes(count):
        return case
    one = np.frombuffer(case, frame_dtype(count), count=1, offset=at)
    return case[:at] + checksums(one).tobytes() + case[at + 4 :]


def _word(chance: Random, width: int) -> bytes:
    return chance.choice(WORDS)[:width].ljust(width, b"\x00")


@contextmanager
def frames(_folder: Path) -> Iterator[Way]:
    """`shared.frames`: alone and beside a good batch the same, and what is taken encodes to what came."""
    beside = batch(Random(1))

    def enter(case: bytes) -> None:
        together = decode_many([case, beside])
        if isinstance(together[1], FrameError):
            raise Wrong("a bad batch spoils its neighbour")
        try:
            alone = decode(case)
        except FrameError:
            if not isinstance(together[0], FrameError):
                raise Wrong("refused alone, taken beside another") from None
            raise
        if isinstance(together[0], FrameError):
            raise Wrong("taken alone, refused beside another")
        if sum(map(len, alone)) != sum(map(len, together[0])):
            raise Wrong("other frames beside another batch than alone")
        for run in alone:
            again = decode(encode(run))
            if again[0].headers["patient"].tolist() != run.headers["patient"].tolist():
                raise Wrong("a frame does not encode to what it was")

    yield Way(batch, bent_batch, enter)


@contextmanager
def shard_streams(folder: Path) -> Iterator[Way]:
    """A shard's own way from entries and commands to what one commit makes last: nobody's bytes may stop it.

    Refused entries become dead letters and refused commands audit, so a case is always taken; what the offline
    run and a second run make of it must be the same.
    """
    settings = load(environ={}, overrides=["stream.shards=1"]).settings
    rules = ShardRules.of(settings)
    engine = open_engine(untrained(folder / "model"), settings.engine)

    def valid(chance: Random) -> bytes:
        first, parts = 0, {}
        for number in range(chance.randrange(1, 4)):
            parts[f"ecg {number}"] = batch(chance, patients=2, seconds=chance.choice((1, 4, 12)), first=first)
            first += 100
        for number in range(chance.randrange(2)):
            parts[f"cmd {number}"] = a_command(chance)
        return join(parts)

    def bend(case: bytes, chance: Random) -> bytes:
        parts = split(case)
        name = chosen(parts, chance)
        if not name or chance.random() < 0.05:
            return bent_bytes(case, chance)
        bent = bent_json if name.startswith("cmd") else bent_batch
        parts[name] = bent(parts[name], chance)
        return join(parts)

    def enter(case: bytes) -> None:
        parts = split(case)
        if _concluded(parts, rules, engine) != _concluded(parts, rules, engine):
            raise Wrong("the same entries come to other facts the second time")

    yield Way(valid, bend, enter)


def a_command(chance: Random) -> bytes:
    """A command of a person."""
    patient, action = f"p{chance.randrange(20)}", chance.choice(list(Action))
    alarm = f"{chance.getrandbits(128):032x}" if action in {Action.ACKNOWLEDGE, Action.END} else ""
    return Asked("1-1", action, patient, "somebody", "because", 1, alarm).to_json()


def _concluded(parts: dict[str, bytes], rules: ShardRules, engine: Engine) -> tuple[object, ...]:
    entries, commands = [], []
    for number, (name, body) in enumerate(parts.items()):
        entry = f"{START_US // 1000 + 1000 * number}-0"
        if name.startswith("cmd"):
            commands.append(Command(entry, {COMMAND_FIELD: body.decode(errors="replace")}))
        else:
            entries.append(Entry(entry, body, counted=True))
    memory = Shard(0, rules, NOTHING_COMMITTED)
    (read,) = decoded([Pulled(0, tuple(entries), tuple(commands))], rules.most_bytes)
    placed = memory.place(read)
    (scored,) = score([placed.step.cut], engine, max_missing=0.1)
    facts = memory.conclude(placed, scored, engine.version)
    return facts.patients, facts.counters, facts.alerts, facts.audit, facts.dead, facts.trend


@contextmanager
def shard_state(_folder: Path) -> Iterator[Way]:
    """What a new owner loads from Redis: position, marks, alarm states, parked samples, silence, roster."""
    settings = load(environ={}, overrides=["stream.shards=1"]).settings
    rules = ShardRules.of(settings)
    pool = [_committed(Random(number), rules) for number in range(8)]

    def bend(case: bytes, chance: Random) -> bytes:
        parts = split(case)
        name = chosen(parts, chance)
        parts[name] = bent_bytes(parts.get(name, b""), chance)
        return join(parts)

    def enter(case: bytes) -> None:
        parts = split(case)
        position = ShardPosition.from_redis(
            {name[9:].encode(): body for name, body in parts.items() if name.startswith("position ")}
        )
        kept: dict[Kind, dict[bytes, bytes]] = {kind: {} for kind in Kind}
        for name, body in parts.items():
            kind, _, patient = name.partition(" ")
            if kind in Kind.__members__:
                kept[Kind[kind]][patient.encode()] = body
        Shard(0, rules, Snapshot(position, kept))

    yield Way(lambda chance: chance.choice(pool), bend, enter)


def _no_model(_windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    raise Wrong("three seconds of frames made a window")


def _committed(chance: Random, rules: ShardRules) -> bytes:
    """What a shard keeps after some frames and commands, as parts: the hashes of Redis."""
    memory = Shard(0, rules, NOTHING_COMMITTED)
    entries = tuple(
        Entry(f"{START_US // 1000 + number}-0", batch(chance, seconds=3, first=300 * number), counted=True)
        for number in range(3)
    )
    commands = tuple(
        Command(f"{START_US // 1000 + number}-1", {COMMAND_FIELD: a_command(chance).decode()})
        for number in range(6)
    )
    (read,) = decoded([Pulled(0, entries, commands)], rules.most_bytes)
    placed = memory.place(read)
    (scored,) = score([placed.step.cut], _no_model)
    facts = memory.conclude(placed, scored, "none")
    position = ShardPosition(facts.offset, facts.rewind, 3, "c", "t", facts.command)
    parts = {f"position {name}": text.encode() for name, text in position.to_redis().items()}
    for kind, values in facts.patients.items():
        parts |= {f"{kind.name} {name.decode()}": value for name, value in values.items() if value is not None}
    return join(parts)
