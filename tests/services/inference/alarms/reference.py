"""Alarms the slow and obvious way: one patient, one window at a time, lists of what was seen."""

from dataclasses import dataclass, field

import numpy as np

from services.inference.alarms.alert import Alert
from services.inference.alarms.judgement import Moment, Seen, on_window
from services.inference.alarms.rules import Rules
from services.inference.alarms.standing import Standing
from services.inference.alarms.terms import Status
from shared.quality import Reason

F = np.float32


@dataclass
class SlowPatient:
    """The evidence and standing of one patient."""

    rules: Rules
    standing: Standing = field(default_factory=Standing)
    session: int = 0
    now_us: int = -(2**61)
    judged: list[int] = field(default_factory=list)  # end of each window since the evidence was last void
    probabilities: list[np.float32] = field(default_factory=lambda: [F(0)] * 10)
    mi: list[np.float32] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    contact: list[str] = field(default_factory=list)

    def window(self, name: bytes, row: dict[str, object], model: str) -> list[Alert]:
        """What one window leads to."""
        s, rules = self.rules.settings, self.rules
        end, session = int(row["end_us"]), int(row["session"])  # type: ignore[call-overload]  # NumPy scalars
        values = [F(v) for v in row["scores"]]  # type: ignore[attr-defined]  # an array
        if session != self.session and end < self.now_us:
            self.standing = self.standing.shifted(end - self.now_us)
            self.now_us = end
        self.session, self.now_us = session, max(self.now_us, end)
        if self.standing.status is not Status.ADMITTED:
            return []
        judged = bool(row["assessable"] and not row["empty"]) and all(np.isfinite(values))
        if judged:
            if not self.judged or not 0 <= end - self.judged[-1] <= rules.gap_us:
                self.judged, self.mi, self.probabilities = [], [], values
            else:
                self.probabilities = [
                    F(old + F(rules.newest * F(new - old)))
                    for old, new in zip(self.probabilities, values, strict=True)
                ]
            self.judged.append(end)
            self.mi.append(self.probabilities[-1])
        if not row["empty"]:
            if not self.seen or not 0 <= end - self.seen[-1] <= rules.gap_us:
                self.seen, self.contact = [], []
            lead_off = not judged and int(row["reasons"]) & Reason.LEAD_OFF  # type: ignore[call-overload]
            self.seen.append(end)
            self.contact.append("good" if judged else "lead_off" if lead_off else "poor")
        last = self.mi[-s.of_windows :]
        level = sum(sum(p >= F(t) for p in last) >= s.on_windows for t in (s.low, s.medium, s.high))
        off, fine = self.mi[-s.off_windows :], self.contact[-s.technical_off_windows :]
        recent = self.contact[-s.technical_of_windows :]
        seen = Seen(
            judged=judged,
            seen=not row["empty"],
            level=level,
            gone=len(off) == s.off_windows and all(p < F(s.off) for p in off),
            lead_off=recent.count("lead_off") >= s.technical_windows,
            lead_on=len(fine) == s.technical_off_windows and "lead_off" not in fine,
            poor=recent.count("poor") >= s.technical_windows,
            good=fine.count("good") == s.technical_off_windows,
        )
        moment = Moment(
            name,
            session,
            int(row["window"]),  # type: ignore[call-overload]
            self.now_us,
            tuple(float(p) for p in self.probabilities),
            tuple(float(v) for v in values) if judged else None,
            None if np.isnan(row["quality"]) else float(row["quality"]),  # type: ignore[arg-type]
            int(row["reasons"]),  # type: ignore[call-overload]
            model,
            strip=not row["empty"],
        )
        self.standing, alerts = on_window(self.standing, moment, seen, rules)
        return alerts
