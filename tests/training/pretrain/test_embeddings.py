from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from training.pretrain.dataset import read_windows
from training.pretrain.embeddings import Embeddings, embed, ensure, file_for
from training.pretrain.world import World
from training.runs import load_encoder
from training.store import Store

WORLD = World(torch.device("cpu"))


def test_each_row_is_what_the_teacher_makes_of_it(store: Path, teacher: Path, tmp_path: Path) -> None:
    opened, trained = Store(store), load_encoder(teacher)
    found = ensure(tmp_path / "e.npy", trained, opened, WORLD)
    rows = np.array([3, 0, 70])
    with torch.no_grad():
        expected = trained.encoder(read_windows(opened, rows, trained.record.leads)).numpy()
    np.testing.assert_allclose(found[rows], expected, atol=1e-5)


def test_a_row_without_the_leads_of_the_teacher_is_not_a_number(
    store: Path, teacher: Path, tmp_path: Path
) -> None:
    found = ensure(tmp_path / "e.npy", load_encoder(teacher), Store(store), WORLD)
    assert np.isnan(found.mapped).all(axis=1).nonzero()[0].tolist() == [1]


def test_a_lead_that_is_hidden_from_the_teacher_changes_what_it_sees(
    store: Path, teacher: Path, tmp_path: Path
) -> None:
    opened, trained = Store(store), load_encoder(teacher)
    rows = np.array([3, 70])
    windows = read_windows(opened, rows, trained.record.leads)
    windows[:, trained.record.leads.index("II")] = 0
    with torch.no_grad():
        expected = trained.encoder(windows).numpy()
    path = file_for(tmp_path, trained, opened, hidden="II")
    assert path != file_for(tmp_path, trained, opened)
    found = ensure(path, trained, opened, WORLD, hidden="II")
    np.testing.assert_allclose(found[rows], expected, atol=1e-5)


def test_they_are_computed_once(store: Path, teacher: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    for _ in range(2):
        ensure(tmp_path / "e.npy", load_encoder(teacher), Store(store), WORLD, show=shares.append)
    assert shares == [1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["e.npy"]


def test_two_runs_at_once_keep_what_the_teacher_makes_of_each_row(
    store: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.pretrain.embeddings._BATCH", 16)  # the store is small, and a share has many
    path, opened, trained = tmp_path / "e.npy", Store(store), load_encoder(teacher)
    all_written, other_begun = Event(), Event()

    def late(share: float) -> None:
        if share == 1:
            all_written.set()
            other_begun.wait(60)

    with ThreadPoolExecutor(2) as pool:

        def begun(_share: float) -> None:
            other_begun.set()
            wait([first], 60)

        first = pool.submit(ensure, path, load_encoder(teacher), opened, WORLD, show=late)
        all_written.wait(60)
        second = pool.submit(ensure, path, load_encoder(teacher), opened, WORLD, show=begun)
        found = [first.result(), second.result()]
    assert other_begun.is_set()
    rows = opened.select(leads=trained.record.leads)
    expected = embed(trained.encoder, opened, rows, trained.record.leads, WORLD.device)
    for kept in (*found, Embeddings(np.load(path))):
        np.testing.assert_allclose(kept[rows], expected, atol=1e-5)
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_is_interrupted_leaves_no_share_behind(store: Path, teacher: Path, tmp_path: Path) -> None:
    def interrupt(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path / "e.npy", load_encoder(teacher), Store(store), WORLD, show=interrupt)
    assert not list(tmp_path.iterdir())


def test_another_teacher_has_another_file(store: Path, teacher: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    trained = load_encoder(teacher)
    other = replace(trained, weights_sha256="0" * 64)
    assert file_for(tmp_path, trained, Store(store)) != file_for(tmp_path, other, Store(store))


def test_the_spread_is_over_the_training_rows_alone() -> None:
    values = np.random.default_rng(0).normal(5, 2, (100, 3)).astype(np.float32)
    values[50:] = np.nan
    spread = Embeddings(values).spread(np.arange(50))
    np.testing.assert_allclose(spread.mean, values[:50].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(spread.std, values[:50].std(axis=0), rtol=1e-5)
