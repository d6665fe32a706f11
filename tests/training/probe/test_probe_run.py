"""A probe from the command line: what it leaves behind, what it keeps, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from training.classifier import load_run, seen_folds
from training.decision import read_decision
from training.probe.command import main
from training.probe.embeddings import embeddings
from training.probe.selection import Split, select
from training.runs import is_done, load_encoder, read_config
from training.store import Store


def test_a_probe_leaves_a_run_whose_network_gives_ten_scores(probed: Path, cohort: Path) -> None:
    run = load_run(probed)
    assert is_done(probed)
    assert run.classifier(torch.zeros(3, 1, 1000)).shape == (3, len(SCORE_NAMES))
    decision = read_decision(probed)
    assert decision is not None
    assert decision.folds == (8,)
    assert seen_folds(run.config) == set(range(1, 9))


def test_a_probe_leaves_its_encoder_as_it_was(probed: Path, encoder_run: Path) -> None:
    assert load_encoder(probed).weights_sha256 == load_encoder(encoder_run).weights_sha256


def test_the_configuration_says_what_was_learnt_from(probed: Path) -> None:
    config = read_config(probed) or {}
    assert config["data"]["sources"] == [{"name": "cohort", "layout": "wfdb", "records": 280, "simulated": True}]
    assert config["data"]["folds"] == [1, 2, 3, 4, 5, 6, 7]
    assert config["encoder_run"] == "tiny"
    assert {"revision", "versions"} < config.keys()


def test_an_untrained_encoder_has_seen_no_fold(encoder_run: Path) -> None:
    assert seen_folds(read_config(encoder_run) or {}) == frozenset()


def test_embeddings_are_computed_once_and_are_those_of_the_encoder(
    cohort: Path, encoder_run: Path, tmp_path: Path
) -> None:
    trained, store = load_encoder(encoder_run), Store(cohort)
    rows = np.array([5, 3, 300])
    first = embeddings(trained, store, rows, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    np.save(kept, first + 1)
    np.testing.assert_array_equal(embeddings(trained, store, rows, cache=tmp_path), first + 1)
    np.testing.assert_allclose(embeddings(trained, store, rows, cache=None), first, atol=1e-6)
    np.testing.assert_allclose(embeddings(trained, store, rows[::-1], cache=tmp_path), first[::-1], atol=1e-6)


def test_a_damaged_cache_is_computed_again(cohort: Path, encoder_run: Path, tmp_path: Path) -> None:
    trained, store, rows = load_encoder(encoder_run), Store(cohort), np.arange(4)
    first = embeddings(trained, store, rows, cache=tmp_path)
    next(tmp_path.iterdir()).write_bytes(b"nothing")
    np.testing.assert_array_equal(embeddings(trained, store, rows, cache=tmp_path), first)


def test_a_tenth_of_the_labels_is_a_tenth_of_the_patients(cohort: Path) -> None:
    store = Store(cohort)
    all_of_it, _ = select(store, Split(folds=(1, 2, 3), validate=(4,)), ("I",))
    tenth, validation = select(store, Split(folds=(1, 2, 3), validate=(4,), share=0.1), ("I",))
    assert len(all_of_it) == 120
    assert 8 <= len(tenth) <= 16
    assert len(validation) == 40


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--folds", "1-8", "--validate", "8"], "fold 8 cannot be both"),
        (["--folds", "11"], "no record in folds 11; it has 1, 2"),
        (["--folds", "one"], "write them as"),
        (["--folds", "5-3"], "no range of folds"),
        (["--labels", "0"], "share of the labels"),
        (["--seed", "-1"], "a seed is 0 or more"),
        (["--specificity", "2"], "specificity"),
        (["--source", "elsewhere"], "no source 'elsewhere'"),
    ],
)
def test_what_cannot_be_probed_is_one_line(
    arguments: list[str], what: str, cohort: Path, encoder_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(SelfmisError, match=what) as refused:
        main([str(encoder_run), "--store", str(cohort), "--out", str(tmp_path / "out"), *arguments])
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_complete_run_is_not_written_over(probed: Path, cohort: Path, encoder_run: Path) -> None:
    for out in (probed, encoder_run):
        with pytest.raises(SelfmisError, match="another name"):
            main([str(encoder_run), "--store", str(cohort), "--out", str(out)])
