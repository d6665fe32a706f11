"""Time by the clock, found again in the alerts it led to, has the same effect in an offline run."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.inference.alarms import AlarmWard, Scored
from services.inference.monitor.elapsed import elapsed_of, rounds
from tests.services.inference.alarms.events import Player, Tick, Window, small_rules

NAMES = st.sampled_from(["ada", "ben"])
windows = st.builds(
    Window, mi=st.sampled_from([0.1, 0.6, 0.95]), after_s=st.sampled_from([5.0, 5.0, 90.0]), patient=NAMES
)
ticks = st.builds(Tick, st.sampled_from([10.0, 25.0, 60.0, 130.0]), NAMES)


@given(st.lists(st.one_of(windows, windows, windows, ticks), max_size=40))
def test_an_offline_run_that_is_told_when_time_passed_finds_the_same_alerts(story: list[Window | Tick]) -> None:
    rules = small_rules(escalations=3)
    live = Player(AlarmWard(rules))
    batches: list[Scored] = []
    for event in story:
        if isinstance(event, Tick):
            live.tick(event)
            continue
        batches.append(live.scored([event]))
        live.alerts += live.ward.apply(batches[-1], "")
    fields = {
        name: np.concatenate([getattr(batch, name) for batch in batches] or [getattr(live.scored([]), name)])
        for name in Scored.__slots__
    }
    elapsed = elapsed_of(json.loads(alert.to_json()) for alert in live.alerts)
    offline = AlarmWard(rules)
    found = []
    for rows, times in rounds(Scored(**fields), elapsed):
        found += offline.apply(Scored(**fields)[rows], "")
        found += offline.tick(times)
    assert sorted(alert.to_json() for alert in found) == sorted(alert.to_json() for alert in live.alerts)
    assert offline.changed().keys() == live.ward.changed().keys()
