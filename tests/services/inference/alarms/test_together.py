"""Wards that share beds judge together: each must say what it would have said alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.alarms import AlarmWard, Beds, Scored, apply_together
from tests.services.inference.alarms.events import Player, Window, small_rules
from tests.services.inference.alarms.test_purity import windows

batches = st.lists(st.tuples(*[st.lists(windows, max_size=6)] * 3), max_size=8)


def mixed(parts: list[Scored], seed: int) -> tuple[Scored, list[np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """The windows of all in one batch, each patient's in their order; and where each one's are."""
    of = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(parts)), [len(part) for part in parts]))
    rows = [np.flatnonzero(of == number) for number in range(len(parts))]
    place = np.argsort(np.concatenate(rows))
    fields = [np.concatenate([getattr(part, name) for part in parts])[place] for name in Scored.__slots__]
    return Scored(*fields), rows


@settings(deadline=None, max_examples=15)
@given(batches, st.integers(0, 2**32))
def test_wards_that_judge_together_say_and_keep_what_each_would_alone(
    batches: list[tuple[list[Window], ...]], seed: int
) -> None:
    rules, beds = small_rules(), Beds()
    alone = [Player(AlarmWard(rules)) for _ in range(3)]
    together = [AlarmWard(rules, beds=beds) for _ in alone]
    for batch in batches:
        parts = [player.scored(part) for player, part in zip(alone, batch, strict=True)]
        wanted = [player.ward.apply(part, "m-1") for player, part in zip(alone, parts, strict=True)]
        whole, rows = mixed(parts, seed)
        assert apply_together(list(zip(together, rows, strict=True)), whole, "m-1") == wanted
        for ward, player in zip(together, alone, strict=True):
            assert ward.changed() == player.ward.changed()
            assert ward.census() == player.ward.census()


def test_beds_that_are_given_back_hold_nothing_of_who_lay_there() -> None:
    rules, beds = small_rules(), Beds()
    first = Player(AlarmWard(rules, beds=beds))
    first.windows(Window(mi=0.9), Window(mi=0.9))
    first.ward.close()
    second = Player(AlarmWard(rules, beds=beds))
    alone = Player(AlarmWard(rules))
    assert second.windows(Window(mi=0.4)) == alone.windows(Window(mi=0.4))
    assert second.ward.changed() == alone.ward.changed()


def test_wards_with_other_beds_or_rules_do_not_judge_together() -> None:
    rules = small_rules()
    nobody = Player(AlarmWard(rules)).scored([])
    beds = Beds()
    for other in (AlarmWard(rules), AlarmWard(small_rules(), beds=beds)):
        with pytest.raises(ValueError, match="same beds and rules"):
            apply_together([(AlarmWard(rules, beds=beds), np.arange(0)), (other, np.arange(0))], nobody)
