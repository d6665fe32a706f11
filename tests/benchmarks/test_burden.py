"""`selfmis alarms burden`: every recording is watched, noisy ones apart, inverted ones told from upright ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.burden import ALL, INVERTED, UPRIGHT, burdens, main
from benchmarks.recordings import RecordingsError
from benchmarks.streams.scoring import ScoredStream
from shared.errors import SelfmisError
from shared.sections import AlarmSettings


def watched(patient: str, kind: str, any_mi: float, windows: int = 60) -> ScoredStream:
    scores = np.full((windows, 10), any_mi, np.float32)
    return ScoredStream(patient, kind, None, 10.0 + 5 * np.arange(windows), scores, np.ones(windows, np.bool_))


@pytest.fixture
def folder(tmp_path: Path, record: Callable[..., Path], beating: Callable[..., Any]) -> Path:
    """Four recordings as CinC 2017 has them: two the right way up, one turned, one too short."""
    signals = {"A00001": beating(20, 300), "A00002": beating(12, 300), "A00003": -beating(15, 300)}
    for name, signal in (signals | {"A00004": beating(9, 300)}).items():
        made = record(name, signal[:, None], fs=300, sig_name=["ECG"])
        for path in made.parent.glob(f"{name}.*"):
            path.rename(tmp_path / path.name)
    (tmp_path / "REFERENCE.csv").write_text("A00001,N\nA00002,A\nA00003,O\nA00004,N\n")
    return tmp_path


def test_all_recordings_that_hold_a_window_are_watched_for_so_long(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = folder / "burden.json"
    assert main(["--cinc2017", str(folder), "--minutes", "1", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert found["too_short"] == 1
    kinds = found["kinds"]
    assert {kind: each["patients"] for kind, each in kinds.items()} == {
        ALL: 3, "normal rhythm": 1, "atrial fibrillation": 1, "other rhythm": 1, UPRIGHT: 2, INVERTED: 1,
    }  # fmt: skip
    assert kinds[ALL]["windows"] == 3 * 11
    assert kinds[ALL]["patient_hours"] == pytest.approx(3 / 60, rel=0.01)
    assert "| seemingly upside down | 1 (0) | " in capsys.readouterr().out


def test_every_alarm_counts_and_noisy_recordings_stay_apart() -> None:
    streams = [watched("a", "normal rhythm", 0.05), watched("b", "noisy", 0.9), watched("c", "other rhythm", 0.9)]
    found = dict(burdens(streams, {"a": False, "b": True, "c": True}, AlarmSettings(), answer_s=60.0))
    assert [found[kind]["alarm_patients"] for kind in (ALL, "normal rhythm", "noisy", "other rhythm")] == [
        2,
        0,
        1,
        1,
    ]
    assert (found[UPRIGHT]["patients"], found[INVERTED]["patients"]) == (1, 1)
    assert found[INVERTED]["any_mi"] == pytest.approx(0.9)
    assert found[INVERTED]["alarms_per_patient_hour"] > found[ALL]["alarms_per_patient_hour"] > 0


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingsError, match="is not CinC 2017"):
        main(["--cinc2017", str(tmp_path)])
    with pytest.raises(SelfmisError, match="--minutes is 1 to 600"):
        main(["--cinc2017", str(tmp_path), "--minutes", "0"])
