"""A crowd on Ray Serve: every process' time is somebody's, and the windows come."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.served import API, MONITOR, RAY, kind, main
from shared.errors import SelfmisError


@pytest.mark.parametrize(
    ("title", "whose"),
    [
        ("ray::ServeReplica:selfmis:Monitor", MONITOR),
        ("ray::ServeReplica:selfmis:Api", API),
        ("ray::ServeController.listen_for_change", RAY),
        ("/x/ray/core/src/ray/raylet/raylet --raylet_socket_name=/tmp/s", RAY),
    ],
)
def test_a_process_is_known_by_its_title(title: str, whose: str) -> None:
    assert kind(title) == whose


@pytest.mark.parametrize(
    "wrong", [["--seconds", "1"], ["--limit", "0"], ["--patients", "0"], ["--replicas", "-1"]]
)
def test_impossible_runs_are_refused(wrong: Sequence[str]) -> None:
    with pytest.raises(SelfmisError, match="bench served"):
        main(wrong)


@pytest.mark.full
def test_a_small_crowd_on_serve_is_seen_whole(tmp_path: Path) -> None:
    file = tmp_path / "served.json"
    small = ["--patients", "100", "--seconds", "10", "--replicas", "1", "--limit", "60"]
    assert main([*small, "--set", "stream.shards=8", "--json", str(file)]) == 0
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["windows_per_s"] == pytest.approx(100 / 5, rel=0.5)
    for who in ("replicas_us", "model_us", "ray_us", "redis_us", "ingest_us"):
        assert found[who] > 0, who
