"""The training loop on Ray Train: workers, their process group, checkpoints in storage, and recovery.

`fit` runs where the command runs and waits; `_work` runs in every worker. What passes between them: a plan, and in
the other direction moments of progress. The state goes through `ray.train.report` into the storage, and from
there to whoever resumes.
"""

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.train.v2.api.config import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.v2.torch.torch_trainer import TorchTrainer

from shared.errors import SelfmisError
from training.pretrain.dataset import open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.loop import train
from training.pretrain.plan import Place, Plan, PlanError
from training.pretrain.progress import Progress
from training.pretrain.state import FILE
from training.pretrain.world import Group, Record
from training.runs import RunError

_KEPT = 2  # checkpoints in storage; the one before the last is there while the last is being written
_POLL_S = 0.5
_RESIZE_S = 60.0  # Ray Train's own

State = Callable[[], bytes]


@dataclass(frozen=True)
class Errand:
    """What a worker is sent off with; ``board`` is the handle of a `Board`."""

    plan: Plan
    cache: Path | None
    threads: int
    board: Any


class Board:
    """Where the first worker writes how far it is, and the command reads it. A Ray actor."""

    def __init__(self) -> None:
        self._waiting: list[Progress] = []

    def put(self, progress: Progress) -> None:
        """Add a moment."""
        self._waiting.append(progress)

    def take(self) -> list[Progress]:
        """What was added since the last time."""
        waiting, self._waiting = self._waiting, []
        return waiting


class RayWorld(Group):
    """A worker of a Ray Train run."""

    def __init__(self, device: torch.device, board: Any) -> None:
        super().__init__(device, show=board.put.remote)

    def keep(self, record: Record, state: State) -> None:
        """Report to Ray, which copies the state into the storage; waits for all workers."""
        if self.rank != 0:
            ray.train.report({})
            return
        try:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / FILE).write_bytes(state())
                ray.train.report(dict(record), checkpoint=ray.train.Checkpoint.from_directory(folder))
        except OSError as error:
            raise RunError(f"cannot write the checkpoint: {error.strerror or error}") from None

    def restored(self) -> bytes | None:
        """What Ray gives back after a failure, or finds in the storage of a run of that name."""
        checkpoint = ray.train.get_checkpoint()
        return None if checkpoint is None else _state_in(checkpoint)

    def kept_in(self) -> str:
        """The run's folder in the storage."""
        checkpoint = ray.train.get_checkpoint()
        return "the storage" if checkpoint is None else str(PurePosixPath(checkpoint.path).parent)


def fit(
    plan: Plan,
    place: Place,
    *,
    storage: str,
    name: str,
    show: Callable[[Progress], None],
    resize_s: float = _RESIZE_S,
) -> bytes:
    """Run the plan to its end on the cluster that we are connected to; gives the last state.

    A worker that dies takes its group with it, which starts again at the last checkpoint, up to ``place.failures``
    times. A storage that holds this run under that name is resumed, and one with another run refused. Where
    ``place`` leaves the number of workers open, Ray looks every ``resize_s`` whether the cluster has room for
    more, and then starts a larger group at the last checkpoint.
    """
    cuda = wants_cuda(place.device)
    _refuse_too_many(place, cuda)
    fewest, most = place.workers
    with _watched(show) as board:
        trainer = TorchTrainer(
            _work,
            train_loop_config={"errand": Errand(plan, place.cache, place.threads, board)},
            scaling_config=ScalingConfig(
                num_workers=most if fewest == most else (fewest, most),
                use_gpu=cuda,
                resources_per_worker={"CPU": place.threads} | ({"GPU": 1} if cuda else {}),
                elastic_resize_monitor_interval_s=resize_s,
            ),
            run_config=RunConfig(
                name=name,
                storage_path=storage,
                failure_config=FailureConfig(max_failures=place.failures),
                checkpoint_config=CheckpointConfig(num_to_keep=_KEPT),
                logging_config=LoggingConfig(log_level="ERROR"),
            ),
        )
        try:
            result = trainer.fit()
        except ray.train.WorkerGroupError as error:
            raise _first_failure(error.worker_failures) from None
        except ray.train.ControllerError as error:
            raise RunError(f"training failed: {_line(error.controller_failure)}") from None
    if result.checkpoint is None:
        raise RunError(f"training ended without a checkpoint in {storage}")
    return _state_in(result.checkpoint)


def wants_cuda(device: str) -> bool:
    """Whether workers get a GPU each: as asked, or for ``auto`` if the cluster has one."""
    there = _resources().get("GPU", 0) >= 1
    if device == "cuda" and not there:
        raise PlanError("the Ray cluster has no GPU; leave --device away, or say --device cpu")
    return device == "cuda" or (device == "auto" and there)


def _work(config: dict[str, Any]) -> None:
    errand: Errand = config["errand"]
    torch.set_num_threads(errand.threads)
    world = RayWorld(ray.train.torch.get_device(), errand.board)
    with contextlib.closing(world):
        data = open_dataset(errand.plan)
        train(errand.plan, data, world, teacher=of_teacher(errand.plan, errand.cache, data, world))


def _resources() -> dict[str, float]:
    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's
    return there


def _refuse_too_many(place: Place, cuda: bool) -> None:
    """A worker that does not fit would make Ray wait for a bigger cluster, silently, for ever."""
    there, fewest = _resources(), place.workers[0]
    for name, each in (("CPU", place.threads), *([("GPU", 1)] if cuda else [])):
        if fewest * each > there.get(name, 0):
            raise PlanError(
                f"{fewest} workers with {each} {name} each do not fit: the Ray cluster has {there.get(name, 0):g}"
            )


@contextmanager
def _watched(show: Callable[[Progress], None]) -> Iterator[Any]:
    actor: Any = ray.remote(num_cpus=0)(Board)
    board = actor.remote()
    over = threading.Event()

    def watch() -> None:
        while True:
            last = over.wait(_POLL_S)
            with contextlib.suppress(
                ray.exceptions.RayError
            ):  # the run itself says what is wrong with the cluster
                for progress in ray.get(board.take.remote()):
                    show(progress)
            if last:
                return

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield board
    finally:
        over.set()
        watcher.join()
        ray.kill(board)


def _state_in(checkpoint: ray.train.Checkpoint) -> bytes:
    with checkpoint.as_directory() as folder:
        return (Path(folder) / FILE).read_bytes()


def _first_failure(failures: dict[int, Exception]) -> SelfmisError:
    """The one line behind a group's failure: our own errors as they are, others by kind and first line."""
    causes = [getattr(failure, "cause", None) or failure for _, failure in sorted(failures.items())]
    ours = [cause for cause in causes if isinstance(cause, SelfmisError)]
    return ours[0] if ours else RunError(f"training failed: {_line(causes[0])}")


def _line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text:.200}"
