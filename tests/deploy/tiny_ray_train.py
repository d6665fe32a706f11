"""Run a tiny Ray Train of two workers and write what Ray exposes meanwhile: python tiny_ray_train.py FILE PORT.

`ray_train.prom` beside this file is what it wrote, cut down to the families that the boards show.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

SECONDS, SCRAPED_UNTIL_S = 20, 120
FAMILIES = ("ray_train_", "ray_node_", "ray_actors", "ray_object_store_used_memory")


def work(_: dict[str, Any]) -> None:
    """One worker: a report with a checkpoint each second."""
    from ray import train

    for step in range(SECONDS):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "weights").write_text("none")
            train.report({"loss": 1 / (step + 1)}, checkpoint=train.Checkpoint.from_directory(folder))
        time.sleep(1)


def main(out: Path, port: int) -> None:
    """Train, and keep the last scrape in which workers have reported."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(address="local", num_cpus=3, include_dashboard=False, _metrics_export_port=port)
    with tempfile.TemporaryDirectory() as storage:
        trainer = TorchTrainer(
            work,
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(name="tiny", storage_path=storage),
        )
        training = threading.Thread(target=trainer.fit)
        training.start()
        deadline = time.monotonic() + SCRAPED_UNTIL_S
        text = ""
        # What Ray exposes lags behind by some seconds; a worker's comes last.
        while "ray_train_report_total_blocked_time_s{" not in text and time.monotonic() < deadline:
            time.sleep(1)
            try:
                text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
            except httpx.TransportError:  # Ray's agent is not up yet
                continue
        training.join()
    ray.shutdown()
    lines = text.splitlines(keepends=True)
    out.write_text(
        "".join(
            line for line in lines if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(FAMILIES)
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
