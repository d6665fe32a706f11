"""Whole runs into a real Redis: complete, resumable, several side by side, and stopped by hand."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.consumer import Consumer, Coverage
from services.ingest import runs
from services.ingest.faults import Faults
from services.ingest.runs import Run, RunError
from services.ingest.source import Source
from services.ingest.streaming import Plan, Summary, stream
from shared.pinning import pin
from shared.ports import free_port
from shared.position import PatientMark
from shared.redis.connection import Client
from shared.settings import Settings, load
from shared.shards import marks_key, shard_of, source_key, stream_key
from tests.real_redis import OwnRedis, full
from tests.waiting import until

MakeSource = Callable[..., Source]
ROOT = Path(__file__).resolve().parents[3]
SHARDS = 8
FAST = float("inf")


def settings(*overrides: str) -> Settings:
    quick = ["ingest.upkeep_s=0.05", "ingest.metrics_port=0", f"stream.shards={SHARDS}"]
    return load(environ={}, overrides=[*quick, *overrides]).settings


def run_plan(plan: Plan, url: str, *overrides: str, stop_after_s: float | None = None) -> Summary:
    stop = threading.Event()
    if stop_after_s is not None:
        threading.Timer(stop_after_s, stop.set).start()
    return stream(plan, settings(*overrides), url, stop=stop, live=False)


def seen(client: Client) -> Coverage:
    coverage = Coverage()
    consumer = Consumer(client, SHARDS, coverage=coverage)
    while consumer.step():
        pass
    return coverage


def test_a_finite_run_delivers_every_sample_of_every_patient(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    sources = (counting(30, frames=20), counting(5, rate_mhz=130_000, frame_samples=130, frames=20, name="q"))
    summary = run_plan(Plan("t", "d", sources, speed=FAST), redis_url)
    coverage = seen(client)
    assert summary.ended
    assert summary.complete
    assert summary.frames_confirmed == 700
    assert coverage.holes() == {}
    assert sorted(coverage.newest().values()) == [20 * 130] * 5 + [20 * 250] * 30


def test_a_run_that_starts_when_redis_is_full_waits_for_room_and_is_remembered_then(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    runs_, plan = [], Plan("t", "d", (counting(10, frame_samples=25),))
    pin(client, SHARDS)
    with full(client):
        thread = threading.Thread(target=lambda: runs_.append(run_plan(plan, redis_url, stop_after_s=4)))
        thread.start()
        time.sleep(1)
        assert thread.is_alive()
        assert client.keys(stream_key(0)[:4] + "*") == []
    until(lambda: client.hgetall(source_key("t")), "the run in Redis")
    thread.join()
    assert runs_[0].complete
    assert seen(client).holes() == {}


def test_frames_are_paced_by_the_clock(redis_url: str, counting: MakeSource) -> None:
    sources = (counting(3, frame_samples=25, frames=10),)
    summary = run_plan(Plan("t", "d", sources, speed=1.0), redis_url)
    assert summary.seconds >= 1.0
    assert summary.lateness_p99_s is not None


def test_a_faulty_network_changes_what_arrives_but_not_what_is_counted(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    faults = Faults(loss=0.05, duplication=0.1, reorder=0.2, delay_s=3, outages_per_hour=30)
    summary = run_plan(Plan("t", "d", (counting(40, frames=60),), speed=FAST, faults=faults), redis_url)
    coverage = seen(client)
    assert coverage.frames - coverage.repeated() == 40 * 60 - summary.network_lost
    assert coverage.repeated() > 0
    assert summary.frames_confirmed == coverage.frames


def test_a_run_that_reached_its_end_begins_anew(redis_url: str, client: Client, counting: MakeSource) -> None:
    plan = Plan("t", "d", (counting(3, frames=5),), speed=FAST)
    first = run_plan(plan, redis_url)
    second = run_plan(plan, redis_url)
    assert first.run.run != second.run.run
    assert not second.resumed


def test_a_stopped_run_goes_on_from_what_redis_has_confirmed(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    plan = Plan("t", "d", (counting(10, frame_samples=25),))
    first = run_plan(plan, redis_url, stop_after_s=0.7)
    second = run_plan(replace(plan, sources=(counting(10, frame_samples=25),)), redis_url, stop_after_s=0.7)
    coverage = seen(client)
    assert second.resumed
    assert second.run.run == first.run.run
    assert coverage.holes() == {}
    assert coverage.repeated() <= 20


def test_a_resumed_run_begins_at_the_samples_that_committed_windows_need_next(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    plan = Plan("t", "d", (counting(4, frame_samples=250),), speed=FAST, duration_s=40)
    run = Run.begin("d", int(time.time() * 1e6))
    runs.store(client, "t", replace(run, confirmed_us=run.origin_us + 30_000_000))
    for patient in plan.sources[0].roster.patients:
        mark = PatientMark(run.run, run.origin_us, 250_000, 4, 20 * 250 + int(patient[1:]), 30 * 250)
        client.hset(marks_key(shard_of(patient, SHARDS)), patient, mark.pack())
    run_plan(plan, redis_url)
    holes = seen(client).holes()
    assert list(holes.values()) == [[(0, 20 * 250)]] * 4


def test_a_run_stopped_while_the_network_holds_frames_back_sends_them_after_its_restart(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    faults = Faults(reorder=0.3, delay_s=30)
    plan = Plan("t", "d", (counting(20, frame_samples=250),), speed=20.0, faults=faults)
    first = run_plan(plan, redis_url, stop_after_s=0.8)
    second = run_plan(replace(plan, faults=Faults(), speed=FAST, duration_s=40), redis_url)
    assert first.frames_confirmed > 0
    assert second.resumed
    assert seen(client).holes() == {}


def test_a_run_resumed_at_another_speed_goes_on_at_once(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    plan = Plan("t", "d", (counting(3, frame_samples=25),), speed=1000.0)
    first = run_plan(plan, redis_url, stop_after_s=0.5)
    second = run_plan(replace(plan, speed=1.0), redis_url, stop_after_s=0.7)
    assert first.frames_confirmed > 3 * 100, "ten seconds ahead of the clock"
    assert second.resumed
    assert second.frames_confirmed >= 3


def test_a_run_does_not_begin_on_what_a_redis_said_that_has_restarted_since(
    own_redis: OwnRedis, counting: MakeSource
) -> None:
    """It may have forgotten its last second, and with it how far the windows were."""
    plan = Plan("t", "d", (counting(2, frames=2),), speed=FAST)

    def restart(*_: object) -> None:
        own_redis.kill()
        own_redis.start_again()

    with pytest.raises(RunError, match="started anew while this run was about to begin"):
        stream(plan, settings(), own_redis.server.url, stop=threading.Event(), live=False, began=restart)
    assert run_plan(plan, own_redis.server.url).complete


def test_marks_of_an_older_session_are_not_taken_for_ours(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    plan = Plan("t", "d", (counting(1, frame_samples=250),), speed=FAST, duration_s=5)
    for patient in plan.sources[0].roster.patients:
        mark = PatientMark(12345, 1, 250_000, 4, 5000, 5000)
        client.hset(marks_key(shard_of(patient, SHARDS)), patient, mark.pack())
    run_plan(plan, redis_url)
    assert seen(client).holes() == {}


@pytest.mark.parametrize(
    ("digest", "age_s", "resumed"),
    [("d", 100, True), ("d", 1000, False), ("e", 100, False), ("d", -5, True), ("d", -60, False)],
)
def test_only_a_run_of_the_same_that_was_alive_lately_is_resumed(digest: str, age_s: int, resumed: bool) -> None:
    last = Run(1, 0, "d", 0, 10**12)
    assert runs.resumable(last, digest, 10**12 + age_s * 10**6, within_s=300) is resumed


def test_a_damaged_record_of_a_run_is_one_line(redis_url: str, client: Client, counting: MakeSource) -> None:
    client.hset(source_key("t"), mapping={"run": "x"})
    plan = Plan("t", "d", (counting(1, frames=1),), speed=FAST)
    with pytest.raises(RunError, match="--new-run"):
        run_plan(plan, redis_url)
    assert run_plan(replace(plan, new_run=True), redis_url).complete


def test_two_processes_of_different_names_do_not_disturb_each_other(
    redis_url: str, client: Client, counting: MakeSource
) -> None:
    plans = [Plan(name, "d", (counting(20, frames=100, name=name),), speed=FAST) for name in ("a", "b")]
    threads = [threading.Thread(target=run_plan, args=(plan, redis_url)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    coverage = seen(client)
    assert coverage.holes() == {}
    assert len(coverage.newest()) == 40


SCENARIO = """
name: crash
seed: 1
speed: 8
patients:
  - {kind: NORM, count: 6}
  - {kind: IMI, count: 2, onset_s: 20}
"""


def ingest(folder: Path, url: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "selfmis", "ingest", "run", str(folder / "crash.yaml"), *arguments]
    for setting in (f"redis.url={url}", f"stream.shards={SHARDS}", "ingest.upkeep_s=0.1"):
        command += ["--set", setting]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )


def test_a_process_killed_at_any_moment_leaves_no_hole_after_its_restart(
    redis_url: str, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "crash.yaml").write_text(SCENARIO, encoding="utf-8")
    coverage = Coverage()
    consumer = Consumer(client, SHARDS, coverage=coverage)
    for round_number in (1, 2):
        process = ingest(tmp_path, redis_url, "--set", "ingest.metrics_port=0")
        until(lambda goal=80 * round_number: consumer.step() or coverage.frames > goal)
        process.kill()
        process.communicate(timeout=10)
    process = ingest(tmp_path, redis_url, "--set", "ingest.metrics_port=0", "--duration", "90")
    said, _ = process.communicate(timeout=60)
    while consumer.step():
        pass
    assert process.returncode == 0, said
    assert coverage.holes() == {}
    assert len(coverage.newest()) == 8, "the restarted process must continue the same sessions"
    assert {key[1] for key in coverage.newest()} == {int(json.loads(truth(tmp_path))["run"])}


def truth(folder: Path) -> str:
    return (folder / "crash.truth.json").read_text(encoding="utf-8")


def test_ctrl_c_sends_what_is_left_and_says_so(redis_url: str, client: Client, tmp_path: Path) -> None:
    (tmp_path / "crash.yaml").write_text(SCENARIO, encoding="utf-8")
    port = free_port()
    summary = tmp_path / "summary.json"
    process = ingest(tmp_path, redis_url, "--set", f"ingest.metrics_port={port}", "--json", str(summary))
    until(lambda: sum(int(client.xlen(f"ecg:{{s{shard:02d}}}")) for shard in range(SHARDS)) > 20)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        metrics = reply.read().decode()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "stopped after" in said
    assert "Traceback" not in said
    assert "selfmis_ingest_patients 8.0" in metrics
    assert "crash-0" not in metrics
    assert "crash-0" not in said
    told = json.loads(summary.read_text(encoding="utf-8"))
    assert told["frames_confirmed"] == seen(client).frames
    assert not told["ended"]


def test_ctrl_c_while_redis_is_away_gives_up_with_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "crash.yaml").write_text(SCENARIO, encoding="utf-8")
    process = ingest(tmp_path, "redis://127.0.0.1:1/0", "--set", "ingest.metrics_port=0")
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.strip().splitlines()[-1].startswith("selfmis: Redis at redis://127.0.0.1:1/0 cannot be reached")


def test_a_metrics_port_in_use_is_one_line(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "crash.yaml").write_text(SCENARIO, encoding="utf-8")
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    process = ingest(tmp_path, redis_url, "--set", f"ingest.metrics_port={port}")
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"selfmis: metrics port 127.0.0.1:{port} cannot be used: Address already in use" in said
    assert "Traceback" not in said
    assert os.linesep not in said.strip().splitlines()[-1]


def test_whoever_waits_for_the_end_of_its_input_is_told_why_it_ended_before(
    redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "crash.yaml").write_text(SCENARIO, encoding="utf-8")
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    process = ingest(tmp_path, redis_url, "--set", f"ingest.metrics_port={port}", "--until-eof")
    process.wait(20)  # its input stays open meanwhile
    said, _ = process.communicate()
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("selfmis: metrics port")
