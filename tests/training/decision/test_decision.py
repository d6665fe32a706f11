"""Thresholds by rule, and the file that keeps them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from shared.labels import SCORE_NAMES
from training.decision import (
    Decision,
    DecisionError,
    Rule,
    decide,
    read_decision,
    thresholds,
    write_decision,
)
from training.metrics import sensitivity, specificity


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of 300 records; IPLMI has three positives, the last types none."""
    random = np.random.default_rng(7)
    labels = (random.uniform(size=(300, 10)) < 0.15).astype(np.float32)
    labels[:, 6:9] = 0
    labels[:3, 6] = 1
    labels[:, 9] = labels[:, :9].max(axis=1)
    return random.normal(size=labels.shape) + 2 * labels - 2, labels


def decision(scored: tuple[np.ndarray, np.ndarray], rule: Rule = Rule()) -> Decision:  # noqa: B008 - frozen
    return decide(*scored, np.arange(300), folds=(9,), rule=rule)


def test_a_decision_comes_back_from_its_file(scored: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    assert read_decision(tmp_path) is None
    made = decision(scored)
    write_decision(tmp_path, made)
    assert read_decision(tmp_path) == made


def test_a_wanted_specificity_is_reached_by_every_score(scored: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = expit(scored[0]), scored[1]
    for i, threshold in enumerate(thresholds(probabilities, labels, Rule(0.9)).values()):
        assert specificity(probabilities[:, i], labels[:, i], threshold) >= 0.9


def test_rare_types_take_the_specificity_of_any_mi(scored: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = expit(scored[0]), scored[1]
    found = thresholds(probabilities, labels, Rule())
    of_any = specificity(probabilities[:, 9], labels[:, 9], found["MI"])
    for i in (6, 7, 8):
        assert specificity(probabilities[:, i], labels[:, i], found[SCORE_NAMES[i]]) == pytest.approx(
            float(of_any), abs=0.01
        )
    assert sensitivity(probabilities[:, 0], labels[:, 0], found["IMI"]) > 0.5


@pytest.mark.parametrize("rows", [0, 5])
def test_nothing_to_decide_on_is_one_line(scored: tuple[np.ndarray, np.ndarray], rows: int) -> None:
    logits, labels = scored[0][:rows], np.zeros((rows, 10), np.float32)
    with pytest.raises(DecisionError) as refused:
        decide(logits, labels, np.arange(rows), folds=(9,), rule=Rule())
    assert "\n" not in str(refused.value)


def test_an_impossible_specificity_is_refused() -> None:
    with pytest.raises(DecisionError, match="below 1"):
        Rule(1.2)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"calibration": 1}', '{"calibration": {}, "folds": [1]}'])
def test_a_file_that_is_no_decision_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "decision.json").write_text(text)
    with pytest.raises(DecisionError) as refused:
        read_decision(tmp_path)
    assert "\n" not in str(refused.value)
