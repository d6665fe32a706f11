"""What a replica says of itself."""

from dataclasses import fields

from services.inference.monitor.pulse import Pulse, Stage, pulses, tell
from shared.redis.connection import Client
from shared.shards import REPLICAS_KEY
from tests.real_redis import full


def test_work_is_every_stage_but_reading() -> None:
    names = [field.name for field in fields(Stage)]
    assert Stage(**dict.fromkeys(names, 1.0)).work == len(names) - 1
    assert Stage(read=1.0).work == 0


def test_a_full_redis_takes_a_pulse(client: Client) -> None:
    """Else nobody would learn how long alarms have waited, just when ingest holds back."""
    client.zadd(REPLICAS_KEY, {"r": 1})
    with full(client):
        tell(client, "r", Pulse(unacknowledged={"mi|high": 7}))
        assert [(name, told["unacknowledged"]) for name, told in pulses(client)] == [("r", {"mi|high": 7})]
