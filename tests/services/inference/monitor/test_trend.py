"""Which windows become points of a trend: the same ones, however windows are divided over steps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.commit.point import POINT, points, view
from services.inference.engine import Scored
from services.inference.monitor.trend import trend
from services.inference.windows import WINDOW
from shared.labels import SCORE_NAMES


def windows_of(numbers: list[int], many: int = 1) -> np.ndarray[Any, np.dtype[np.void]]:
    table = np.zeros(len(numbers), WINDOW)
    table["patient"], table["window"], table["windows"] = b"a", numbers, many
    table["end_us"] = (table["window"] + many - 1) * 5_000_000 + 10_000_000
    return table


def scored(n: int) -> Scored:
    return Scored(
        np.ones(n, bool),
        np.full((n, len(SCORE_NAMES)), 0.25, np.float32),
        np.full(n, 0.5, np.float32),
        np.zeros(n, np.uint16),
        np.zeros((n, 1000), np.float32),
    )


def made(table: np.ndarray[Any, np.dtype[np.void]], every_us: int = 30_000_000) -> bytes:
    (points_of,) = trend(
        table, scored(len(table)), [np.arange(len(table))], stride_us=5_000_000, every_us=every_us
    )
    return points_of.get(b"a", b"")


def test_one_window_of_each_stretch_becomes_a_point_the_first_to_begin_in_it() -> None:
    found = np.frombuffer(made(windows_of(list(range(20)))), POINT)
    assert found["end_us"].tolist() == [10_000_000 + start for start in (0, 30_000_000, 60_000_000, 90_000_000)]


@given(st.lists(st.integers(0, 59), unique=True).map(sorted), st.integers(5_000_000, 100_000_000))
def test_how_windows_are_divided_over_steps_changes_nothing(cuts: list[int], every_us: int) -> None:
    whole = windows_of(list(range(60)))
    parts = np.split(whole, cuts)
    assert b"".join(made(part, every_us) for part in parts) == made(whole, every_us)


def test_a_run_of_empty_windows_is_one_point_if_any_of_them_would_be() -> None:
    assert len(made(windows_of([1], many=20))) == POINT.itemsize
    assert made(windows_of([1], many=4)) == b""


def test_a_point_says_what_the_window_said_to_what_it_can_hold() -> None:
    scores = np.linspace(0, 1, len(SCORE_NAMES), dtype=np.float32)[None]
    (point,) = points(np.array([7]), np.array([1], np.uint8), np.array([0.734], np.float32), scores)
    shown = view(point)
    assert shown["quality"] == pytest.approx(0.734, abs=0.0026)
    assert list(shown["scores"].values()) == pytest.approx(scores[0].tolist(), abs=5.1e-5)


def test_what_was_not_asked_is_nothing_in_a_point() -> None:
    nan = np.full((1, len(SCORE_NAMES)), np.nan, np.float32)
    (point,) = points(np.array([7]), np.array([2], np.uint8), nan[:, 0], nan)
    assert (view(point)["quality"], view(point)["scores"]) == (None, None)
