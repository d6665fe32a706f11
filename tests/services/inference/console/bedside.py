"""A real ward for a browser: an API in a process of its own, and devices that send when they are told to."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from shared.artefact import Model
from shared.frames import Frames, encode, headers
from shared.ports import free_port
from shared.redis.connection import Client
from shared.shards import BATCH_FIELD, shard_of, stream_key
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[4]
SHARDS = 4
RATE = 100
# An untrained model finds any-MI near one half everywhere: here the second window of anybody is an alarm.
SETTINGS = (
    f"stream.shards={SHARDS}",
    "monitor.pace_s=0.02",
    "monitor.lease_s=5",
    "alarm.off=0.0001",
    "alarm.low=0.0002",
    "alarm.medium=0.0003",
    "alarm.high=0.0004",
    "alarm.smoothing=1",
    "alarm.on_windows=2",
    "alarm.of_windows=3",
    "alarm.stream_lost_s=3600",
)


class Device:
    """One patient's wearable: sends so many more seconds, all at once."""

    def __init__(self, client: Client, patient: str, beats: np.ndarray[Any, Any]) -> None:
        self._client, self.patient, self._beats = client, patient, beats
        self._sent = 0
        self._session = int(time.time() * 1e6)
        # So far in the past that what a test sends has happened by the time it is sent.
        self._start_us = self._session - 20_000_000

    def send(self, seconds: int, *, flat: bool = False) -> None:
        """Seconds of ECG, or of a lead that is off, in frames of one second."""
        head = headers(seconds)
        head["patient"] = self.patient.encode()
        head["session"], head["session_start_us"] = self._session, self._start_us
        head["first"] = self._sent + RATE * np.arange(seconds)
        head["rate_mhz"], head["uv_per_lsb"] = RATE * 1000, 1.0
        at = (self._sent + np.arange(seconds * RATE)) % len(self._beats)
        samples = np.zeros(seconds * RATE) if flat else self._beats[at] * 1000
        self._sent += seconds * RATE
        batch = encode(Frames(head, np.rint(samples).astype(np.int16).reshape(seconds, RATE)))
        self._client.xadd(stream_key(shard_of(self.patient.encode(), SHARDS)), {BATCH_FIELD: batch})


class House:
    """The ward behind the console."""

    def __init__(self, client: Client, url: str, model: Model, beats: np.ndarray[Any, Any]) -> None:
        self.client, self._url, self._model, self._beats = client, url, model, beats
        self._apis: dict[int, subprocess.Popen[bytes]] = {}

    def device(self, patient: str, seconds: int = 12, *, upside_down: bool = False) -> Device:
        """A patient who has sent so many seconds: after 12 one window has closed, after 5 more the second."""
        device = Device(self.client, patient, -self._beats if upside_down else self._beats)
        device.send(seconds)
        return device

    def start_api(self, *settings: str, port: int = 0) -> int:
        """The API in a process of its own; waits until it listens. Gives its port."""
        port = port or free_port()
        command = [sys.executable, str(Path(__file__).with_name("api_process.py")), str(port), self._url]
        self._apis[port] = subprocess.Popen(
            [*command, str(self._model.folder), *SETTINGS, *settings], cwd=ROOT, env=_environment()
        )
        until(lambda: _listens(port), "the API listens", 60)
        return port

    def kill_api(self, port: int) -> None:
        """As if the machine had lost it."""
        process = self._apis.pop(port)
        process.kill()
        process.wait()

    def close(self) -> None:
        for port in list(self._apis):
            self.kill_api(port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SELFMIS_")}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
