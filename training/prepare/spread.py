"""Many parts at once, over the processes of a Ray cluster, or one after the other in this process."""

from collections.abc import Iterable, Iterator

from shared.errors import SelfmisError
from training.prepare.part import Job, Outcome, make


def here(jobs: Iterable[Job]) -> Iterator[Outcome]:
    """Make the parts in this process."""
    return map(make, jobs)


def _cpus() -> int:
    import ray  # noqa: PLC0415 - see over_ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
    return int(resources.get("CPU", 1))


def over_ray(jobs: Iterable[Job], *, at_once: int | None = None) -> Iterator[Outcome]:
    """Make the parts as Ray tasks, giving each when it is done, in any order.

    At most ``at_once`` (default: two for each CPU of the cluster, so that none waits) are submitted and not yet
    done, so the driver's memory does not grow with the set. The part of a worker that dies is made again.
    """
    import ray  # noqa: PLC0415 - takes a second, and small sets need none
    from ray.exceptions import RayError, RayTaskError  # noqa: PLC0415 - slow to import

    task = ray.remote(num_cpus=1, max_retries=3)(make)
    limit = at_once or max(2, 2 * _cpus())
    waiting: list[object] = []
    queue = iter(jobs)
    try:
        while True:
            while len(waiting) < limit and (job := next(queue, None)) is not None:
                waiting.append(task.remote(job))
            if not waiting:
                return
            done, waiting = ray.wait(waiting, num_returns=1)
            yield from ray.get(done)
    except RayTaskError:
        raise  # a fault of ours: its traceback is wanted
    except RayError as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise SelfmisError(f"Ray could not make a part: {why}; what is done is kept, run it again") from None
