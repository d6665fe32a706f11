"""The ground truth of a run, written beside its scenario: who has what from when, for scoring alarms."""

import json
from collections.abc import Sequence
from pathlib import Path

from services.ingest.feed import Slot
from services.ingest.runs import Run
from services.ingest.ward import Admitted, until
from shared.errors import SelfmisError


def write(path: Path, name: str, run: Run, slots: Sequence[Slot], admitted: Sequence[Admitted]) -> None:
    """One JSON object; times in ``episodes`` are seconds of the patient's own session, null means to the end."""
    patients = [
        {
            "patient": one.patient,
            "kind": one.kind,
            "rate_hz": one.rate_mhz / 1000,
            "session": str(slots[one.source].session),
            "session_start_us": slots[one.source].start_us,
            "episodes": [
                {"label": e.label, "start_s": e.start_s, "stop_s": until(e.stop_s)} for e in one.episodes
            ],
        }
        for one in admitted
    ]
    head = json.dumps({"scenario": name, "run": str(run.run), "origin_us": run.origin_us}, indent=1)
    # A line a patient, each by json's fast path: tens of thousands of patients wait until it is written.
    lines = ",\n  ".join(map(json.dumps, patients))
    partial = path.with_name(f"{path.name}.new")
    try:
        partial.write_text(f'{head[:-2]},\n "patients": [\n  {lines}\n ]\n}}\n', encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise SelfmisError(f"ground truth {path} cannot be written: {error.strerror}; use --truth FILE") from None
