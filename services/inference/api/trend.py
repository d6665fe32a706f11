"""A patient's trend as it was committed, for views. Redis' edge."""

from typing import Any

import numpy as np

from services.inference.api.patient_json import OUTCOMES
from services.inference.commit.point import POINT, view
from shared.redis.connection import Client
from shared.shards import shard_of, trend_key


def read_trend(client: Client, shards: int, patient: bytes, since_us: int, most: int) -> list[dict[str, Any]]:
    """The newest ``most`` points that end at ``since_us`` or later, oldest first."""
    kept: Any = client.lrange(trend_key(shard_of(patient, shards), patient), -most, -1)
    points = np.frombuffer(b"".join(raw for raw in kept if len(raw) == POINT.itemsize), POINT)
    return [
        {**view(point), "outcome": OUTCOMES[int(point["outcome"])]}
        for point in points[points["end_us"] >= since_us]
    ]
