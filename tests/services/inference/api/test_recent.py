"""How often a ward is read: not more than a tenth of the time, and at once after a change."""

import numpy as np
import pytest

from services.inference.api.recent import RecentWard
from services.inference.api.ward import Ward
from services.inference.monitor.latest import LATEST


class Slow:
    """A ward that takes a while to be read, on a clock of its own."""

    def __init__(self, takes_s: float) -> None:
        self.now, self.read, self.takes_s = 0.0, 0, takes_s

    def __call__(self) -> Ward:
        self.now += self.takes_s
        self.read += 1
        return Ward((str(self.read),), np.zeros(0, LATEST), {}, {})


def test_a_reading_serves_for_as_long_as_ten_take() -> None:
    slow = Slow(0.1)
    recent = RecentWard(slow, clock=lambda: slow.now)
    for _ in range(5):
        assert recent.now().names == ("1",)
    slow.now = 1.01
    assert recent.now().names == ("2",)


def test_a_reading_tells_how_old_it_is_from_when_it_began() -> None:
    slow = Slow(0.1)
    recent = RecentWard(slow, clock=lambda: slow.now)
    assert recent.aged()[1] == pytest.approx(0.1)
    slow.now = 0.7
    assert recent.aged()[1] == pytest.approx(0.7)


def test_after_a_change_it_is_read_again() -> None:
    slow = Slow(0.1)
    recent = RecentWard(slow, clock=lambda: slow.now)
    recent.now()
    recent.forget()
    assert recent.now().names == ("2",)


def test_a_reading_that_fails_leaves_nothing_behind() -> None:
    def broken() -> Ward:
        raise ConnectionError

    recent = RecentWard(broken)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            recent.now()
