"""On a Redis Cluster no command may touch the keys of two shards: every view, stream and command all the same."""

import json
from dataclasses import replace

import httpx
from redis import RedisCluster

from services.inference.api import reading
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import Worker
from shared.redis.connection import connect
from tests.services.inference.api.conftest import SHARDS, Monitored, events, served, settings_of
from tests.waiting import until


def test_every_view_stream_and_command_works_on_a_cluster(cluster_port: int, monitored: Monitored) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster_port}"
    with connect(url) as client:
        client.flushall(target_nodes=RedisCluster.PRIMARIES)
        worker = Worker(PullLoop(url, settings_of(), "replica", monitored.engine))
        worker.start()
        ward = replace(monitored, url=url, client=client)
        with served(ward.app()) as base, httpx.Client(base_url=base, timeout=20) as web:
            until(lambda: web.get("/readyz").json()["ready"], "owners")
            with httpx.stream("GET", f"{base}/api/alerts/stream", timeout=20) as answer:
                stream = events(answer)
                assert next(stream).name == "hello"
                ward.ingest(40)
                every = {alert["id"] for alert in reading.alerts(client, SHARDS, 10_000)}
                assert every, "no alerts, nothing proved"
                assert {json.loads(next(stream).data)["id"] for _ in every} == every
            patients = web.get("/api/patients").json()["patients"]
            assert len(patients) == 14
            names = [patient["patient"] for patient in patients]
            strips = web.get("/api/strips", params={"patient": names}).json()["strips"]
            assert all(strip["samples"] for strip in strips)
            with httpx.stream("GET", f"{base}/api/strips/stream", params={"patient": names}, timeout=20) as answer:
                seen = {json.loads(event.data)["patient"] for _, event in zip(names, events(answer), strict=False)}
            assert seen == set(names)
            assert web.get(f"/api/patients/{names[0]}/trend").json()["points"]
            said = web.post(
                f"/api/patients/{names[0]}/standby", json={"who": "me"}, headers={"Idempotency-Key": "1"}
            )
            assert said.json()["outcome"] == "applied"
            assert web.get("/api/audit").json()["audit"][0]["who"] == "me"
            assert web.get("/api/summary").json()["patients"]["standby"] == 1
            assert web.get(f"/api/alerts/{next(iter(every))}").status_code == 200
        assert worker.stop(20)
        client.flushall(target_nodes=RedisCluster.PRIMARIES)
