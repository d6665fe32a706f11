"""Time that passed by the clock between a patient's windows, as a live monitor's alerts tell it.

While a patient's stream is lost, alarms escalate by the clock. That is no function of the samples, but all
that came of it are alerts (`AlarmWard.tick`), so an offline run of the same samples can let
the same time pass at the same place and must then come to the same, bit for bit.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference.alarms import Kind, Scored

SILENCE = frozenset({Kind.STREAM_LOST.label, Kind.SYSTEM_SILENT.label})
"""Alarms about silence itself: they depend on when frames came, so no offline run can find them."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """After this window of a patient, time went on to ``time_us`` without another one."""

    patient: bytes
    session: int
    window: int
    time_us: int


def elapsed_of(alerts: Iterable[Mapping[str, Any]]) -> list[Elapsed]:
    """What the alerts of a shard (as JSON, in order) say of passing time, each moment once."""
    found = dict.fromkeys(
        Elapsed(alert["patient"].encode(), int(alert["session"]), alert["window"], alert["time_us"])
        for alert in alerts
        if alert["clock"] and alert["kind"] not in SILENCE
    )
    return list(found)


def rounds(
    windows: Scored, elapsed: Sequence[Elapsed]
) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], list[tuple[bytes, int]]]]:
    """Rows of ``windows`` to apply, then times to let pass, and so on; each patient's in their order."""
    of: dict[bytes, list[Elapsed]] = defaultdict(list)
    for one in elapsed:
        of[one.patient].append(one)
    # How many of the patient's moments come before each row, and where each moment stands.
    number = np.zeros(len(windows), np.int64)
    times: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
    names = windows.patient.tolist()
    for name, moments in of.items():
        rows = [row for row, patient in enumerate(names) if patient == name]
        place = {(int(windows.session[row]), int(windows.window[row])): row for row in rows}
        for count, moment in enumerate(moments):
            times[count].append((name, moment.time_us))
            after = place.get((moment.session, moment.window), -1)
            number[[row for row in rows if row > after]] = count + 1
    for count in range(1 + max([int(number.max(initial=0)), *times])):
        yield np.flatnonzero(number == count), times[count]
