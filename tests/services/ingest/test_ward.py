"""Wards: everyone asked for is admitted, under a name that tells nothing, with the truth on record."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

from services.ingest.scenario import parse
from services.ingest.source import SourceError
from services.ingest.ward import Ward, ward_of

TEXT = """
name: w
seed: 3
rates_hz: [100, 250]
patients:
  - {kind: NORM, count: 6}
  - {kind: IMI, count: 2, onset_s: [10, 20]}
  - {kind: NORM, count: 2, effects: [{type: lead_off, start_s: 5, stop_s: 7}]}
  - {crowd: 30}
"""


def ward(text: str = TEXT, folder: Path = Path()) -> Ward:
    return ward_of(parse(text, "w"), folder)


def test_everyone_asked_for_is_admitted_once() -> None:
    made = ward()
    names = [patient.decode() for source in made.sources for patient in source.roster.patients]
    assert sorted(names) == sorted(one.patient for one in made.admitted)
    assert len(set(names)) == 40


def test_kinds_and_rates_are_as_asked() -> None:
    few = [one for one in ward().admitted if "-c" not in one.patient]
    assert Counter(one.kind for one in few) == {"NORM": 8, "IMI": 2}
    assert Counter(one.rate_mhz for one in few) == {100_000: 5, 250_000: 5}


def test_a_patient_streams_from_the_source_the_truth_names() -> None:
    made = ward()
    for one in made.admitted:
        roster = made.sources[one.source].roster
        assert one.patient.encode() in roster.patients
        assert roster.rate_mhz == one.rate_mhz


def test_an_onset_lies_in_its_range_and_the_patient_is_healthy_before() -> None:
    for one in ward().admitted:
        if one.kind == "IMI" and "-c" not in one.patient:
            before, after = one.episodes
            assert before.label == "NORM"
            assert 10 <= before.stop_s == after.start_s <= 20
            assert math.isinf(after.stop_s)


def test_a_lead_comes_off_when_the_truth_says_so() -> None:
    made = ward()
    for one in made.admitted:
        effects = [e for e in one.episodes if e.label == "effect:lead_off"]
        if effects:
            source = made.sources[one.source]
            row = source.roster.patients.index(one.patient.encode())
            assert [int(np.ptp(source.frame(second)[row])) == 0 for second in range(4, 8)] == [
                False,
                True,
                True,
                False,
            ]


def test_names_do_not_tell_the_kind() -> None:
    few = sorted((one.patient, one.kind) for one in ward().admitted if "-c" not in one.patient)
    assert [kind for _, kind in few] != sorted(kind for _, kind in few)
    assert [kind for _, kind in few] != sorted((kind for _, kind in few), reverse=True)


def test_the_same_seed_makes_the_same_ward() -> None:
    first, again = ward(), ward()
    assert first.admitted == again.admitted
    for one, other in zip(first.sources, again.sources, strict=True):
        assert (one.frame(2) == other.frame(2)).all()


def test_another_seed_makes_other_patients() -> None:
    other = ward(TEXT.replace("seed: 3", "seed: 4"))
    assert (ward().sources[0].frame(2) != other.sources[0].frame(2)).any()


def test_frames_last_as_long_as_asked() -> None:
    made = ward(TEXT.replace("seed: 3", "frame_s: 0.5"))
    assert {source.roster.frame_seconds for source in made.sources} == {0.5}


def test_recorded_patients_stream_beside_simulated_ones_and_a_broken_file_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signal = np.random.default_rng(1).normal(0, 0.3, (2500, 1))
    for name in ("one", "two", "bad"):
        wfdb.wrsamp(name, 250, ["mV"], ["I"], signal, fmt=["16"], write_dir=str(tmp_path))
    (tmp_path / "bad.dat").write_bytes(b"short")
    made = ward("{name: w, patients: [{kind: NORM}, {wfdb: ., count: 3}]}", tmp_path)
    assert Counter(one.kind for one in made.admitted) == {"NORM": 1, "recorded": 3}
    assert all(source.frame(0).any() for source in made.sources)
    assert "bad.hea" in caplog.text


def test_two_groups_of_the_same_recordings_are_refused_because_their_names_clash(tmp_path: Path) -> None:
    signal = np.random.default_rng(1).normal(0, 0.3, (2500, 1))
    wfdb.wrsamp("one", 250, ["mV"], ["I"], signal, fmt=["16"], write_dir=str(tmp_path))
    with pytest.raises(SourceError, match="1 patients share a name"):
        ward("{name: w, patients: [{wfdb: one}, {wfdb: one}]}", tmp_path)


def test_who_is_absent_is_named_in_the_truth_and_to_the_network() -> None:
    made = ward(TEXT.replace("{kind: NORM, count: 6}", "{kind: NORM, count: 6, absent_s: [3, 9]}"))
    absent = {
        one.patient.encode(): (e.start_s, e.stop_s)
        for one in made.admitted
        for e in one.episodes
        if e.label == "effect:absent"
    }
    assert made.absences == absent == dict.fromkeys(absent, (3.0, 9.0))
    assert len(absent) == 6
