import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from training.pretrain.dataset import open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.loop import train
from training.pretrain.state import unpack
from training.pretrain.world import World

SCRIPT = Path(__file__).with_name("growing.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_group_grows_and_shrinks_with_the_nodes_and_learns_what_one_worker_learns(
    plan: Any, tmp_path: Path
) -> None:
    asked = plan(epochs=24, batch=32, checkpoint_every=1)
    said = {"method": asked.method, "store": str(asked.store), "teacher": str(asked.teacher), "seed": asked.seed}
    said |= {"epochs": asked.epochs, "batch": asked.batch, "checkpoint_every": asked.checkpoint_every}
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # Ray's sockets do not fit a long path
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": short}
        environ.pop("RAY_ADDRESS", None)
        done = subprocess.run(
            [sys.executable, str(SCRIPT), json.dumps(said), str(tmp_path)],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, timeout=1100, check=True,
        )  # fmt: skip
    workers, losses = zip(*json.loads(done.stdout.splitlines()[-1]), strict=True)
    changes = [count for before, count in zip((None, *workers), workers, strict=False) if count != before]
    assert changes == [1, 2, 1]

    data, world = open_dataset(asked), World(torch.device("cpu"))
    alone = unpack(train(asked, data, world, teacher=of_teacher(asked, tmp_path / "alone", data, world)))
    assert losses == pytest.approx([epoch["loss"] for epoch in alone.position.history], rel=1e-4)
    state = unpack((tmp_path / "state").read_bytes())
    flat = [torch.cat([of.model[name].double().flatten() for name in alone.model]) for of in (state, alone)]
    assert float((flat[0] - flat[1]).norm() / flat[1].norm()) < 1e-3
