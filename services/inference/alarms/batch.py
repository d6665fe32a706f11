"""One step's windows of several shards: evidence for all patients at once, judgement for the few one by one."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from services.inference.alarms.alert import Alert
from services.inference.alarms.evidence import Scored, observe

if TYPE_CHECKING:  # which in turn applies its own windows by this
    from services.inference.alarms.ward import AlarmWard

Rows = npt.NDArray[np.int64]


def apply_together(
    parts: Sequence[tuple["AlarmWard", Rows]], windows: Scored, model: str = ""
) -> list[list[Alert]]:
    """`AlarmWard.apply` of several wards in one go: of each, which of the windows are its patients'.

    All have the same beds and rules (`ValueError` otherwise). Gives the alerts of each ward.
    """
    if not parts:
        return []
    first = parts[0][0]
    if any(ward.beds is not first.beds or ward.rules is not first.rules for ward, _ in parts):
        raise ValueError("wards that judge together have the same beds and rules")
    at = np.concatenate([of for _, of in parts])
    number = np.repeat(np.arange(len(parts)), [len(of) for _, of in parts])
    if not at.size:
        return [[] for _ in parts]
    names = windows.patient[at].tolist()
    ends = np.cumsum([len(of) for _, of in parts]).tolist()
    beds = [ward.find(names[a:b]) for (ward, _), a, b in zip(parts, [0, *ends], ends, strict=False)]
    rows = np.array([row for several in beds for row in several], np.int64)
    alerts: list[tuple[int, int, list[Alert]]] = []
    for these in first.beds.rounds(rows):
        alerts += _round(parts, windows[at[these]], rows[these], number[these], at[these], model)
    said: list[list[Alert]] = [[] for _ in parts]
    for _, ward, several in sorted(alerts, key=lambda each: each[0]):
        said[ward] += several
    return said


def _round(
    parts: Sequence[tuple["AlarmWard", Rows]], windows: Scored, rows: Rows, number: Rows, at: Rows, model: str
) -> list[tuple[int, int, list[Alert]]]:
    """One window for each of ``rows`` (distinct), of the ward of that ``number``; ``at``: where they were.

    Gives that, the ward's number and the alerts, where there are any.
    """
    beds, rules = parts[0][0].beds, parts[0][0].rules
    records = beds.records[rows]
    new = records["session"] != windows.session
    fresh = new | (windows.window > records["window"])
    if not fresh.all():
        keep = np.flatnonzero(fresh)
        windows, rows, number, at = windows[keep], rows[keep], number[keep], at[keep]
        records, new = records[keep], new[keep]
    back = new & (windows.end_us < records["now_us"])
    for i in np.flatnonzero(back).tolist():
        parts[number[i]][0].shift(int(rows[i]), int(windows.end_us[i] - records["now_us"][i]))
    records["session"], records["window"] = windows.session, windows.window
    records["now_us"] = np.where(back, windows.end_us, np.maximum(windows.end_us, records["now_us"]))
    watched = beds.watched[rows]
    conditions = observe(records, windows, watched, rules)
    beds.records[rows] = records
    edges = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    for a, b in pairwise([*edges, len(rows)]):
        parts[number[a]][0].touch(rows[a:b])
    awake = watched & (conditions.any | beds.busy[rows] | (records["now_us"] >= beds.due[rows]))
    alerts = []
    for i in np.flatnonzero(awake).tolist():
        said = parts[number[i]][0].judge(windows, conditions, i, int(rows[i]), model)
        if said:
            alerts.append((int(at[i]), int(number[i]), said))
    return alerts
