"""However the demo ends, what it started ends with it: real processes, real signals."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from shared.artefact import Model
from shared.ports import free_port
from tests.deploy.house import ROOT
from tests.waiting import until

GONE_WITHIN_S = 60  # on a busy machine


@contextmanager
def demo(folder: Path, model: Model, port: int, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """`selfmis demo` in a folder of its own, in a process group as a terminal makes one."""
    command = [sys.executable, "-m", "deploy.demo", "--model", str(model.folder), "--port", str(port), *more]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environ.pop("RAY_worker_niceness")  # the tests' own: here the product has to see to it
    process = subprocess.Popen(
        command, cwd=folder, env=environ, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    below = offspring(process.pid)
    try:
        yield process
    finally:
        below += offspring(process.pid)
        process.kill()
        for each in below:
            if each.is_running():
                each.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def offspring(pid: int) -> list[psutil.Process]:
    """All processes below this one."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def left(processes: list[psutil.Process]) -> list[str]:
    """Those that still run, by what they are."""
    _, alive = psutil.wait_procs(processes, timeout=GONE_WITHIN_S)
    return [" ".join(process.cmdline())[:120] for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def titles(processes: list[psutil.Process]) -> str:
    """What they are, in one text."""
    found = []
    for process in processes:
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return "\n".join(found)


def test_nothing_survives_a_demo_that_is_killed(tmp_path: Path, model: Model) -> None:
    port = free_port()
    # On free ports, so that it runs whatever else does on this machine; where it is installed.
    watch = ["--set", f"watch.prometheus_port={free_port()}", "--set", "watch.alertmanager_port=0"]
    prometheus = ["prometheus"] if shutil.which("prometheus") else []
    with demo(tmp_path, model, port, *watch) as process:

        def works() -> bool:
            assert process.poll() is None, process.communicate()[0]
            try:
                counted = httpx.get(f"http://127.0.0.1:{port}/api/counters", timeout=5)
                return counted.status_code == 200 and bool(counted.json())
            except httpx.HTTPError:
                return False

        until(works, "the first committed facts", 120)
        below = offspring(process.pid)
        for what in (
            "raylet",
            "gcs_server",
            "redis-server",
            "services.ingest.run",
            "ray::ServeReplica",
            *prometheus,
        ):
            assert what in titles(below)
        replicas = [each for each in below if "ray::ServeReplica" in titles([each])]
        assert {each.nice() for each in replicas} == {psutil.Process().nice()}  # Ray's own way: 15 more
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert left(below) == []


def test_ctrl_c_while_it_starts_ends_it_without_a_stack_trace(tmp_path: Path, model: Model) -> None:
    with demo(tmp_path, model, free_port()) as process:
        until(lambda: "raylet" in titles(offspring(process.pid)), "the start of Ray", 60)
        below = offspring(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 130
        assert "Traceback" not in said
        assert left(below) == []


def test_a_port_in_use_is_one_line(tmp_path: Path, model: Model) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with demo(tmp_path, model, taken.getsockname()[1]) as process:
            said = process.communicate(timeout=60)[0]
            assert process.returncode == 2
            assert said.splitlines()[-1].startswith("selfmis: port ")
            assert "Traceback" not in said


@pytest.mark.full
def test_a_demo_that_ends_by_itself_leaves_nothing_and_ray_says_no_word(tmp_path: Path, model: Model) -> None:
    with demo(tmp_path, model, free_port(), "--seconds", "25") as process:
        until(lambda: "ray::ServeReplica" in titles(offspring(process.pid)), "a replica", 120)
        below = offspring(process.pid)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        for noise in ("(raylet)", "INFO", "WARNING", "Traceback"):
            assert noise not in said
        assert left(below) == []
