"""All figures at once are the figures one by one."""

import dataclasses

import numpy as np
import pytest

from shared.labels import MI_CODES, SCORE_NAMES
from training.evaluate.data import EvaluationError
from training.evaluate.figures import Figures, is_few
from training.evaluate.results import Measured, brief, difference, summary
from training.evaluate.scored import Scored
from training.metrics import Resampling, auroc, average_precision, expected_calibration_error


def measured(scored: Scored, **changes: object) -> Measured:
    return Measured(dataclasses.replace(scored, **changes), Resampling(scored.patients, draws=60))


def test_each_figure_is_what_its_own_function_says(scored: Scored) -> None:
    figures = Figures(scored)
    values = dict(zip(figures.names, figures.of_replicates()[0], strict=True))
    for i, name in enumerate(SCORE_NAMES):
        probability, label = scored.probabilities[0, :, i], scored.labels[:, i]
        np.testing.assert_allclose(values[f"auroc.{name}"], auroc(probability, label))
        np.testing.assert_allclose(values[f"auprc.{name}"], average_precision(probability, label))
        np.testing.assert_allclose(values[f"ece.{name}"], expected_calibration_error(probability, label))
        if label.any():
            found = probability >= 0.5
            assert values[f"sensitivity.{name}"] == pytest.approx(found[label == 1].mean())
            assert values[f"specificity.{name}"] == pytest.approx((~found)[label == 0].mean())


def test_macro_averages_are_over_the_types_they_name(scored: Scored) -> None:
    figures = Figures(scored)
    values = dict(zip(figures.names, figures.of_replicates()[0], strict=True))
    areas = [values[f"auroc.{code}"] for code in MI_CODES]
    assert values["macro6"] == pytest.approx(np.mean(areas[:6]))
    assert values["macro9"] == pytest.approx(np.mean(areas[:6]))  # the last three have no positives
    assert values["macro20"] == pytest.approx(np.mean(areas[:5]))  # LMI has ten


def test_the_summary_has_the_keys_that_other_programs_read(scored: Scored) -> None:
    found = summary(measured(scored))
    for name in ("any_mi", "macro6", "macro9"):
        assert {"auroc", "ci", "n"} <= found[name].keys()
        assert found[name]["n"] == 300
        low, high = found[name]["ci"]
        assert low <= found[name]["auroc"] <= high
    assert list(found["types"]) == list(MI_CODES)
    assert {"ece", "sensitivity", "specificity"} < found.keys()
    assert found["macro9"]["undefined"] == ["IPLMI", "IPMI", "PMI"]


def test_types_that_cannot_be_judged_are_marked(scored: Scored) -> None:
    types = summary(measured(scored))["types"]
    assert [code for code in MI_CODES if types[code]["few"]] == ["LMI", "IPLMI", "IPMI", "PMI"]
    assert types["PMI"]["auroc"] is None
    assert types["PMI"]["ci"] is None
    assert is_few("PMI", 500)
    assert not is_few("MI", 3)


def test_a_handful_of_positives_has_no_interval(scored: Scored) -> None:
    labels = scored.labels.copy()
    labels[:2, 6] = 1
    found = summary(measured(scored, labels=labels))["types"]["IPLMI"]
    assert found["auroc"] is not None
    assert found["ci"] is None
    assert found["specificity_ci"] is not None


def test_a_model_does_not_differ_from_itself(scored: Scored) -> None:
    found = difference(measured(scored), measured(scored))["any_mi"]
    assert found == {"difference": 0.0, "ci": [0.0, 0.0], "p": 1.0}


def test_a_clearly_better_model_differs_and_the_sign_says_which(scored: Scored) -> None:
    worse = np.random.default_rng(5).uniform(size=scored.probabilities.shape)
    found = difference(measured(scored), measured(scored, probabilities=worse))["any_mi"]
    assert found["ci"][0] > 0
    assert found["p"] < 0.05


def test_comparing_other_records_is_refused(scored: Scored) -> None:
    with pytest.raises(EvaluationError, match="same records"):
        difference(measured(scored), measured(scored, rows=scored.rows + 1))


def test_seeds_are_averaged_and_shown_one_by_one(scored: Scored) -> None:
    random = np.random.default_rng(2)
    other = np.clip(scored.probabilities + random.normal(0, 0.2, scored.probabilities.shape), 0, 1)
    both = measured(
        scored,
        probabilities=np.concatenate([scored.probabilities, other]),
        found=np.concatenate([scored.found, other >= 0.5]),
    )
    one, two = (float(auroc(p[:, -1], scored.labels[:, -1])) for p in (scored.probabilities[0], other[0]))
    found = brief(both)["any_mi"]
    assert found["seeds"] == pytest.approx([one, two])
    assert found["auroc"] == pytest.approx((one + two) / 2)
    assert found["sd"] == pytest.approx(np.std([one, two], ddof=1))


def test_every_fold_is_shown_by_itself(scored: Scored) -> None:
    folds = np.repeat(np.array([3, 4], np.int16), 150)
    by_fold = summary(measured(scored, folds=folds))["folds"]
    assert by_fold["3"]["any_mi"] == pytest.approx(
        float(auroc(scored.probabilities[0, :150, -1], scored.labels[:150, -1]))
    )
    assert by_fold["4"]["n"] == 150
