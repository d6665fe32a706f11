from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.methods import methods
from training.pretrain.dataset import open_dataset
from training.pretrain.embeddings import Embeddings, of_teacher
from training.pretrain.loop import build_trained, train
from training.pretrain.plan import Plan, PlanError
from training.pretrain.state import FILE, State, StateError, pack, unpack
from training.pretrain.world import Record, World
from training.runs import RunError

CPU = torch.device("cpu")


class Killed(Exception):
    pass


class Mortal(World):
    """Dies right after it has kept its state for the `lives`-th time."""

    def __init__(self, folder: Path, lives: int) -> None:
        super().__init__(CPU, folder=folder)
        self.lives = lives

    def keep(self, record: Record, state: Callable[[], bytes]) -> None:
        super().keep(record, state)
        self.lives -= 1
        if not self.lives:
            raise Killed


def embeddings_of(plan: Plan, cache: Path) -> Embeddings | None:
    return of_teacher(plan, cache, open_dataset(plan), World(CPU))


def run(plan: Plan, world: World, cache: Path) -> State:
    return unpack(train(plan, open_dataset(plan), world, teacher=embeddings_of(plan, cache)))


def untimed(state: State) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in e.items() if k not in ("seconds", "records_per_s", "since_start_s")}
        for e in state.position.history
    ]


@pytest.mark.parametrize("lives", [1, 2, 3])
def test_an_interrupted_run_ends_as_if_it_had_not_been(plan: Any, tmp_path: Path, lives: int) -> None:
    asked = plan(checkpoint_every=5, keep="best")
    undisturbed = run(asked, World(CPU), tmp_path)
    with pytest.raises(Killed):
        run(asked, Mortal(tmp_path, lives), tmp_path)
    resumed = run(asked, World(CPU, folder=tmp_path), tmp_path)
    assert untimed(resumed) == untimed(undisturbed)
    assert all(torch.equal(resumed.model[name], value) for name, value in undisturbed.model.items())
    assert all(torch.equal(resumed.best[name], value) for name, value in undisturbed.best.items())


@pytest.mark.parametrize("change", [{"folds": (1, 2, 3, 4)}, {"method": "selfmis"}, {"seed": 2}], ids=str)
def test_the_checkpoint_of_another_plan_is_refused(plan: Any, tmp_path: Path, change: dict[str, Any]) -> None:
    one, other = plan(epochs=1), plan(epochs=1, **change)
    run(one, World(CPU, folder=tmp_path), tmp_path)
    with pytest.raises(StateError, match="holds a checkpoint of another run") as refused:
        run(other, World(CPU, folder=tmp_path), tmp_path)
    assert str(refused.value).startswith(f"{tmp_path} holds")
    assert "\n" not in str(refused.value)


def test_a_checkpoint_that_says_not_whose_it_is_is_refused(plan: Any, tmp_path: Path) -> None:
    asked = plan(method="supervised", epochs=1)
    kept = run(asked, World(CPU, folder=tmp_path), tmp_path)
    trained = build_trained(asked, open_dataset(asked).outputs, None)
    kept.into_model(trained)
    (tmp_path / FILE).write_bytes(pack(trained, None, kept.position, {}))
    with pytest.raises(StateError, match="holds a checkpoint of another run"):
        run(asked, World(CPU, folder=tmp_path), tmp_path)


EACH = [(method.name,) for method in methods() if method.needs.training]


@pytest.mark.parametrize(
    "asked", [*EACH, ("selfmis", "stop_gradient=no"), ("joint", "any_lead=yes")], ids=" ".join
)
def test_each_method_goes_on_where_it_was_interrupted(plan: Any, tmp_path: Path, asked: tuple[str, ...]) -> None:
    method, *options = asked
    asked_for = plan(method=method, options=tuple(options), epochs=1, folds=(1, 2, 3), checkpoint_every=2, ema=0.9)
    undisturbed = run(asked_for, World(CPU), tmp_path)
    with pytest.raises(Killed):
        run(asked_for, Mortal(tmp_path, 1), tmp_path)
    resumed = run(asked_for, World(CPU, folder=tmp_path), tmp_path)
    assert untimed(resumed) == untimed(undisturbed)
    assert all(torch.equal(resumed.final[name], value) for name, value in undisturbed.final.items())


def test_the_average_of_the_weights_is_what_a_run_ends_with(plan: Any, tmp_path: Path) -> None:
    state = run(plan(method="supervised", epochs=1, ema=0.9), World(CPU), tmp_path)
    assert state.final is state.average
    assert any(not torch.equal(state.average[name], value) for name, value in state.model.items())


def test_an_average_that_forgets_at_once_is_the_weights(plan: Any, tmp_path: Path) -> None:
    state = run(plan(method="supervised", epochs=1, ema=1e-9), World(CPU), tmp_path)
    assert all(torch.allclose(state.average[name], value, atol=1e-6) for name, value in state.model.items())


def test_the_same_plan_twice_gives_the_same_weights(plan: Any, tmp_path: Path) -> None:
    first, second = (run(plan(epochs=1), World(CPU), tmp_path) for _ in range(2))
    assert all(torch.equal(second.model[name], value) for name, value in first.model.items())


def test_a_record_of_an_epoch_says_how_it_went(plan: Any, tmp_path: Path) -> None:
    state = run(plan(epochs=1), World(CPU), tmp_path)
    (record,) = state.position.history
    assert record["loss"] == pytest.approx(record["classification"] + 0.1 * record["alignment"])
    assert record["records"] == 56  # 62 in folds 1–8 with labels and twelve leads, in whole batches of 8
    assert {"score", "any_mi", "macro", "retrieval_1"} <= record["validation"].keys()


def test_the_best_epoch_is_kept_where_that_was_asked(plan: Any, tmp_path: Path) -> None:
    state = run(plan(epochs=3, keep="best", method="supervised"), World(CPU), tmp_path)
    scores = [epoch["validation"]["score"] for epoch in state.position.history]
    assert state.position.best_epoch == scores.index(max(scores))
    assert state.final is state.best


def test_statements_are_learnt_beside_the_scores(plan: Any) -> None:
    assert open_dataset(plan(method="supervised", statements=5)).outputs[10:] == ("NORM", "SR")


def test_a_full_disk_at_a_checkpoint_is_one_line(plan: Any, tmp_path: Path, full_disk: Any) -> None:
    with full_disk(), pytest.raises(RunError, match=r"cannot write .*state.safetensors"):
        run(plan(epochs=1, method="supervised"), World(CPU, folder=tmp_path), tmp_path)


def test_equal_seeds_start_from_equal_weights(plan: Any) -> None:
    first, second, other = (build_trained(plan(method="supervised", seed=s), ("MI",), None) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_a_loss_that_is_no_number_ends_the_run_in_one_line(plan: Any) -> None:
    asked = plan(method="selfmis", epochs=1)
    data = open_dataset(asked)
    broken = Embeddings(np.full((len(data.store), 24), np.nan, np.float32))
    with pytest.raises(PlanError, match="training diverged; lower --lr"):
        train(asked, data, World(CPU), teacher=broken)
