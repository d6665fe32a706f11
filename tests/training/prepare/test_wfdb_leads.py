from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.wfdb import RecordingError
from training.prepare.wfdb_leads import read_leads

Record = Callable[..., Path]


def named(record: Record, *names: str) -> Path:
    signals = np.column_stack([np.arange(1000) % 50 / 10 + k for k in range(len(names))])
    return record("r", signals, sig_name=list(names))


def test_leads_are_found_by_name_in_any_order(record: Record) -> None:
    leads = read_leads(named(record, "V1", "aVR", "I", "resp"), None)
    assert [(lead, int(s.values[0])) for lead, s in leads.items()] == [("I", 2000), ("AVR", 1000), ("V1", 0)]


def test_the_very_name_wins_over_a_position_that_stands_for_it(record: Record) -> None:
    assert read_leads(named(record, "MLII", "II"), None)["II"].values[0] == 1000


def test_a_lead_that_is_there_twice_is_refused(record: Record) -> None:
    with pytest.raises(RecordingError, match="2 of its signals may be lead II: it has MLII, D2"):
        read_leads(named(record, "MLII", "D2"), None)


def test_an_unnamed_single_signal_is_the_lead_that_was_said(record: Record) -> None:
    assert list(read_leads(named(record, "ECG"), "I")) == ["I"]
    with pytest.raises(RecordingError, match=r"none .* standard lead: it has ECG; say with --lead which it is"):
        read_leads(named(record, "ECG"), None)


def test_what_a_signal_says_it_is_counts_more_than_what_was_said(record: Record) -> None:
    assert list(read_leads(named(record, "V5"), "I")) == ["V5"]


def test_a_record_of_segments_is_left_to_its_segments(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r/1 1 100 1000\nr_1 1000\n")
    with pytest.raises(RecordingError, match="several segments"):
        read_leads(tmp_path / "r.hea", None)
