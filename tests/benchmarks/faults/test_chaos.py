"""The chaos test: real processes, everything that can go wrong, and not one window or alert lost or told twice."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until_nothing_runs_in

ROOT = Path(__file__).resolve().parents[3]
QUICK = ("stream.shards=4", "monitor.lease_s=1", "monitor.heartbeat_s=0.2", "window.stride_s=2")


def suite(folder: Path, model: Path, *arguments: str, within_s: float, code: int = 0) -> dict[str, Any]:
    """What `selfmis bench faults` finds. ``code``: how it must end."""
    figures = folder / "figures.json"
    command = [sys.executable, "-m", "benchmarks.faults.command", "--json", str(figures), "--model", str(model)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SELFMIS_")}
    # Ray's sockets lie deep below it, and the path of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="") as short:
        environ |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": short}
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within_s,
            check=False,
        )
        assert done.returncode == code, done.stdout
        until_nothing_runs_in(Path(short))
    until_nothing_runs_in(folder)
    found: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))
    return found


def assert_whole(found: dict[str, Any]) -> None:
    verdict = {name: found[name] for name in ("lost", "doubled", "changed", "counters_equal", "gave_up")}
    assert verdict == {"lost": 0, "doubled": 0, "changed": 0, "counters_equal": True, "gave_up": 0}, found


def test_killed_replicas_ingest_and_redis_without_its_last_second_lose_and_double_nothing(
    tmp_path: Path, untrained: Path
) -> None:
    settings = [word for setting in QUICK for word in ("--set", setting)]
    killed = ("replica killed", "ingest killed", "redis killed, last second lost")
    only = [word for kind in killed for word in ("--only", kind)]
    plan = ("--seconds", "17", "--first", "2", "--patients", "60", "--seed", "5")
    found = suite(tmp_path, untrained, *plan, *only, *settings, "--keep-log", within_s=240)
    assert_whole(found)
    assert found["deliveries_unlike"] == {}
    assert sum(found["faults"].values()) >= 2
    assert found["faults"]["redis killed, last second lost"]
    assert found["redis_log_bytes_cut"] > 0
    assert found["windows"] > 100
    assert found["alerts"] > 5


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2])
def test_everything_that_can_go_wrong_loses_and_doubles_nothing(
    tmp_path: Path, untrained: Path, seed: int
) -> None:
    plan = ("--seconds", "300", "--patients", "400", "--seed", str(seed))
    found = suite(tmp_path, untrained, *plan, within_s=1100)
    assert_whole(found)
    assert len(found["faults"]) >= 15


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_everything_that_can_go_wrong_under_serve_loses_and_doubles_nothing(
    tmp_path: Path, untrained: Path
) -> None:
    plan = ("--serve", "--seconds", "300", "--patients", "200", "--seed", "3")
    found = suite(tmp_path, untrained, *plan, within_s=1100)
    assert_whole(
        found | {"gave_up": 0}
    )  # Serve gives up as a whole when its raylet is killed: that is asked of it
    assert len(found["faults"]) >= 10


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_soak_fails_where_a_replica_leaks(tmp_path: Path, untrained: Path) -> None:
    plan = ("--soak", "--leak", "300", "--seconds", "330", "--patients", "600", "--seed", "4")
    found = suite(tmp_path, untrained, *plan, "--set", "stream.shards=4", within_s=1100, code=1)
    assert_whole(found)
    assert found["full_after_s"] is not None
    assert "replica-0" in found["growing"]
    assert 200 < found["memory"]["replica-0"]["mb_per_h"] < 500
