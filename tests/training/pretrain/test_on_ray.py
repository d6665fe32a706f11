import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from training import runs
from training.pretrain.command import main
from training.pretrain.dataset import open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.loop import train
from training.pretrain.plan import Place, Plan, PlanError
from training.pretrain.progress import Progress
from training.pretrain.state import State, StateError, unpack
from training.pretrain.world import World
from training.runs import RunError

ROOT = Path(__file__).resolve().parents[3]
TIMED = ("seconds", "records_per_s", "since_start_s", "workers", "exchange")


def undisturbed(plan: Plan, cache: Path) -> State:
    """The plan run without Ray."""
    data, world = open_dataset(plan), World(torch.device("cpu"))
    return unpack(train(plan, data, world, teacher=of_teacher(plan, cache, data, world)))


def apart(one: State, other: State) -> float:
    flat = [torch.cat([state.model[name].double().flatten() for name in one.model]) for state in (one, other)]
    return float((flat[0] - flat[1]).norm() / flat[0].norm())


def kill_a_worker(run: str, killed: list[int]) -> None:
    """SIGKILL the worker of a Ray Train run that works in a folder of the run's name, if there is one."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command, folder = process.info["cmdline"], process.info["cwd"]
        if command and folder and "RayTrainWorker" in command[0] and Path(folder).name == run:
            process.kill()
            killed.append(process.pid)
            return


def fit_and_kill(asked: Plan, storage: Path, place: Place) -> tuple[State, list[Progress]]:
    """The plan on Ray Train, one worker of which is killed once the first checkpoint is there."""
    from training.pretrain.on_ray import fit

    killed: list[int] = []
    over = threading.Event()

    def assassin() -> None:
        while not over.wait(0.02) and not killed:
            if list((storage / "killed").glob("checkpoint_*")):
                kill_a_worker("killed", killed)

    thread = threading.Thread(target=assassin)
    thread.start()
    shown: list[Progress] = []
    try:
        state = unpack(fit(asked, place, storage=str(storage), name="killed", show=shown.append))
    finally:
        over.set()
        thread.join()
    assert len(killed) == 1
    return state, shown


def losses(state: State) -> list[float]:
    return [epoch["loss"] for epoch in state.position.history]


# That N workers learn what one learns is for `test_workers.py`: here one is enough to lose, and it starts sooner.
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_lost_its_worker_ends_like_an_undisturbed_one(plan: Any, tmp_path: Path) -> None:
    asked = plan(epochs=2, checkpoint_every=3)
    expected = undisturbed(asked, tmp_path / "cache")
    state, shown = fit_and_kill(asked, tmp_path, Place(cache=tmp_path / "cache", failures=1))
    assert apart(state, expected) < 1e-6
    assert losses(state) == pytest.approx(losses(expected), rel=1e-6)
    assert [progress.epoch for progress in shown if progress.done][-1] == 2


@pytest.mark.full
@pytest.mark.usefixtures("ray_cluster")
def test_a_storage_that_holds_another_run_under_that_name_is_refused(plan: Any, tmp_path: Path) -> None:
    from training.pretrain.on_ray import fit

    def fitted(seed: int) -> bytes:
        asked = plan(method="supervised", epochs=1, folds=(1,), seed=seed)
        return fit(asked, Place(failures=0), storage=str(tmp_path), name="run", show=lambda _: None)

    first = fitted(1)
    assert fitted(1) == first
    with pytest.raises(StateError, match=f"^{tmp_path}/run holds a checkpoint of another run"):
        fitted(2)


@pytest.mark.full
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_of_two_that_lost_one_ends_like_an_undisturbed_one_of_a_single_worker(
    plan: Any, tmp_path: Path
) -> None:
    asked = plan(epochs=3, checkpoint_every=5)
    state, _ = fit_and_kill(asked, tmp_path, Place(workers=(2, 2), cache=tmp_path / "cache", failures=1))
    expected = undisturbed(asked, tmp_path / "other")
    assert apart(state, expected) < 1e-4
    assert [(epoch["workers"], epoch["exchange"]) for epoch in state.position.history] == [(2, "sockets")] * 3
    assert losses(state) == pytest.approx(losses(expected), rel=1e-4)


@pytest.mark.usefixtures("ray_cluster")
def test_more_workers_than_the_cluster_holds_are_refused_at_once(plan: Any, tmp_path: Path) -> None:
    from training.pretrain.on_ray import fit

    with pytest.raises(PlanError, match="3 workers with 1 CPU each do not fit"):
        fit(plan(), Place(workers=(3, 3)), storage=str(tmp_path), name="run", show=lambda _: None)


def test_what_a_worker_failed_of_is_told_in_one_line() -> None:
    from training.pretrain.on_ray import _first_failure

    ours, theirs = RunError("cannot write the checkpoint: No space left on device"), ValueError("a\nb")
    assert _first_failure({1: ours, 0: theirs}) is ours
    assert str(_first_failure({0: theirs})) == "training failed: ValueError: a"


@pytest.fixture
def job(store: Path, teacher: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """The arguments of a job."""

    def arguments(*more: str) -> list[str]:
        where = ["--store", str(store), "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
        what = ["--method", "joint", "--teacher", str(teacher), "--epochs", "6", "--batch", "8", "--seed", "1"]
        return [*where, *what, *more]

    return arguments


def untimed(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What does not depend on the clock, flat; a measure that is undefined is NaN."""
    flat = [epoch | epoch["validation"] for epoch in history]
    left_out = {*TIMED, "validation"}
    return [
        {name: math.nan if value is None else value for name, value in epoch.items() if name not in left_out}
        for epoch in flat
    ]


def approx(history: list[dict[str, Any]]) -> list[Any]:
    """Equal but for rounding: another process may use another number of BLAS threads."""
    return [pytest.approx(epoch, rel=1e-5, abs=1e-6, nan_ok=True) for epoch in history]


def kill_and_repeat(
    arguments: list[str], out: Path, checkpoint: str, environ: dict[str, str]
) -> list[dict[str, Any]]:
    """Start the job, SIGKILL it when it has kept a state, do it again; the history it ends with."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environ}
    process = subprocess.Popen([sys.executable, "-m", "training.pretrain", *arguments], cwd=ROOT, env=environ)
    deadline = time.monotonic() + 200
    while not list(out.glob(checkpoint)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not runs.is_done(out)
    assert main(arguments) == 0
    assert runs.is_done(out)
    return runs.read_history(out)


def test_a_killed_job_goes_on_where_it_was(job: Any, plan: Any, tmp_path: Path) -> None:
    history = kill_and_repeat(job("--plain"), tmp_path / "run", "checkpoints/state.safetensors", {})
    expected = undisturbed(plan(epochs=6), tmp_path / "other").position.history
    assert untimed(history) == approx(untimed(expected))


@pytest.mark.full
@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_job_on_a_cluster_goes_on_where_it_was(job: Any, plan: Any, tmp_path: Path) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    arguments = job("--workers", "1")
    history = kill_and_repeat(
        arguments, tmp_path / "run", "checkpoints/checkpoint_*/state*", {"RAY_ADDRESS": address}
    )
    expected = undisturbed(plan(epochs=6), tmp_path / "other").position.history
    assert untimed(history) == approx(untimed(expected))
    assert json.loads((tmp_path / "run" / runs.CONFIG).read_text())["place"]["workers"] == [1, 1]
