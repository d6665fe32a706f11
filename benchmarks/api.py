"""`selfmis bench api`: how soon the views of a whole ward are answered, over HTTP, by how many patients it has.

A real Redis, filled as a ward fills it, one of a hundred in alarm; the application behind a real server in this
process. The best of some requests: the rest measures neighbours. Views share one reading of the ward with each
other (`services.inference.api.recent`): `ward_read_ms` is what that takes, and what the first waits in addition.
"""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import uvicorn

from benchmarks.report import json_argument, present
from services.inference.alarms import Kind, Phase, Priority
from services.inference.alarms.evidence import blank
from services.inference.alarms.slot import Slot
from services.inference.alarms.standing import Standing, pack
from services.inference.api.access import Access
from services.inference.api.app import make_app
from services.inference.api.ward import read_ward
from services.inference.monitor.latest import LATEST, VERSION
from shared.command import DONE, Parser, run
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded
from shared.settings import load
from shared.shards import counters_key, latest_key, shard_of, state_key

VIEWS = {
    "list_100_ms": "/api/patients?limit=100",
    "list_1000_ms": "/api/patients?limit=1000",
    "search_ms": "/api/patients?search=99",
    "summary_ms": "/api/summary",
}


def main(argv: Sequence[str]) -> int:
    """How soon the views of a whole ward are answered."""
    parser = Parser(prog="selfmis bench api", description=main.__doc__)
    parser.add_argument("--shards", type=int, default=64, help="(default %(default)s)")
    parser.add_argument("--patients", type=int, default=20_000, help="(default %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="requests of each view (default %(default)s)")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    if min(chosen.shards, chosen.patients, chosen.repeats) < 1:
        raise SelfmisError("bench api: --shards, --patients and --repeats must be at least 1")
    figures: dict[str, object] = {"shards": chosen.shards, "patients": chosen.patients}
    overrides = [f"stream.shards={chosen.shards}", "api.requests_per_s=1000000"]
    with (
        tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder,
        embedded(Path(folder), port=0, maxmemory_mb=1024) as server,
        connect(server.url) as client,
    ):
        fill(client, chosen.shards, chosen.patients)
        figures["ward_read_ms"] = min(_read(client, chosen.shards) for _ in range(chosen.repeats)) * 1e3
        settings = load(environ={}, overrides=overrides).settings
        with _served(make_app(lambda: connect(server.url), settings, "none", Access())) as port:
            for name, path in VIEWS.items():
                figures[name] = min(_asked(port, path) for _ in range(chosen.repeats)) * 1e3
    present("Views of a whole ward over HTTP", figures, chosen.json)
    return DONE


def fill(client: Client, shards: int, patients: int) -> None:
    """A ward's newest windows and states, and some counters."""
    rng = np.random.default_rng(1)
    records = np.zeros(patients, LATEST)
    records["version"], records["rate_mhz"] = VERSION, 250_000
    records["scores"] = rng.random((patients, len(SCORE_NAMES)))
    alarm = Standing(slots=(Slot(Kind.MI, Phase.RAISED, Priority.HIGH, Priority.HIGH, 1),))
    states = pack(blank(patients), dict.fromkeys(range(0, patients, 100), alarm))
    pipe = client.pipeline(transaction=False)
    for row, state in enumerate(states):
        name = f"patient-{row:06d}".encode()
        shard = shard_of(name, shards)
        pipe.hset(latest_key(shard), name, records[row].tobytes())
        pipe.hset(state_key(shard), name, state)
    for shard in range(shards):
        pipe.hset(counters_key(shard), mapping={f"counter|{number}": number for number in range(60)})
    pipe.execute()


def _read(client: Client, shards: int) -> float:
    begun = time.perf_counter()
    read_ward(client, shards)
    return time.perf_counter() - begun


def _asked(port: int, path: str) -> float:
    """Seconds until the whole answer was there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    took = time.perf_counter() - begun
    connection.close()
    if answer.status != 200:
        raise SelfmisError(f"bench api: {path} answers {answer.status}")
    return took


@contextmanager
def _served(app: object) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))  # type: ignore[arg-type]  # any ASGI
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    raise SystemExit(run(main))
