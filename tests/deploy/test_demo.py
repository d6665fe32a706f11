"""`selfmis demo` itself: real Redis, Ray, Serve and ingest, for a few seconds; and what it refuses."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.alerting import NAMES
from shared.artefact import load, shipped
from shared.ports import free_port
from shared.redis.connection import Client
from tests.waiting import until_nothing_runs_in

ROOT = Path(__file__).resolve().parents[2]
WARD = """
name: tiny
seed: 1
rates_hz: [100, 250]
network: {loss: 0.01, reorder: 0.05, delay_s: 0.5}
patients:
  - {kind: NORM, count: 10}
  - {kind: IMI, count: 2, onset_s: 2}
"""
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SELFMIS_")}
QUICK = ("stream.shards=4", "alarm.off=0.50", "alarm.low=0.51", "alarm.medium=0.52", "alarm.high=0.53")


def demo(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    (folder / "tiny.yaml").write_text(WARD, encoding="utf-8")
    command = [sys.executable, "-m", "deploy.demo", "--scenario", str(folder / "tiny.yaml")]
    for setting in QUICK:
        command += ["--set", setting]
    environ = CLEAN | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.timeout(240)
def test_a_short_demo_does_its_work_and_leaves_nothing_behind(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    watch = [f"watch.{name}_port={free_port()}" for name in ("prometheus", "alertmanager")]
    sets = [word for setting in watch for word in ("--set", setting)]
    process = demo(tmp_path, "--seconds", "22", "--port", str(free_port()), "--json", str(summary), *sets)
    said, _ = process.communicate(timeout=220)
    assert process.returncode == 0, said
    for what, names in NAMES.items():
        installed = any(shutil.which(name) for name in names)
        assert (f"{what} is on http://127.0.0.1:" if installed else f"no {what}: ") in said
    assert "Traceback" not in said
    assert "The pipeline did its work" in said
    assert "Research use only" in said
    told = json.loads(summary.read_text(encoding="utf-8"))
    assert told["pipeline_mismatch"] == 0
    assert told["patients"] == 12
    assert told["windows"] >= 12
    assert told["infarcts"] == 2
    assert told["detected"] + told["missed"] == 2
    assert told["trained_on"] == load(shipped("I")).manifest.trained_on  # nothing is trained at a first start
    until_nothing_runs_in(tmp_path)


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = demo(tmp_path, "--port", str(taken.getsockname()[1]))
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "cannot be used: Address already in use; choose another with --port" in said
    assert "Traceback" not in said


def test_a_ward_that_somebody_watches_gets_no_simulated_patients(
    tmp_path: Path, client: Client, redis_url: str
) -> None:
    client.set("of-a-ward", "x")
    process = demo(tmp_path, "--port", str(free_port()), "--set", f"redis.url={redis_url}")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "a Redis that is in use, and the demo would add its simulated patients: unset it" in said
    assert "Traceback" not in said
    assert client.keys() == [b"of-a-ward"]


def test_an_impossible_number_of_seconds_is_one_line(tmp_path: Path) -> None:
    process = demo(tmp_path, "--seconds", "-1")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said == "selfmis: demo: --seconds (DEMO_SECONDS) must be above 0\n"
