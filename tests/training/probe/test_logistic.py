"""The probe's fit against what is known of logistic regression."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from training.probe.linear import linear_probe
from training.probe.logistic import PENALTIES, ProbeError, Standard, fit, path


def problem(n: int = 300, dim: int = 6, statements: int = 3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, dim))
    logits = features @ random.normal(size=(dim, statements)) - 0.5
    return features, (random.uniform(size=logits.shape) < expit(logits)).astype(float)


def test_at_the_solution_no_step_makes_the_loss_smaller() -> None:
    features, labels = problem()
    penalty = np.array([0.1, 0.01, 1e-3])
    weight, bias = fit(features, labels, penalty)
    residual = expit(features @ weight + bias) - labels
    np.testing.assert_allclose(features.T @ residual / len(labels) + penalty * weight, 0, atol=1e-4)
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=1e-4)


def test_fitting_together_is_fitting_each_alone() -> None:
    features, labels = problem()
    together, _ = fit(features, labels, 0.01)
    for i in range(labels.shape[1]):
        alone, _ = fit(features, labels[:, [i]], 0.01)
        np.testing.assert_allclose(together[:, i], alone[:, 0], atol=1e-3)


def test_it_is_what_a_plain_optimiser_without_gradients_finds() -> None:
    features, labels = problem(n=80, dim=2, statements=1)

    def loss(p: np.ndarray) -> float:
        z = features @ p[:2] + p[2]
        return float((np.logaddexp(0, z) - labels[:, 0] * z).mean() + 0.05 * (p[:2] ** 2).sum())

    expected = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).x
    weight, bias = fit(features, labels, 0.1)
    np.testing.assert_allclose([*weight[:, 0], bias[0]], expected, atol=1e-3)


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    sizes = [float(np.abs(weight).sum()) for _, weight, _ in path(*problem())]
    assert sizes == sorted(sizes)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    features, labels = problem()
    for penalty, weight, _ in path(features, labels, PENALTIES[:5]):
        np.testing.assert_allclose(weight, fit(features, labels, penalty)[0], atol=2e-3)


def test_a_statement_that_nobody_has_gets_no_weight_and_a_low_logit() -> None:
    features, labels = problem()
    labels[:, 1] = 0
    weight, bias = fit(features, labels, 0.01)
    assert (weight[:, 1] == 0).all()
    assert bias[1] == pytest.approx(np.log(0.5 / 300.5))
    assert weight[:, 0].any()


def test_standardising_can_be_undone_and_features_that_never_change_do_not_matter() -> None:
    features, labels = problem()
    raw = np.c_[features * 50 + 3, np.full(len(features), 7.0)]
    standard = Standard.of(raw)
    weight, bias = fit(standard.apply(raw), labels, 0.01)
    linear = standard.undo(weight, bias)
    np.testing.assert_allclose(linear.logits(raw), standard.apply(raw) @ weight + bias, atol=1e-9)
    assert (linear.weight[-1] == 0).all()


def test_the_penalty_is_chosen_on_the_validation_records() -> None:
    random = np.random.default_rng(3)
    embeddings = random.normal(size=(1000, 40))
    labels = (random.uniform(size=(1000, 2)) < expit(embeddings[:, :2] * 2)).astype(float)
    few = linear_probe(embeddings[:60], labels[:60], embeddings[600:], labels[600:], names=("a", "b"))
    many = linear_probe(embeddings[:600], labels[:600], embeddings[600:], labels[600:], names=("a", "b"))
    assert few.penalties["a"] > many.penalties["a"]
    assert many.validation_loss["a"] < few.validation_loss["a"]


def test_a_probe_is_the_same_every_time() -> None:
    features, labels = problem()
    one, two = (linear_probe(features, labels, features, labels, names="abc") for _ in range(2))
    assert (one.model.weight == two.model.weight).all()


def test_a_probe_without_positives_or_records_is_one_line() -> None:
    features, labels = problem()
    with pytest.raises(ProbeError, match="no positives"):
        linear_probe(features, 0 * labels, features, labels, names="abc")
    with pytest.raises(ProbeError, match="records to train on"):
        linear_probe(features[:0], labels[:0], features, labels, names="abc")
