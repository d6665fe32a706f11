"""Units one after the other in this process, or as many at once as a Ray cluster has room for."""

from typing import Any

from training.compare.board import Board
from training.compare.schedule import Schedule
from training.compare.units import Unit
from training.compare.work import Bench, Outcome, do

_LOOK_S = 0.5


def here(schedule: Schedule, bench: Bench, board: Board) -> None:
    """Do all units in this process."""
    while (unit := schedule.take()) is not None:
        board.began(unit)
        _settle(do(unit, bench, board.tick), schedule, board)
    board.close()


def over_ray(
    schedule: Schedule, bench: Bench, board: Board, *, gpus: float = 0.0, at_once: int | None = None
) -> None:
    """Do all units as Ray tasks, as soon as what they need is there and a place is free.

    A unit takes ``bench.threads`` processors and ``gpus`` of a GPU. One whose worker dies is tried once more, from
    its last checkpoint. Interrupted, the tasks are ended; what is done stays.
    """
    import ray  # noqa: PLC0415 - takes a second, and a plain run needs none

    task = ray.remote(num_cpus=bench.threads, num_gpus=gpus, max_retries=1)(do)
    running: dict[Any, Unit] = {}
    try:
        while not schedule.over:
            while (at_once is None or len(running) < at_once) and (unit := schedule.take()) is not None:
                running[task.remote(unit, bench)] = unit
                board.began(unit)
            done, _ = ray.wait([*running], num_returns=1, timeout=_LOOK_S)
            for reference in done:
                _settle(_outcome(reference, running.pop(reference)), schedule, board)
            board.tick()
    except BaseException:
        for reference in running:
            ray.cancel(reference, force=True)
        raise
    board.close()


def _outcome(reference: Any, unit: Unit) -> Outcome:
    import ray  # noqa: PLC0415 - see over_ray
    from ray.exceptions import RayError  # noqa: PLC0415 - slow to import

    try:
        outcome: Outcome = ray.get(reference)
    except RayError as error:
        first = (str(error).splitlines() or [""])[0]
        return Outcome(unit.name, f"its worker was lost: {type(error).__name__}: {first:.200}")
    return outcome


def _settle(outcome: Outcome, schedule: Schedule, board: Board) -> None:
    if outcome.error is None:
        schedule.finished(outcome.name)
    else:
        schedule.failed(outcome.name, outcome.error)
    board.ended(outcome)
