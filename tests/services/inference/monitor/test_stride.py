"""Another stride in mid-stream: numbers of windows come again, alerts go on and their ids do not."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.inference.engine import Engine, open_engine
from services.inference.monitor.pull import PullLoop
from shared.artefact import Model
from shared.redis.connection import Client
from shared.sections import EngineSettings
from shared.settings import load
from shared.shards import ALERT_BODY, alerts_key
from tests.services.inference.monitor.devices import Devices
from tests.waiting import until

# Whoever looks at an ECG is alarmed, and reminded every five seconds of it.
RULES = {"off": 0.01, "low": 0.02, "medium": 0.98, "high": 0.99, "smoothing": 1}
MORE = {"on_windows": 1, "of_windows": 2, "off_windows": 2, "escalate_after_s": 5, "escalations": 100}


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


@contextmanager
def pulling(url: str, engine: Engine, stride_s: float) -> Iterator[None]:
    overrides = [f"alarm.{name}={value}" for name, value in (RULES | MORE).items()]
    overrides += [
        "stream.shards=1",
        "monitor.pace_s=0.05",
        "alarm.stream_lost_s=60",
        f"window.stride_s={stride_s}",
    ]
    loop = PullLoop(url, load(environ={}, overrides=overrides).settings, "replica", engine)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join(30)


def alerts(client: Client) -> list[dict[str, Any]]:
    rows: Any = client.xrange(alerts_key(0))
    return [json.loads(fields[ALERT_BODY]) for _, fields in rows]


def test_a_longer_stride_neither_mutes_a_patient_nor_repeats_an_alert_id(
    redis_url: str, client: Client, engine: Engine, beating: Callable[..., npt.NDArray[np.float64]]
) -> None:
    with Devices(redis_url, ["ada"], 1, beating(60.0), speed=40):
        with pulling(redis_url, engine, 1.0):
            until(lambda: len(alerts(client)) > 12)
        before = alerts(client)
        with pulling(redis_url, engine, 5.0):
            until(lambda: len(alerts(client)) > 3 * len(before))
    found = alerts(client)
    windows = {alert["window"] for alert in before}
    assert windows & {alert["window"] for alert in found[len(before) :]}, "no number came again, nothing proved"
    assert len({alert["id"] for alert in found}) == len(found)
    assert [alert["time_us"] for alert in found] == sorted(alert["time_us"] for alert in found)
