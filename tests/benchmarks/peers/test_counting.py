"""What a crash cost is counted, not guessed."""

from benchmarks.peers.counting import toll


def test_everything_once_costs_nothing() -> None:
    assert toll("abc", "abc") == (0, 0, 0)


def test_what_is_missing_is_lost() -> None:
    assert toll("ac", "abc") == (1, 0, 0)


def test_what_is_there_three_times_is_doubled_twice() -> None:
    assert toll("aaabc", "abc") == (0, 2, 0)


def test_what_nobody_should_have_is_strange_and_neither_lost_nor_doubled() -> None:
    assert toll("abcxx", "abc") == (0, 0, 2)


def test_losses_do_not_hide_behind_doubles() -> None:
    assert toll("aab", "abc") == (1, 1, 0)
