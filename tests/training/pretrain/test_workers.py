import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from training.pretrain.plan import Plan
from training.pretrain.world import World

SCRIPT = Path(__file__).with_name("side_by_side.py")
ROOT = Path(__file__).resolve().parents[3]
Found = dict[str, torch.Tensor]


def loaded() -> Any:
    """The script as a module: what it does in two processes, this one does alone."""
    spec = importlib.util.spec_from_file_location("side_by_side", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


ALONE = loaded()


@pytest.fixture(scope="module")
def found(store: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    """What one worker finds, and what two find together: gradients of a batch, then the state after an epoch."""
    folder = tmp_path_factory.mktemp("two")
    values = {"method": "joint", "store": str(store), "teacher": str(teacher), "epochs": 1, "batch": 8, "seed": 1}
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, str(SCRIPT)]
    two = [
        subprocess.Popen([*command, str(rank), str(folder), json.dumps(values)], cwd=ROOT, env=environ)
        for rank in (0, 1)
    ]
    plan = Plan(method="joint", store=store, teacher=teacher, epochs=1, batch=8, seed=1)
    alone = ALONE.everything(plan, World(torch.device("cpu")), folder / "alone.npy")
    assert [process.wait(timeout=200) for process in two] == [0, 0]
    return alone, safetensors.torch.load_file(folder / "found.safetensors")


def apart(found: tuple[Found, Found], kind: str) -> float:
    """How far the two are apart in everything of that kind, relative to its size."""
    alone, together = found
    names = [name for name in alone if name.startswith(f"{kind}.")]
    assert names
    assert together.keys() == alone.keys()
    flat = [torch.cat([of[name].double().flatten() for name in names]) for of in (alone, together)]
    return float((flat[0] - flat[1]).norm() / flat[0].norm())


CASES = [" ".join(case) for case in ALONE.CASES] + [f"apart-{' '.join(case)}" for case in ALONE.NORMS_APART]


@pytest.mark.parametrize("case", CASES)
def test_two_workers_find_what_one_finds_in_a_batch(found: tuple[Found, Found], case: str) -> None:
    assert apart(found, f"{case}-term") < 1e-5
    assert apart(found, f"{case}-gradient") < 2e-5


def test_two_workers_ask_the_teacher_as_one_does(found: tuple[Found, Found]) -> None:
    assert apart(found, "teacher") < 1e-5


# Adam divides by the size of the gradient, so a weight whose gradient is all rounding still takes whole steps.
@pytest.mark.parametrize("kind", ["model", "optimiser", "apart-model", "apart-average", "apart-optimiser"])
def test_two_workers_end_where_one_ends(found: tuple[Found, Found], kind: str) -> None:
    assert apart(found, kind) < 1e-4
