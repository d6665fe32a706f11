"""Stored figures that once were not refused in one line; `selfmis bench fuzz` found them."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.docs import page
from benchmarks.scored_replays import read_replay
from deploy.plan import costs
from deploy.plan.costs import NoFigures
from services.inference.alarms.tuning import ReplayError
from shared.errors import SelfmisError

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    for file in FIGURES.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    costs.read(tmp_path)
    return tmp_path


@pytest.mark.parametrize("body", ["[" * 100_000, "[1]", '"x"', "null"])
def test_figures_that_are_no_object_are_refused(figures: Path, body: str) -> None:
    (figures / "capacity.json").write_text(body)
    with pytest.raises(NoFigures):
        costs.read(figures)
    with pytest.raises(SelfmisError):
        page(figures)


@pytest.mark.parametrize("number", [10**400, 1e-320, float("inf"), float("nan"), -1, True])
def test_a_cost_that_no_machine_has_is_refused(figures: Path, number: object) -> None:
    told = json.loads((figures / "capacity.json").read_text())
    (figures / "capacity.json").write_text(json.dumps(dict.fromkeys(told, number)))
    with pytest.raises(NoFigures):
        costs.read(figures)


@pytest.mark.parametrize("at", [4, 8])
def test_a_replay_packed_in_an_unknown_way_is_refused(tmp_path: Path, at: int) -> None:
    file = tmp_path / "replay.npz"
    np.savez(file, patient=np.array(["a"]))
    raw = bytearray(file.read_bytes())
    for place in (raw.find(b"PK\x01\x02") + at + 2, raw.find(b"PK\x03\x04") + at):
        raw[place : place + 2] = b"\x63\x00"  # a version, or a method, that nobody has
    file.write_bytes(raw)
    with pytest.raises(ReplayError):
        read_replay(file)
