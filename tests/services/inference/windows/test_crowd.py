"""Many patients' frames are placed by one array operation: each must fare as if alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.windows import Cutter, Rules
from services.inference.windows.ring import Ring
from services.inference.windows.rules import Geometry
from shared.frames import Frames
from tests.services.inference.windows.reference import Store
from tests.services.inference.windows.wards import RULES, Traffic, rough


def check(seed: int, rules: Rules, patients: int, seconds: int) -> None:
    random = np.random.default_rng(seed)
    log = rough(random, patients, seconds)
    ends = np.flatnonzero(random.random(len(log)) < 0.6)
    steps = [log[a:b] for a, b in zip([0, *ends], [*ends, len(log)], strict=True)]
    rules = replace(rules, max_patients=patients)
    together, apart = carried(rules, steps), Store()
    for name in together.marks:
        alone = carried(rules, [only(name, step) for step in steps])
        apart.windows |= alone.windows
        apart.marks |= alone.marks
        apart.parked |= alone.parked
        apart.facts += alone.facts
    assert together.windows == apart.windows
    assert together.facts == apart.facts
    assert (together.marks, together.parked) == (apart.marks, apart.parked)


def carried(rules: Rules, steps: list[list[Traffic]]) -> Store:
    store, cutter = Store(), Cutter(rules)
    for entries in steps:
        store.commit(cutter.step(entries))
    return store


def only(name: bytes, entries: list[Traffic]) -> list[Traffic]:
    """The same log with one patient's frames alone."""
    found = []
    for entry, runs in entries:
        own = [run.headers["patient"] == name for run in runs]
        found.append((entry, [Frames(r.headers[o], r.samples[o]) for r, o in zip(runs, own, strict=True)]))
    return found


@given(seed=st.integers(0, 2**32), rules=RULES)
@settings(max_examples=12, deadline=None)
def test_a_crowd_has_the_windows_facts_and_state_of_its_patients_one_at_a_time(seed: int, rules: Rules) -> None:
    check(seed, rules, patients=12, seconds=60)


@pytest.mark.full
@given(seed=st.integers(0, 2**32), rules=RULES)
@settings(max_examples=100, deadline=None)
def test_a_larger_crowd_for_longer_holds_the_same(seed: int, rules: Rules) -> None:
    check(seed, rules, patients=40, seconds=120)


BUFFER = Geometry.at(100_000, Rules()).buffer


@given(columns=st.lists(st.integers(0, 2 * BUFFER), min_size=4, max_size=4), length=st.integers(0, BUFFER))
def test_what_moves_to_the_front_is_what_began_there_up_to_its_end(columns: list[int], length: int) -> None:
    ring = Ring(Geometry.at(100_000, Rules()))
    slots = np.array([ring.take(row) for row in range(len(columns))])
    ring.cells[:] = np.arange(ring.cells.size).reshape(ring.cells.shape)
    before = ring.cells.copy()
    ring.to_front(slots, np.array(columns), length)
    for slot, column in enumerate(columns):
        moved = before[slot, column : column + length]
        assert np.array_equal(ring.cells[slot, : len(moved)], moved)
