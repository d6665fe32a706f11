"""Ray Serve: a deployment that scores with `@serve.batch`; one HTTP request, or one handle call, for each window.

As its documentation has it: dynamic batching (``max_batch_size``, ``batch_wait_timeout_s``), more
``max_ongoing_requests`` than a batch holds, the model's call in a thread so that the loop goes on, as many
replicas as cores over engine threads, and the switch of its performance guide (``RAY_SERVE_THROUGHPUT_OPTIMIZED``;
direct ingress stays off, it wants a load balancer in front).

Somebody must cut the windows, judge and write: a feeder beside Serve, which is the consumer-group worker (`pool`)
with another scorer. It has all requests of a step in flight at once, on connections that stay open, and asks again
when a replica dies. What a crash can lose lies in the feeder alone, so it is killed as well as a replica.
"""

import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.peers.job import READY, Job, Scorer, local_scorer
from benchmarks.peers.pool import work
from deploy.local import ENVIRONMENT, local_ray
from services.inference.engine import Scored
from services.inference.windows import WINDOW, Block, Cut, Outcome
from shared.artefact import load
from shared.command import DONE, run
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from shared.redis.connection import connect

APPLICATION = "peer"
MOST_IN_BATCH = 64
BATCH_WAIT_S = 0.01
MOST_ONGOING = 256
AGAIN_S = 0.05
TUNED = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0", "OMP_NUM_THREADS": "1"}
ANSWER = np.dtype(
    [
        ("assessed", "?"),
        ("reasons", "<u2"),
        ("quality", "<f4"),
        ("scores", "<f4", (len(SCORE_NAMES),)),
        ("batches", "<f8"),
    ]
)
Ask = Callable[[bytes], Awaitable[bytes]]


class Scoring:
    """The deployment. A request is a row of `WINDOW` and its samples, the answer a row of `ANSWER`."""

    def __init__(self, job_file: str) -> None:
        job = Job.read(job_file)
        self._scorer = local_scorer(job.engine(), job.rules().window.max_missing)

    async def __call__(self, request: Request) -> Response:
        """One window over HTTP."""
        return Response(await self.batched(await request.body()), media_type="application/octet-stream")

    async def call(self, window: bytes) -> bytes:
        """One window through a handle."""
        found: bytes = await self.batched(window)
        return found

    @serve.batch(max_batch_size=MOST_IN_BATCH, batch_wait_timeout_s=BATCH_WAIT_S)
    async def batched(self, windows: list[bytes]) -> list[bytes]:
        """What came together, in one batch through the model."""
        return await asyncio.get_running_loop().run_in_executor(None, answers, self._scorer, windows)


def answers(scorer: Scorer, windows: Sequence[bytes]) -> list[bytes]:
    """Score packed windows."""
    rows = np.concatenate([np.frombuffer(raw, WINDOW, count=1) for raw in windows])
    samples = [np.frombuffer(raw, np.float32, offset=WINDOW.itemsize) for raw in windows]
    blocks = []
    for rate in np.unique(rows["rate_mhz"]).tolist():
        index = np.flatnonzero((rows["rate_mhz"] == rate) & (rows["outcome"] != Outcome.UNASSESSABLE))
        if index.size:
            blocks.append(Block(rate, index, np.stack([samples[i] for i in index])))
    (scored,), batches = scorer([Cut(rows, tuple(blocks))])
    found = np.zeros(len(rows), ANSWER)
    found["assessed"], found["reasons"], found["quality"] = scored.assessed, scored.reasons, scored.quality
    found["scores"], found["batches"] = scored.probabilities, batches / len(rows)
    return [row.tobytes() for row in found]


def questions(cut: Cut) -> list[bytes]:
    """Each window of a cut, packed."""
    samples: list[bytes] = [b""] * len(cut.windows)
    for block in cut.blocks:
        for row, millivolts in zip(block.index.tolist(), block.millivolts, strict=True):
            samples[row] = millivolts.tobytes()
    return [row.tobytes() + held for row, held in zip(cut.windows, samples, strict=True)]


def asking(loop: asyncio.AbstractEventLoop, ask: Ask) -> Scorer:
    """A scorer that asks about each window by itself, all at once."""

    async def together(asked: Sequence[bytes]) -> list[bytes]:
        return await asyncio.gather(*map(ask, asked))

    def scored(cuts: Sequence[Cut]) -> tuple[list[Scored], float]:
        found, batches = [], 0.0
        raw = loop.run_until_complete(together([each for cut in cuts for each in questions(cut)]))
        table = np.frombuffer(b"".join(raw), ANSWER)
        done = 0
        for cut in cuts:
            part = table[done : done + len(cut.windows)]
            done += len(part)
            batches += float(part["batches"].sum())
            strips = np.empty((len(part), 0), np.float32)
            found.append(Scored(part["assessed"], part["scores"], part["quality"], part["reasons"], strips))
        return found, batches

    return scored


def serve_app(job: Job, job_file: str, port: int, note: Path) -> None:
    """Ray, Serve and the deployment, until SIGTERM; ``note`` tells the feeder where."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with local_ray(cpus=job.workers + 1, host="127.0.0.1", port=port, environ=TUNED):
        scoring = serve.deployment(
            num_replicas=job.workers,
            max_ongoing_requests=MOST_ONGOING,
            ray_actor_options={"num_cpus": 1},
            health_check_period_s=1,
        )(Scoring)
        serve.run(scoring.bind(job_file), name=APPLICATION, route_prefix="/")
        waiting = note.with_suffix(".new")
        waiting.write_text(ray.get_runtime_context().gcs_address, encoding="utf-8")
        waiting.replace(note)
        with connect(job.url) as client:
            client.incr(READY)
        stop.wait()


def feed(job: Job, kind: str, port: int, note: Path) -> None:
    """The feeder, until SIGTERM."""
    while not note.exists():
        time.sleep(0.1)
    manifest = load(Path(job.model)).manifest
    version = f"{manifest.name}:{manifest.version}"
    alone = replace(job, workers=1)
    loop = asyncio.new_event_loop()
    if kind == "handle":
        ray.init(address=note.read_text(encoding="utf-8"), log_to_driver=False, logging_level=logging.ERROR)
        work(alone, 0, asking(loop, through_handle()), version)
        ray.shutdown()
    else:
        session = loop.run_until_complete(_session())
        try:
            work(alone, 0, asking(loop, over_http(session, f"http://127.0.0.1:{port}/")), version)
        finally:
            loop.run_until_complete(session.close())


def over_http(session: aiohttp.ClientSession, url: str) -> Ask:
    """One POST a window, again until it is answered."""

    async def ask(window: bytes) -> bytes:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(url, data=window) as answer:
                    if answer.status == 200:
                        return await answer.read()
            await asyncio.sleep(AGAIN_S)

    return ask


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MOST_ONGOING), timeout=aiohttp.ClientTimeout(total=10)
    )


def through_handle() -> Ask:
    """One handle call a window, again until it is answered."""
    handle: Any = serve.get_app_handle(APPLICATION)

    async def ask(window: bytes) -> bytes:
        while True:
            try:
                found: bytes = await handle.call.remote(window)
            except (RayError, RayServeException):
                await asyncio.sleep(AGAIN_S)
            else:
                return found

    return ask


def commands(kind: str, job_file: str, port: int, note: Path) -> list[list[str]]:
    """The feeder and the application."""
    start = [sys.executable, "-m", "benchmarks.peers.serve_peer"]
    return [[*start, each, job_file, str(port), str(note)] for each in (kind, "app")]


def environ() -> dict[str, str]:
    """What all processes of Ray are told."""
    return {**ENVIRONMENT, **TUNED}


def main(argv: Sequence[str]) -> int:
    """`app`, or the feeder: `http` or `handle`."""
    what, job_file, port, note = argv
    job = Job.read(job_file)
    if what == "app":
        serve_app(job, job_file, int(port), Path(note))
    elif what in {"http", "handle"}:
        feed(job, what, int(port), Path(note))
    else:
        raise SelfmisError(f"bench peers: no {what}: app, http or handle")
    return DONE


if __name__ == "__main__":
    # Under its own name, not __main__: Ray's workers import what it deploys.
    from benchmarks.peers import serve_peer  # noqa: PLW0406 - itself, as said

    raise SystemExit(run(serve_peer.main))
