"""The same store, made by a real Ray cluster."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.prepare.command import main
from training.prepare.run import Prepared
from training.prepare.spread import over_ray
from training.store import Store


def test_ray_makes_the_store_that_this_process_makes(
    ptbxl: Callable[..., Path], prepared: Callable[..., Prepared], tmp_path: Path, ray_cluster: None
) -> None:
    folder = ptbxl(count=7)
    next(folder.rglob("00003_lr.dat")).unlink()
    here = prepared(folder, records_a_part=2)
    (tmp_path / "store").rename(tmp_path / "alone")
    spread = prepared(folder, records_a_part=2, spread=lambda jobs: over_ray(jobs, at_once=3))
    assert spread == here
    one, other = Store(tmp_path / "alone"), Store(tmp_path / "store")
    assert one.table.equals(other.table)
    assert one.manifest["parts"] == other.manifest["parts"]
    assert np.array_equal(one.signals(range(6)), other.signals(range(6)))


def test_a_command_joins_the_cluster_it_finds_and_leaves_it_running(
    ptbxl: Callable[..., Path], tmp_path: Path, ray_cluster: None
) -> None:
    import ray

    assert main([str(ptbxl()), "--out", str(tmp_path / "store"), "--workers", "2"]) == 0
    assert len(Store(tmp_path / "store")) == 4
    assert ray.is_initialized()
