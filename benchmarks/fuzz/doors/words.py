"""Short texts and JSON that come in alone: frames, commands, alerts, cursors, searches, URLs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, urlencode

from benchmarks.fuzz.bend import bent_bytes, bent_json, bent_text, some
from benchmarks.fuzz.door import Way
from benchmarks.fuzz.doors.streams import a_command
from benchmarks.fuzz.judge import Wrong
from services.inference.alarms import Command
from services.inference.alarms.alert import Alert
from services.inference.api.cursor import Cursor
from services.inference.fhir.search import parse
from services.ingest.gateway.frame_json import FrameReader
from shared.frames import encode
from shared.labels import SCORE_NAMES
from shared.pinning import Layout
from shared.redis.address import RedisAddress

SYSTEM = "http://example.org/patients"
_QUERIES = (
    "_count=20&sent=ge2026-01-31&sent=lt2026-02-01T12:00:00Z",
    "subject:identifier=http://example.org/patients|p1&_count=5",
    "patient:identifier=p1&_lastUpdated=2026",
    "_id=0123456789abcdef0123456789abcdef&_format=json",
    "sent=eq2026-02&_cursor=abc",
    "sent=le2026-01-31T12:00+02:00",
)
_URLS = (
    "redis://127.0.0.1:6379/0",
    "redis://user:p%40ss@redis.example:6380/3?client_name=x",
    "rediss://redis.example?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=required&ssl_check_hostname=true",
    "unix:///run/redis.sock?db=2",
    "redis+cluster://[::1]:7000",
    "rediss+cluster://user@redis.example",
)


def a_frame(chance: Random) -> dict[str, object]:
    """A good frame as a device writes it."""
    n = chance.randrange(1, 20)
    frame: dict[str, object] = {
        "patient": f"p{chance.randrange(50)}",
        "session": chance.choice([7, "18446744073709551615", 0]),
        "first": chance.choice([0, 250, 2**40]),
        "rate_hz": chance.choice([100, 125.5, 250, 999.999]),
        "lead": chance.choice(["I", "aVR", "V6", "ii"]),
    }
    if chance.random() < 0.5:
        frame["session_start"] = chance.choice(["2026-01-31T12:00:00Z", 1_767_225_600_000_000, None])
    if chance.random() < 0.5:
        return frame | {"mv": [round(chance.uniform(-5, 5), 3) for _ in range(n)]}
    return frame | {"adc": [chance.randrange(-32768, 32768) for _ in range(n)], "uv_per_lsb": 2.5}


def some_frames(chance: Random) -> bytes:
    """One, or a list of them."""
    frames = [a_frame(chance) for _ in range(chance.randrange(1, 4))]
    return json.dumps(frames[0] if len(frames) == 1 else frames).encode()


@contextmanager
def frame_json(_folder: Path) -> Iterator[Way]:
    """`services.ingest.gateway.frame_json`; what is taken can be sent on as a record batch."""
    reader = FrameReader(20)

    def enter(case: bytes) -> None:
        for run in reader.read(case):
            encode(run)

    yield Way(some_frames, bent_json, enter)


@contextmanager
def command(_folder: Path) -> Iterator[Way]:
    """`services.inference.alarms.commands`; what is taken is written as it was read."""

    def enter(case: bytes) -> None:
        read = Command.from_json("1-1", case)
        if Command.from_json("1-1", read.to_json()) != read:
            raise Wrong("a command is not what it was when it is written again")

    yield Way(a_command, bent_json, enter)


def an_alert(chance: Random) -> bytes:
    """A committed alert."""
    scores = tuple(round(chance.random(), 3) for _ in SCORE_NAMES)
    ids = f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(128):032x}"
    patient, time_us, session = f"p{chance.randrange(50)}", 1_767_225_600_000_000, chance.getrandbits(64)
    return Alert(
        *ids, patient, "mi", "began", "evidence", "raised", "high", "IMI", time_us, time_us, session, 7,
        close=("LMI",), scores=scores, evidence=scores, quality=0.9, model="m", strip=True,
    ).to_json()  # fmt: skip


@contextmanager
def alert(_folder: Path) -> Iterator[Way]:
    """`services.inference.alarms.alert`; what is taken is written as it was read."""

    def enter(case: bytes) -> None:
        read = Alert.from_json(case)
        if Alert.from_json(read.to_json()) != read:
            raise Wrong("an alert is not what it was when it is written again")

    yield Way(an_alert, bent_json, enter)


@contextmanager
def layout(_folder: Path) -> Iterator[Way]:
    """`shared.pinning`."""
    yield Way(lambda chance: Layout(1, chance.randrange(1, 16384)).encode(), bent_json, _decoded)


def _decoded(case: bytes) -> None:
    found = Layout.decode(case)
    if Layout.decode(found.encode()) != found:
        raise Wrong("a layout is not what it was when it is written again")


@contextmanager
def cursor(_folder: Path) -> Iterator[Way]:
    """`services.inference.api.cursor`; what is taken is the same when it is written and read again."""

    def valid(chance: Random) -> bytes:
        at = {
            shard: (chance.randrange(1_767_225_600_000, 1_767_225_700_000), chance.randrange(3))
            for shard in chance.sample(range(64), chance.randrange(10))
        }
        return Cursor(64, at).text().encode()

    def enter(case: bytes) -> None:
        found = Cursor.parse(case.decode("latin-1"), 64)
        if Cursor.parse(found.text(), 64).text() != found.text():
            raise Wrong("a cursor is not what it was when it is written again")

    yield Way(valid, bent_bytes, enter)


@contextmanager
def fhir_search(_folder: Path) -> Iterator[Way]:
    """`services.inference.fhir.search`, with what a query string gives."""

    def bend(case: bytes, chance: Random) -> bytes:
        if chance.random() < 0.4:
            return bent_bytes(case, chance)
        pairs = parse_qsl(case.decode("latin-1"), keep_blank_values=True)
        if not pairs:
            return chance.choice(_QUERIES).encode()
        k, side = chance.randrange(len(pairs)), chance.randrange(2)
        word = bent_bytes(pairs[k][side].encode(), chance).decode("latin-1")
        pairs[k] = (word, pairs[k][1]) if side == 0 else (pairs[k][0], word)
        if chance.random() < 0.2:
            pairs.append(pairs[k])
        return urlencode(pairs).encode()

    def enter(case: bytes) -> None:
        found = parse(parse_qsl(case.decode("latin-1"), keep_blank_values=True), SYSTEM)
        if not (1 <= found.count <= 200 and found.from_ms >= 0 and found.until_ms >= 0):
            raise Wrong("a search was taken that asks for nothing possible")

    yield Way(lambda chance: chance.choice(_QUERIES).encode(), bend, enter)


@contextmanager
def redis_url(_folder: Path) -> Iterator[Way]:
    """`shared.redis.address`."""

    def enter(case: bytes) -> None:
        RedisAddress.parse(case.decode("latin-1")).arguments()

    bend = some((bent_bytes, bent_text))
    yield Way(lambda chance: chance.choice(_URLS).encode(), bend, enter)
