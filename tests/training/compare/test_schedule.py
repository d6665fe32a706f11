"""Units are taken when what they need is there, and what can never be there is said."""

from pathlib import Path

import pytest

from training.compare.schedule import Schedule
from training.compare.units import Encoding
from training.pretrain.plan import Plan

PLAN = Plan(method="supervised", store=Path("store"))


def unit(name: str, *needs: str) -> Encoding:
    return Encoding(name=name, needs=needs, cost=1.0, plan=PLAN)


TEACHER, STUDENT, ALONE = unit("teacher"), unit("student", "teacher"), unit("alone")
HEAD = unit("head", "student")


def test_a_unit_waits_for_what_it_needs() -> None:
    schedule = Schedule([TEACHER, STUDENT, ALONE])
    assert [schedule.take(), schedule.take(), schedule.take()] == [TEACHER, ALONE, None]
    schedule.finished("teacher")
    assert schedule.take() == STUDENT


def test_what_is_done_is_not_taken_again() -> None:
    schedule = Schedule([TEACHER, STUDENT], ["teacher"])
    assert schedule.take() == STUDENT
    schedule.finished("student")
    assert schedule.over


def test_a_failure_takes_with_it_all_that_stands_on_it_and_nothing_else() -> None:
    schedule = Schedule([TEACHER, STUDENT, HEAD, ALONE])
    schedule.take()
    schedule.failed("teacher", "no room")
    assert schedule.failures == {
        "teacher": "no room",
        "student": "needs teacher, which failed",
        "head": "needs student, which failed",
    }
    assert schedule.take() == ALONE


@pytest.mark.parametrize("ends", ["finished", "failed"])
def test_it_is_over_when_the_last_unit_has_ended(ends: str) -> None:
    schedule = Schedule([TEACHER])
    schedule.take()
    assert not schedule.over
    getattr(schedule, ends)(*(["teacher"] if ends == "finished" else ["teacher", "why"]))
    assert schedule.over
