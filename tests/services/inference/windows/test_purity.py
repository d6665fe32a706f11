"""Windows are a function of the samples alone: against the plain reference, under every way to deliver them."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.windows import Cutter, Rules
from tests.services.inference.windows.reference import (
    Closed,
    Entry,
    Frame,
    Reference,
    Store,
    alike,
    referred,
    step,
)
from tests.services.inference.windows.wards import NOW_MS, RULES, divided, logged, logs


def same_windows(got: dict[bytes, list[Closed]], wanted: dict[bytes, list[Closed]]) -> bool:
    return got.keys() == wanted.keys() and all(alike(got[name], wanted[name]) for name in wanted)


World = tuple[Random, list[Entry]]


@given(logs(), RULES)
@settings(max_examples=40, deadline=None)
def test_any_log_in_any_steps_gives_the_windows_and_facts_of_the_reference(world: World, rules: Rules) -> None:
    check_steps(world, rules)


@given(logs(seconds=25, patients=24), RULES)
@settings(max_examples=8, deadline=None)
def test_many_patients_do_not_disturb_each_other(world: World, rules: Rules) -> None:
    check_crashes(world, rules)


@given(logs(), RULES)
@settings(max_examples=40, deadline=None)
def test_crashes_at_any_time_lose_no_window_repeat_none_and_count_every_fact_once(
    world: World, rules: Rules
) -> None:
    check_crashes(world, rules)


@pytest.mark.full
@given(logs(seconds=120, patients=6), RULES)
@settings(max_examples=150, deadline=None)
def test_long_logs_hold_the_same(world: World, rules: Rules) -> None:
    check_steps(world, rules)
    check_crashes(world, rules)


def check_steps(world: World, rules: Rules) -> None:
    random, log = world
    wanted, store, cutter = referred(rules, log), Store(), Cutter(rules)
    for entries in divided(random, log):
        store.commit(step(cutter, entries))
    assert same_windows(store.windows, wanted.windows)
    assert store.facts == wanted.facts


def check_crashes(world: World, rules: Rules) -> None:
    random, log = world
    wanted, store = referred(rules, log), Store()
    ids = [entry for entry, _ in log]
    while True:
        # A new owner sees what was committed and the entries from there on: nothing else survived.
        cutter = store.cutter(rules)
        left = [e for e, i in zip(log, map(key, ids), strict=True) if i >= key(store.position.rewind)]
        if not left:
            break
        for entries in divided(random, left):
            done = step(cutter, entries)
            if random.random() < 0.15:
                break  # killed before the commit
            store.commit(done)
            if random.random() < 0.15:
                break  # killed after it
        else:
            break
    assert same_windows(store.windows, wanted.windows)
    assert store.facts == wanted.facts


def key(entry: str) -> tuple[int, int]:
    milliseconds, sequence = entry.split("-")
    return int(milliseconds), int(sequence)


@given(logs(seconds=90, patients=2), RULES)
@settings(max_examples=20, deadline=None)
def test_the_rewind_id_is_exactly_the_oldest_entry_that_an_open_window_needs(world: World, rules: Rules) -> None:
    _, log = world
    rules = replace(rules, park_after_ms=10**9)
    reference, cutter = Reference(rules), Cutter(rules)
    for entry, frames in log:
        for frame in frames:
            reference.frame(entry, frame)
        rewind = step(cutter, [(entry, frames)]).rewind
        assert rewind == (reference.needed() or f"{key(entry)[0]}-{key(entry)[1] + 1}")


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[Rules, list[Frame], list[Frame]]:
    """One patient's frames in order, and the same samples split, doubled and shuffled within the lateness."""
    random = Random(draw(st.integers(0, 2**32)))
    rate = draw(st.sampled_from([50_000, 124_900, 130_000]))
    rules = Rules(stride_us=draw(st.sampled_from([2_500_000, 5_000_000])), lateness_us=2_000_000)
    signal = np.random.default_rng(random.randrange(2**32)).integers(-3000, 3000, 40 * rate // 1000)
    lost = {random.randrange(40) for _ in range(draw(st.integers(0, 4)))}
    allowance = 2 * rate // 1000
    straight = [
        Frame(b"p", tuple(signal[at : at + rate // 1000].tolist()), at, 7, NOW_MS * 1000, rate)
        for second in range(40)
        if second not in lost
        for at in [second * (rate // 1000)]
    ]
    pieces = []
    for frame in straight:
        cut = random.randrange(1, len(frame.samples))
        parts = [
            replace(frame, samples=frame.samples[:cut]),
            replace(frame, samples=frame.samples[cut:], first=frame.first + cut),
        ]
        pieces += parts if random.random() < 0.5 else [frame]
        pieces += [random.choice(parts)] if random.random() < 0.3 else []
    # A piece may come after one that ends at most the lateness behind its beginning.
    longest = rate // 1000
    moved = sorted(pieces, key=lambda f: f.first + random.uniform(0, allowance - longest))
    return rules, straight, moved


@given(deliveries())
@settings(max_examples=40, deadline=None)
def test_splitting_doubling_and_shuffling_within_the_lateness_changes_no_window(
    delivery: tuple[Rules, list[Frame], list[Frame]],
) -> None:
    rules, straight, moved = delivery
    results = []
    for frames in (straight, moved):
        store, cutter = Store(), Cutter(rules)
        random = Random(len(frames))
        # A later session closes what is still open.
        ended = [*frames, replace(frames[0], start_us=frames[0].start_us + 1)]
        for entries in divided(random, logged(random, list(enumerate(ended)))):
            store.commit(step(cutter, entries))
        # Which entry closed a window does depend on the order.
        results.append([replace(w, entry="", first=0, end_us=0) for w in store.windows[b"p"]])
    assert results[0] == results[1]
