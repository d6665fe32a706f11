"""`ray job submit` to a cluster with a job server: the code travels, the job trains, its exit code comes back."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from shared.ports import free_ports
from training import runs

ROOT = Path(__file__).resolve().parents[3]
RAY = Path(sys.executable).with_name("ray")
# The virtual environment is active, because a job's `python` is its node's; nothing of ours is set, because a job
# finds its code in what was sent.
ENVIRON = {
    name: value for name, value in os.environ.items() if not name.startswith(("SELFMIS_", "RAY_", "PYTHON"))
}
ENVIRON |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
ENVIRON |= {"RAY_worker_niceness": "0", "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300"}  # see tests/conftest.py
ENVIRON["PATH"] = f"{RAY.parent}{os.pathsep}{os.environ['PATH']}"
MOST_BYTES = 20 << 20
REVISION = "v1.2-3-gabc"


@dataclass(frozen=True)
class Head:
    """A cluster of one node, and the folder in which it keeps everything. ``token``: what it asks for, or None."""

    url: str
    folder: Path
    token: str | None = None

    def submit(
        self, *command: str, environ: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """The documented command, waiting for the job's end; ``environ``: of a shell not set up for it."""
        how = ["--address", self.url, "--working-dir", ".", "--runtime-env", "deploy/ray/training.yaml"]
        return subprocess.run(
            [str(RAY), "job", "submit", *how, "--", *command],
            cwd=ROOT,
            env={**ENVIRON, **(access(self.token) if environ is None else environ)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )

    def sent(self) -> dict[str, int]:
        """The files of the one working directory that jobs brought along, by path, with their sizes."""
        folders = self.folder.glob("session_latest/runtime_resources/working_dir_files/_ray_pkg_*")
        (folder,) = (path for path in folders if path.is_dir())
        return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}


def of_cluster(folder: Path) -> list[psutil.Process]:
    """The processes whose command line names the cluster's folder: all of Ray's but its workers."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in word for word in process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def stop(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """End this cluster and no other."""
    started = psutil.Process(process.pid)
    mine = {started, *(started.children(recursive=True) if process.poll() is None else ()), *of_cluster(folder)}
    for one in mine:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    _, alive = psutil.wait_procs(mine, timeout=3)
    for one in alive:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(alive, timeout=10)
    process.wait(timeout=10)


def access(token: str | None) -> dict[str, str]:
    """What a shell, or a node, needs for a cluster with this token, or with none."""
    return {} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A cluster that asks everybody for a token."""
    with started(secrets.token_hex(32)) as head:
        yield head


@pytest.fixture(scope="module")
def open_head() -> Iterator[Head]:
    """One that asks nobody."""
    with started(None) as head:
        yield head


@contextmanager
def started(token: str | None) -> Iterator[Head]:
    """`ray start --head` with its job server, on ports of its own; gone at the end."""
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    url = f"http://127.0.0.1:{ports['dashboard-port']}"
    # Ray's sockets lie in its folder, and their paths may have 107 bytes: pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="sm-job-", ignore_cleanup_errors=True) as name:
        command = [str(RAY), "start", "--head", "--block", "--include-dashboard=true", "--num-cpus=2"]
        command += ["--node-ip-address=127.0.0.1", f"--object-store-memory={100 << 20}", f"--temp-dir={name}"]
        command += [f"--{option}={port}" for option, port in ports.items()]
        with (Path(name) / "start.log").open("wb") as log:
            environ = {**ENVIRON, **access(token)}
            process = subprocess.Popen(command, cwd=name, env=environ, stdout=log, stderr=subprocess.STDOUT)
        try:
            made = Head(url, Path(name), token)
            await_jobs(process, made)
            yield made
        finally:
            stop(process, Path(name))


def await_jobs(process: "subprocess.Popen[bytes]", head: Head) -> None:
    """Until the job server has told that it has no jobs yet."""
    deadline = time.monotonic() + 300
    while True:
        try:
            jobs = jobs_of(head)
        except httpx.HTTPError:
            log = (head.folder / "start.log").read_text(errors="replace")
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)
        else:
            assert jobs == []
            return


def jobs_of(head: Head) -> list[dict[str, Any]]:
    """What the job server tells of its jobs."""
    answer = httpx.get(f"{head.url}/api/jobs/", headers=bearer(head), timeout=5).raise_for_status()
    jobs: list[dict[str, Any]] = answer.json()
    return jobs


def bearer(head: Head) -> dict[str, str]:
    """The header that a cluster with a token wants."""
    return {} if head.token is None else {"Authorization": f"Bearer {head.token}"}


@pytest.fixture(scope="module")
def trained(
    head: Head, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple["subprocess.CompletedProcess[str]", Path]:
    """A small training job that was submitted and waited for, and its run folder."""
    out = tmp_path_factory.mktemp("submitted") / "run"
    return head.submit(*pretrain(store, out)), out


def pretrain(store: Path, out: Path, *more: str) -> list[str]:
    """The command of a small training job."""
    what = ["--store", str(store), "--out", str(out), "--method", "supervised", "--batch", "32", "--epochs", "1"]
    return ["env", f"SELFMIS_REVISION={REVISION}", "python", "-m", "training.pretrain", *what, *more]


def test_a_submitted_job_trains_on_a_cluster_that_asks_for_a_token_and_does_not_tell_it(
    head: Head, trained: tuple["subprocess.CompletedProcess[str]", Path]
) -> None:
    done, out = trained
    assert done.returncode == 0, done.stdout
    assert "succeeded" in done.stdout
    assert head.token is not None
    assert head.token not in done.stdout
    assert runs.is_done(out)
    assert [(epoch["epoch"], epoch["workers"]) for epoch in runs.read_history(out)] == [(1, 1)]
    assert runs.load_encoder(out).record.method == "supervised"
    assert list((out / "checkpoints").glob("checkpoint_*"))  # Ray Train's: it did not run in one plain process


def test_a_submitted_job_knows_the_revision_it_was_told(
    trained: tuple["subprocess.CompletedProcess[str]", Path],
) -> None:
    config = runs.read_config(trained[1])
    assert config is not None
    assert config["revision"] == REVISION


@pytest.mark.usefixtures("trained")
def test_a_job_brings_the_code_along_and_little_else(head: Head) -> None:
    sent = head.sent()
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "training").rglob("*.py")}
    assert ours <= sent.keys()
    assert not {"tests", "var", "docs", ".venv", ".git"} & {path.split("/")[0] for path in sent}
    assert sum(sent.values()) < MOST_BYTES


def test_a_submitted_job_that_is_refused_says_why_and_fails(head: Head, store: Path, tmp_path: Path) -> None:
    done = head.submit(*pretrain(store, tmp_path / "run", "--folds", "10"))
    assert done.returncode == 1
    assert "nothing to train on: no record is in folds 10" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "Authentication required"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}, "Authentication failed"),
    ],
)
def test_a_job_without_the_token_is_refused_and_leaves_nothing(
    head: Head, store: Path, tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    before = jobs_of(head)
    done = head.submit(*pretrain(store, tmp_path / "run"), environ=environ)
    assert done.returncode != 0
    assert says in done.stdout
    assert jobs_of(head) == before
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_a_job_trains_on_a_cluster_that_asks_for_no_token(open_head: Head, store: Path, tmp_path: Path) -> None:
    done = open_head.submit(*pretrain(store, tmp_path / "run"))
    assert done.returncode == 0, done.stdout
    assert runs.is_done(tmp_path / "run")
    assert list((tmp_path / "run" / "checkpoints").glob("checkpoint_*"))


@pytest.mark.full
def test_a_job_that_was_stopped_goes_on_from_its_storage_url_when_it_is_submitted_again(
    open_head: Head, store: Path, tmp_path: Path
) -> None:
    command = [*pretrain(store, tmp_path / "run"), "--epochs", "40", "--storage", f"file://{tmp_path}/storage"]
    ended: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: ended.append(open_head.submit(*command)))
    thread.start()
    while not list(tmp_path.glob("storage/run-*/checkpoint_*")):
        assert thread.is_alive(), ended
        time.sleep(0.1)
    (running,) = (job for job in jobs_of(open_head) if job["status"] == "RUNNING")
    httpx.post(f"{open_head.url}/api/jobs/{running['submission_id']}/stop", timeout=30).raise_for_status()
    thread.join()
    assert "was stopped" in ended[0].stdout  # Ray's exit code for it is 0
    assert not runs.is_done(tmp_path / "run")
    before = len(runs.read_history(tmp_path / "run"))
    done = open_head.submit(*command)
    assert done.returncode == 0, done.stdout
    trained = [int(number) for number in re.findall(r"epoch +(\d+)/40", done.stdout)]
    assert trained[0] > 1  # epochs that it had behind it are not trained again
    assert trained[-1] == 40
    assert [epoch["epoch"] for epoch in runs.read_history(tmp_path / "run")] == list(range(1, 41))
    assert 0 < before < 40


@pytest.mark.full
def test_recordings_become_an_encoder_by_two_jobs_of_two_workers(open_head: Head, tmp_path: Path) -> None:
    from services.ingest.simulate import main as simulate

    data, store, out = (tmp_path / name for name in ("data", "store", "run"))
    assert simulate(["--layout", "ptbxl", "--records", "60", "--out", str(data)]) == 0
    done = open_head.submit("python", "-m", "training.prepare", str(data), "--out", str(store), "--workers", "2")
    assert done.returncode == 0, done.stdout
    done = open_head.submit(*pretrain(store, out, "--workers", "2"))
    assert done.returncode == 0, done.stdout
    assert [epoch["workers"] for epoch in runs.read_history(out)] == [2]
    assert runs.load_encoder(out).record.method == "supervised"
