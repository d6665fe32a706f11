"""The search for the highest level that is held: pure, so it is tested with levels that are only numbers."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.search import highest

MOST = 1_000_000


@given(limit=st.integers(0, 2 * MOST), first=st.integers(1, 50_000), grid=st.integers(1, 5_000))
def test_it_finds_the_highest_multiple_that_is_held(limit: int, first: int, grid: int) -> None:
    found = highest(lambda level: level <= limit, first=first, grid=grid, most=MOST)
    begun = grid * max(1, round(first / grid))
    assert found == (0 if limit < begun else min(limit, MOST) // grid * grid)


@given(limit=st.integers(1_000, 2 * MOST), grid=st.integers(100, 5_000))
def test_no_level_is_asked_about_twice_and_there_are_few(limit: int, grid: int) -> None:
    asked: list[int] = []

    def held(level: int) -> bool:
        asked.append(level)
        return level <= limit

    highest(held, first=1_000, grid=grid, most=MOST)
    assert len(asked) == len(set(asked)) <= 26
    assert all(level % grid == 0 and level <= MOST for level in asked)


def test_it_gives_up_after_the_first_level_that_is_too_much() -> None:
    asked: list[int] = []

    def held(level: int) -> bool:
        asked.append(level)
        return False

    assert highest(held, first=1_000, grid=500, most=MOST) == 0
    assert asked == [1_000]
