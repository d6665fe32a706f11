"""The application on a real Ray with Serve: what is committed is always compared with an offline run."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from ray import serve

from deploy.app import Arguments
from deploy.doctor.finding import Grade
from deploy.doctor.redis import examine_redis
from deploy.doctor.ward import examine_ward
from deploy.doctor.web import examine_api
from deploy.local import LocalError, launch
from services.inference.monitor.pulse import pulses
from shared.artefact import AlarmRules, Model
from tests.deploy.house import ALARM, ROOT, SHARDS, House
from tests.waiting import until

UNREACHABLE = {**ALARM, "low": 0.97, "medium": 0.98, "high": 0.99}


def test_every_view_answers_through_the_proxy_with_what_was_committed(house: House) -> None:
    house.deploy()
    house.ingest()
    house.catch_up()
    assert house.web.get("/healthz").json() == {"ok": True}
    ready = house.web.get("/readyz").json()
    assert (ready["ready"], ready["owned"], ready["shards"]) == (True, SHARDS, SHARDS)
    everybody = house.web.get("/api/patients").json()
    assert everybody["total"] == 20
    first = everybody["patients"][0]
    assert first["alarms"]
    assert house.web.get("/api/summary").json()["patients"]["admitted"] == 20
    one = house.web.get(f"/api/patients/{first['patient']}").json()
    assert one["scores"] == first["scores"]
    assert {a["kind"] for a in house.web.get("/api/alerts?limit=1000").json()["alerts"]} >= {"mi", "lead_off"}
    assert house.web.get("/api/counters").json()["windows|scored"] > 100
    assert house.web.get("/api/model").json()["name"] == "untrained"
    assert house.differences().total == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/patients/nobody", 404),
        ("GET", "/api/patients/" + "x" * 400, 404),
        ("GET", "/api/alerts?limit=0", 422),
        ("GET", "/api/patients?offset=many", 422),
        ("DELETE", "/api/patients", 405),
    ],
)
def test_a_refusal_is_one_line_of_json(house: House, method: str, path: str, status: int) -> None:
    house.deploy()
    said = house.web.request(method, path)
    assert said.status_code == status
    assert list(said.json()) == ["error"]
    assert "\n" not in said.json()["error"]


def test_a_stream_and_a_command_pass_through_the_proxy(house: House) -> None:
    house.deploy()
    house.ingest()
    house.catch_up()
    patient = house.web.get("/api/patients?alarm=mi").json()["patients"][0]
    alarm = next(alarm for alarm in patient["alarms"] if alarm["kind"] == "mi")
    where = f"/api/patients/{patient['patient']}/alarms/{alarm['alarm']}/end"
    with house.web.stream("GET", "/api/alerts/stream") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        assert next(lines) == "data: {}"
        assert house.web.post(where, json={"who": "me"}).json()["outcome"] == "applied"
        told = json.loads(next(lines).removeprefix("data: "))
    assert (told["alarm"], told["transition"], told["who"]) == (alarm["alarm"], "ended", "me")


def test_the_doctor_finds_a_running_deployment_well(house: House) -> None:
    house.deploy()
    found = [
        *examine_redis(house.client, SHARDS, 5.0),
        *examine_ward(house.client, SHARDS, 0.5, time.sleep),
        *examine_api(str(house.web.base_url).rstrip("/")),
    ]
    assert {finding.check for finding in found} >= {"layout", "replicas", "leases", "lag", "dead letters", "api"}
    # How quickly a busy test machine answers is not the matter.
    assert [f for f in found if f.grade >= Grade.WARNING and f.check != "redis latency"] == []


def test_a_killed_replica_is_replaced_and_nothing_is_lost_or_told_twice(house: House) -> None:
    (victim,) = house.deploy()
    ingest = house.meanwhile()
    until(house.mi_alerts, "the first alert")
    os.kill(victim, signal.SIGKILL)
    ingest.join()
    house.catch_up()
    assert victim not in house.replicas()
    assert house.owned() == SHARDS
    assert house.differences().total == 0


def test_replicas_go_on_while_the_controller_is_killed(house: House) -> None:
    before = house.deploy()
    ingest = house.meanwhile()
    until(house.mi_alerts, "the first alert")
    (controller,) = house.processes("ray::ServeController")
    os.kill(controller, signal.SIGKILL)
    ingest.join()
    house.catch_up()
    assert house.differences().total == 0
    until(lambda: house.processes("ray::ServeController") - {controller}, "another controller")
    until(lambda: house.status() == "RUNNING", "its knowledge of the application")
    assert house.replicas() == before
    assert house.web.get("/readyz").status_code == 200


def test_rules_and_model_change_without_a_restart_and_alerts_name_the_new_model(
    house: House, make_model: Callable[..., Model]
) -> None:
    quiet = make_model("quiet", AlarmRules.model_validate(UNREACHABLE))  # rules of its own, which nobody overrides
    before = house.deploy(user_config={"model": str(quiet.folder)})
    house.ingest(30)
    house.catch_up()
    assert house.mi_alerts() == []
    other = make_model("2")
    after = house.deploy(user_config={"alarm": ALARM, "model": str(other.folder)})
    until(lambda: {told["model"] for _, told in pulses(house.client)} == {"untrained:2"}, "the model")
    assert house.web.get("/api/model").json()["version"] == "2"
    assert house.web.get("/api/summary").json()["model"]["version"] == "2"
    house.ingest(30)
    house.catch_up()
    assert after == before
    assert {alert["model"] for alert in house.mi_alerts()} == {"untrained:2"}


def test_an_impossible_change_is_refused_in_a_line_and_what_was_in_force_stays(house: House) -> None:
    before = house.deploy()
    house.submit(house.config(num_replicas=1, user_config={"alarm": {"low": 7}}))
    until(lambda: any(told["refused"] for _, told in pulses(house.client)), "the refusal")
    (told,) = dict(pulses(house.client)).values()
    assert "alarm.low" in told["refused"]
    assert "\n" not in told["refused"]
    assert told["refused"] in [each["refused"] for each in house.web.get("/readyz").json()["replicas"]]
    house.ingest()
    house.catch_up()
    assert house.differences().total == 0
    assert house.deploy() == before
    until(lambda: not any(told["refused"] for _, told in pulses(house.client)), "the change back")


def test_a_config_scales_from_one_to_four_to_two_while_patients_stream_and_nothing_is_lost_or_told_twice(
    house: House,
) -> None:
    one = house.deploy()
    ingest = house.meanwhile()
    four = house.deploy(4)
    assert one < four  # whoever stays is not touched
    assert house.deploy(2) < four
    ingest.join()
    house.catch_up()
    assert house.differences().total == 0
    alerts = house.mi_alerts()
    assert alerts
    assert len({alert["id"] for alert in alerts}) == len(alerts)


def test_two_generations_that_pull_at_once_lose_nothing_and_tell_nothing_twice(house: House) -> None:
    """What KubeRay's upgrade of a RayService does: a second cluster is whole before the first one goes."""
    house.deploy()
    blue = house.config(num_replicas=1)
    green = house.config(num_replicas=1)["applications"][0] | {"name": "green", "route_prefix": "/green"}
    ingest = house.meanwhile()
    until(house.mi_alerts, "the first alert")
    house.submit({**blue, "applications": [*blue["applications"], green]})
    until(lambda: min(each["shards"] for _, each in pulses(house.client)) == SHARDS // 2, "both at work", 90)
    house.submit({**blue, "applications": [green]})
    until(lambda: not house.replicas() and house.owned() == SHARDS, "the first one gone", 90)
    ingest.join()
    house.catch_up()
    assert house.differences().total == 0
    assert len({alert["id"] for alert in house.mi_alerts()}) == len(house.mi_alerts())


def test_a_backlog_makes_more_replicas_appear_and_quiet_takes_them_away(house: House) -> None:
    config = house.config("serve-autoscaling.yaml")
    scaling = config["applications"][0]["deployments"][0]["autoscaling_config"]
    scaling |= {"upscale_delay_s": 0, "downscale_delay_s": 1, "max_replicas": 3}
    scaling |= {"metrics_interval_s": 0.5, "look_back_period_s": 2}
    # So busy is a replica here, by far, only while it works off a backlog.
    scaling["policy"]["policy_kwargs"] = {"busy": 0.25, "lag_s": 0.5}
    house.submit(config)
    until(lambda: house.runs() and house.owned() == SHARDS, "the application")
    house.ingest(600)
    until(lambda: len(house.replicas()) > 1, "a second replica")
    house.catch_up()
    assert house.differences().total == 0
    until(lambda: len(house.replicas()) == 1, "the way back")


def test_replicas_that_are_asked_to_leave_give_their_shards_back_at_once(house: House) -> None:
    house.deploy(2)
    house.ingest()
    house.catch_up()
    serve.delete("selfmis")
    assert house.owned() == 0
    assert house.differences().total == 0


def test_a_model_that_is_none_is_named_when_the_deployment_fails(house: House) -> None:
    serve.delete("selfmis")  # nothing may be left of the test before
    nowhere = str(ROOT / "no-such-model")
    with pytest.raises(LocalError, match=r"Monitor: model .*no-such-model: no such folder$"):
        launch(Arguments(model=nowhere, redis_url=house.url), replicas=1)
    serve.delete("selfmis")
