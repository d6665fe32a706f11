"""Devices that really send, each until it is told to be silent; and replicas as processes of their own."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from shared.artefact import Model
from shared.frames import Frames, encode, headers
from shared.redis.connection import Client, connect
from shared.shards import BATCH_FIELD, shard_of, stream_key

ROOT = Path(__file__).resolve().parents[4]
RATE_HZ = 100
REPLICA = """
import sys
from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from shared.artefact import load as load_model
from shared.settings import load
url, name, model, *overrides = sys.argv[1:]
settings = load(environ={}, overrides=overrides).settings
PullLoop(url, settings, name, open_engine(load_model(model), settings.engine)).run()
"""


def replica(url: str, name: str, model: Model, overrides: Sequence[str]) -> "subprocess.Popen[bytes]":
    """A pull loop in a process of its own."""
    command = [sys.executable, "-c", REPLICA, url, name, str(model.folder), *overrides]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


class Devices:
    """Patients who send a frame every ``every_s``, each of ``speed`` times as many seconds of a real-looking ECG.

    ``silent`` may be changed at any time: these send nothing, and lose what they would have sent.
    """

    def __init__(
        self,
        url: str,
        patients: Sequence[str],
        shards: int,
        strip: np.ndarray[Any, Any],
        *,
        session: int = 7,
        every_s: float = 0.25,
        speed: float = 1.0,
    ) -> None:
        self.patients = frozenset(patients)
        self.silent: frozenset[str] = frozenset()
        self._client: Client = connect(url, timeout_s=5)
        self._shards, self._session, self._every_s = shards, session, every_s
        self._counts = np.clip(np.rint(strip * 400), -32768, 32767).astype(np.int16)
        self._samples = round(every_s * speed * RATE_HZ)
        self._start_us = round(time.time() * 1e6)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._client.close()

    def stop(self) -> None:
        """The whole source is switched off."""
        self._stop.set()
        self._thread.join()

    def leap(self, name: str, frame: int) -> None:
        """A patient's index goes wrong once: one frame with another number than it has."""
        self._client.xadd(
            stream_key(shard_of(name.encode(), self._shards)), {BATCH_FIELD: self._batch([name.encode()], frame)}
        )

    def _run(self) -> None:
        frame = 0
        while not self._stop.wait(self._every_s):
            by_shard: dict[int, list[bytes]] = {}
            for name in sorted(self.patients - self.silent):
                by_shard.setdefault(shard_of(name.encode(), self._shards), []).append(name.encode())
            for shard, names in by_shard.items():
                self._client.xadd(stream_key(shard), {BATCH_FIELD: self._batch(names, frame)})
            frame += 1

    def _batch(self, names: list[bytes], frame: int) -> bytes:
        header = headers(len(names))
        header["patient"], header["session"] = names, self._session
        header["session_start_us"], header["first"] = self._start_us, frame * self._samples
        header["rate_mhz"], header["uv_per_lsb"] = RATE_HZ * 1000, 2.5
        at = np.arange(frame * self._samples, (frame + 1) * self._samples) % len(self._counts)
        return encode(Frames(header, np.tile(self._counts[at], (len(names), 1))))
