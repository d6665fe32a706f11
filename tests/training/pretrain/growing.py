"""Run by `test_elastic.py`: a plan on a Ray cluster of nodes of its own, one of which joins and goes in mid-run.

Prints the workers and the loss of every epoch, and writes the last state.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from training.cluster import prepare_environment

prepare_environment()
os.environ |= {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # reports follow no faster: there is time to grow
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "10",  # a node that went is asked for no longer than that
}

import ray  # noqa: E402 - after its environment
from ray.cluster_utils import Cluster  # noqa: E402 - after its environment
from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator as coordinator  # noqa: E402

from training.pretrain.on_ray import fit  # noqa: E402 - after its environment
from training.pretrain.plan import Place, Plan  # noqa: E402 - after its environment
from training.pretrain.progress import Progress  # noqa: E402 - after its environment
from training.pretrain.state import unpack  # noqa: E402 - after its environment


class Quick(coordinator._AutoscalingCoordinatorActor):  # type: ignore[misc]  # Ray's has no types
    """Ray's own account of what nodes there are, made anew every second instead of every twenty."""

    TICK_INTERVAL_S = 1


def until(true: Callable[[], bool]) -> None:
    """Wait."""
    while not true():
        time.sleep(0.05)


def main(values: dict[str, Any], folder: Path) -> None:
    """One node; a second one joins after two epochs, and is killed two epochs after the group has grown."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    name = "AutoscalingCoordinator"
    quick = ray.remote(num_cpus=0)(Quick).options(name=name, namespace=name, lifetime="detached").remote()
    ray.get(quick.get_reserved_resources.remote("nobody"))  # it is there before anybody else could make one
    epochs: list[int] = []  # the workers of each

    def show(progress: Progress) -> None:
        if progress.done and progress.record is not None:
            epochs.append(progress.record["workers"])
            print(progress.record["epoch"], epochs[-1], file=sys.stderr, flush=True)

    plan = Plan(**{**values, "store": Path(values["store"]), "teacher": Path(values["teacher"])})
    place = Place(workers=(1, 2), cache=folder / "cache", failures=3)
    try:
        with ThreadPoolExecutor(1) as pool:  # nodes are started and killed by the main thread only
            run = pool.submit(
                fit, plan, place, storage=str(folder / "runs"), name="elastic", show=show, resize_s=1.0
            )
            until(lambda: run.done() or len(epochs) >= 2)
            second = cluster.add_node(num_cpus=1)
            until(lambda: run.done() or epochs.count(2) >= 2)
            cluster.remove_node(second, allow_graceful=False)
            state = run.result()
    finally:
        ray.shutdown()
        cluster.shutdown()
    (folder / "state").write_bytes(state)
    history = unpack(state).position.history
    print(json.dumps([[epoch["workers"], epoch["loss"]] for epoch in history]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
