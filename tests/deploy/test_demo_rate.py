"""How many windows a second the demo shows: those of some seconds, for they come in bursts."""

import pytest

from deploy.demo.watch import Rate


def test_bursts_of_one_stride_are_shown_as_what_they_come_to() -> None:
    rate = Rate(0.0)
    shown = [rate(float(second), 200 * (second // 5)) for second in range(1, 61)]
    assert min(shown[10:]) > 0
    assert shown[-1] == pytest.approx(40, rel=0.3)


def test_looks_that_are_far_apart_still_give_a_rate() -> None:
    rate = Rate(0.0)
    rate(30.0, 300)
    assert rate(60.0, 900) == pytest.approx(20)
