from typing import Any

import pytest

from shared.errors import SelfmisError
from training.pretrain.dataset import open_dataset
from training.pretrain.plan import Place, PlanError
from training.pretrain.rate import rate_at


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"method": "simclr"}, "no method 'simclr'"),
        ({"encoder": "huge"}, "no encoder 'huge'"),
        ({"lead": "V7"}, "no lead 'V7'"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"lr": float("nan")}, "lr must be above 0"),
        ({"schedule": "linear"}, "schedule must be cosine or exponential"),
        ({"folds": ()}, "no folds to train on"),
        ({"folds": (1, 9)}, "fold 9 cannot be both"),
        ({"keep": "best", "validate": ()}, "needs folds to validate on"),
        ({"method": "selfmis", "teacher": None}, "name its run folder with --teacher"),
        ({"method": "selfmis", "statements": 10}, "uses no labels"),
        ({"options": ("align=x",)}, "must be a number"),
        ({"norm_records": 3}, "a divisor of the batch of 8"),
        ({"norm_records": 1}, "at least 2"),
        ({"labels": 0.0}, "a share above 0 and at most 1"),
        ({"method": "selfmis", "labels": 0.5}, "no share of them to take"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: Any, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SelfmisError, match=why):
        plan(**changes)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ({"workers": (0, 1)}, "workers must be"),
        ({"workers": (2, 2), "plain": True}, "a plain run has one worker"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda"),
    ],
)
def test_a_place_that_cannot_be_is_refused(place: dict[str, Any], why: str) -> None:
    with pytest.raises(PlanError, match=why):
        Place(**place)


def test_a_share_of_the_labels_is_a_share_of_the_patients_and_the_smaller_lies_in_the_larger(plan: Any) -> None:
    rows = [set(open_dataset(plan(labels=share)).train.tolist()) for share in (0.25, 0.5, 1.0)]
    assert rows[0] < rows[1] < rows[2]
    assert len(rows[1]) == pytest.approx(len(rows[2]) / 2, abs=2)


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_the_rate_rises_to_its_top_and_falls_to_its_end(plan: Any, schedule: str) -> None:
    asked = plan(schedule=schedule, lr=0.5, final_lr=0.1, warmup=0.2)
    rates = [rate_at(step, 100, asked) for step in range(100)]
    assert rates[20] == max(rates) == 0.5
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)
