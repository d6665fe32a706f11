import io

import pytest

from training.progress import Progress, duration


def test_the_line_says_how_far_how_fast_and_how_long() -> None:
    progress = Progress("prepare", 100, "records", clock=iter([0.0, 2.0]).__next__, out=io.StringIO())
    progress.advance(20, skipped=40)
    assert progress.line(2.0) == "prepare 60 of 100 records (40 were done) · 10 records/s · 4 s left"


def test_a_log_gets_a_line_every_ten_seconds_and_the_last() -> None:
    log = io.StringIO()
    progress = Progress("x", 4, "n", clock=iter([0.0, 1.0, 9.0, 10.0, 11.0]).__next__, out=log)
    for _ in range(3):
        progress.advance(1)
    progress.close()
    assert log.getvalue().splitlines() == ["x 3 of 4 n · 0 n/s · 3 s left", "x 3 of 4 n · 0 n/s · 4 s left"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.6, "8 s"), (59.4, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
