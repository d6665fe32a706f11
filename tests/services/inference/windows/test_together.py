"""Shards that share a ward take their steps together: each must come to what it would have come to alone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.windows import Cutter, Rules, Step, Ward, cut_together
from shared.position import parse_id
from tests.services.inference.windows.reference import Store
from tests.services.inference.windows.wards import RULES, Traffic, rough

SHARDS = 3


class Owned:
    """One shard in the hands of an owner: its log, how far it was read, what was committed."""

    def __init__(self, log: list[Traffic], cutter: Cutter) -> None:
        self.log, self.cutter, self.store, self.read = log, cutter, Store(), 0

    def next(self, entries: int) -> list[Traffic]:
        """So many more."""
        self.read += entries
        return self.log[self.read - entries : self.read]

    def taken_over(self, rules: Rules, ward: Ward | None = None) -> None:
        """By another owner, who knows what was committed and reads from the rewind on."""
        self.cutter.close()
        self.cutter = self.store.cutter(rules, ward)
        rewind = parse_id(self.store.position.rewind)
        self.read = sum(parse_id(entry) < rewind for entry, _ in self.log)


def said(step: Step) -> tuple[object, ...]:
    """All of a step but its windows, in no order."""
    heard = step.heard
    rows = zip(heard.session.tolist(), heard.sample_us.tolist(), heard.at_us.tolist(), strict=True)
    refused = Counter((reason, bytes(header)) for reason, headers in step.refused for header in headers)
    came = dict(zip(heard.patient, rows, strict=True))
    return step.marks, step.parked, step.facts, step.offset, step.rewind, came, refused


def check(seed: int, rules: Rules, patients: int, seconds: int) -> None:
    dice = np.random.default_rng(seed)
    ward = Ward(rules)
    # Patients of different shards have the same names: nothing may depend on them.
    logs = [rough(np.random.default_rng([seed, i]), patients, seconds) for i in range(SHARDS)]
    together = [Owned(log, Cutter(rules, ward=ward)) for log in logs]
    apart = [Owned(log, Cutter(rules)) for log in logs]
    while any(shard.read < len(shard.log) for shard in together):
        some = np.flatnonzero(dice.random(SHARDS) < 0.8).tolist()
        entries = [together[i].next(int(dice.integers(0, 5))) for i in some]
        steps = cut_together([(together[i].cutter, new) for i, new in zip(some, entries, strict=True)])
        for i, step, new in zip(some, steps, entries, strict=True):
            alone = apart[i].cutter.step(new)
            assert said(step) == said(alone)
            together[i].store.commit(step)
            apart[i].store.commit(alone)
        if dice.random() < 0.1:
            lost = int(dice.integers(SHARDS))
            together[lost].taken_over(rules, ward)
            apart[lost].taken_over(rules)
    for mine, alone in zip(together, apart, strict=True):
        assert mine.store.windows == alone.store.windows
        mine.cutter.close()
    assert not ward.rings
    assert not ward.parked


@given(seed=st.integers(0, 2**32), rules=RULES)
@settings(max_examples=5, deadline=None)
def test_a_step_over_many_shards_is_a_step_over_each_also_when_shards_come_and_go(seed: int, rules: Rules) -> None:
    check(seed, rules, patients=4, seconds=30)


@pytest.mark.full
@given(seed=st.integers(0, 2**32), rules=RULES)
@settings(max_examples=100, deadline=None)
def test_the_same_with_more_patients_for_longer(seed: int, rules: Rules) -> None:
    check(seed, rules, patients=12, seconds=120)


def test_shards_of_different_wards_take_no_step_together() -> None:
    with pytest.raises(ValueError, match="one ward"):
        cut_together([(Cutter(Rules()), []), (Cutter(Rules()), [])])
