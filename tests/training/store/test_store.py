"""What is written into a store is what comes out of it."""

import json
import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.frames import LEADS
from shared.labels import label_row
from training.store import (
    SAMPLES,
    Segment,
    Source,
    Store,
    StoreError,
    bits_of,
    finish,
    leads_of,
    read_part,
    write_part,
)

ALL = bits_of(LEADS)
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
Make = Callable[[Sequence[Sequence[Segment]]], Store]


def segment(number: int = 0, **known: Any) -> Segment:
    """A segment whose every sample tells its record, its lead and its place."""
    counts = (number * 100 + np.arange(12)[:, None] * 7 + np.arange(SAMPLES) % 50).astype(np.int16)
    return Segment(**{"record": f"r{number}", "source": "a", "counts": counts, "leads": ALL, **known})


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes parts and opens the store."""

    def build(parts: Sequence[Sequence[Segment]]) -> Store:
        done = [write_part(tmp_path, f"{i:08x}", part, {}) for i, part in enumerate(parts)]
        finish(tmp_path, done, [Source("a", "test", sum(map(len, parts)), 0)], created=WHEN, code="test")
        return Store(tmp_path)

    return build


def test_signals_come_in_the_order_asked_for_across_parts(make: Make) -> None:
    store = make([[segment(0), segment(1)], [], [segment(2)]])
    rows = [2, 0, 2, 1]
    expected = np.stack([segment(i).counts[[1, 10]] for i in rows]) * np.float32(0.001)
    assert np.array_equal(store.signals(rows, ("II", "V5")), expected)


def test_signals_are_float32_and_scaled_by_each_record(make: Make) -> None:
    store = make([[segment(1), segment(1, scale=0.005)]])
    one, five = store.signals([0, 1])
    assert one.dtype == np.float32
    assert np.allclose(five, 5 * one)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5).filter(any), data=st.data())
def test_any_rows_of_any_parts_are_found(make: Make, sizes: list[int], data: st.DataObject) -> None:
    numbers = iter(range(100))
    store = make([[segment(next(numbers)) for _ in range(size)] for size in sizes])
    rows = data.draw(st.lists(st.integers(0, sum(sizes) - 1), max_size=6))
    found = store.signals(rows, ("V6",))[:, 0, 0]
    assert np.allclose(found, [(row * 100 + 77) / 1000 for row in rows])


def test_labels_are_those_of_the_statements_and_nan_where_nothing_is_known(make: Make) -> None:
    store = make([[segment(0, statements={"IMI": 0.0, "SR": 0.0}), segment(1), segment(2, statements={})]])
    assert store.labels([0]).tolist() == [label_row(["IMI"]).tolist()]
    assert np.isnan(store.labels([1])).all()
    assert store.labels([2]).sum() == 0
    assert store.labelled.tolist() == [True, False, True]


def test_statements_become_columns_in_the_order_of_the_codes(make: Make) -> None:
    known = [{"NORM": 100.0, "SR": 0.0}, {"AFIB": 0.0}, None]
    store = make([[segment(i, statements=k) for i, k in enumerate(known)]])
    assert np.array_equal(
        store.statements(("AFIB", "NONE", "SR")), [[0, 0, 1], [1, 0, 0], [np.nan] * 3], equal_nan=True
    )
    assert store.statements(("NORM",), [1, 0]).tolist() == [[0], [1]]
    assert store.statement_counts() == {"AFIB": 1, "NORM": 1, "SR": 1}
    assert store.statement_counts([1]) == {"AFIB": 1}


def test_an_unknown_patient_is_a_patient_of_its_own(make: Make) -> None:
    store = make([[segment(0, patient="p"), segment(1)], [segment(2), segment(3, patient="p")]])
    first, second, third, fourth = store.patients.tolist()
    assert first == fourth
    assert len({first, second, third}) == 3


def test_rows_are_selected_by_fold_source_labels_leads_and_units(make: Make) -> None:
    store = make(
        [
            [
                segment(0, fold=1, statements={}),
                segment(1, fold=2, source="b", leads=bits_of(["II"])),
                segment(2, units="z"),
            ]
        ]
    )
    assert store.select(folds=(1, 2)).tolist() == [0, 1]
    assert store.folds.tolist() == [1, 2, 0]
    assert store.select(sources=["b"]).tolist() == [1]
    assert store.select(labelled=False).tolist() == [1, 2]
    assert store.select(leads=("I",)).tolist() == [0, 2]
    assert store.select(units="z").tolist() == [2]
    assert store.select(folds=(1,), units="z").tolist() == []


def test_a_source_that_is_not_there_is_refused(make: Make) -> None:
    with pytest.raises(StoreError, match=r"no source 'x': it has a"):
        make([[segment()]]).select(sources=["x"])


def test_a_missing_lead_is_refused_by_the_name_of_the_record(make: Make) -> None:
    store = make([[segment(0), segment(1, leads=bits_of(["II"]))]])
    with pytest.raises(StoreError, match=r"record r1 has no lead V1"):
        store.signals([0, 1], ("II", "V1"))


@pytest.mark.parametrize("rows", [[3], [-1], [0.5], [[0]]])
def test_rows_that_are_not_there_are_refused(make: Make, rows: list[Any]) -> None:
    with pytest.raises(StoreError, match="rows"):
        make([[segment()]]).signals(rows)


def test_a_store_travels_as_its_path(make: Make) -> None:
    store = make([[segment(i) for i in range(50)]])
    store.signals([0])
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).signals([7]), store.signals([7]))  # noqa: S301 - our own bytes


def test_the_table_keeps_what_was_known(make: Make) -> None:
    known = {"patient": "p", "age": 61.0, "sex": 1, "fold": 3, "statements": {"IMI": 50.0}, "label_source": "csv"}
    row = make([[segment(0, **known, start_s=20.0)]]).table.to_pylist()[0]
    assert {name: row[name] for name in known} == {**known, "statements": [("IMI", 50.0)]}
    assert (row["record"], row["start_s"], row["IMI"], row["AMI"], row["MI"]) == ("r0", 20.0, 1, 0, 1)


def test_a_part_that_is_done_is_found_with_what_it_rejected(tmp_path: Path) -> None:
    part = write_part(tmp_path, "0123abcd", [segment()], {"r9": "cut short"})
    assert read_part(tmp_path, "0123abcd") == part
    assert read_part(tmp_path, "ffffffff") is None


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_part_that_is_cut_short_is_not_done(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"{write_part(tmp_path, '0123abcd', [segment()], {}).name}{suffix}"
    path.write_bytes(path.read_bytes()[:500])
    assert read_part(tmp_path, "0123abcd") is None


def test_a_new_manifest_replaces_the_store_and_takes_old_parts_away(make: Make, tmp_path: Path) -> None:
    store = make([[segment(0)], [segment(1)]])
    part = write_part(tmp_path, "aaaaaaaa", [segment(5)], {})
    (tmp_path / ".writing-1-part-x.npy").touch()
    assert len(Store(tmp_path)) == 2
    finish(tmp_path, [part], [], created=WHEN, code="test")
    assert {path.name for path in tmp_path.iterdir()} == {
        "manifest.json", "part-aaaaaaaa.npy", "part-aaaaaaaa.parquet"
    }  # fmt: skip
    assert len(store) == 2


def test_a_store_without_a_segment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no usable recording"):
        finish(tmp_path, [write_part(tmp_path, "aaaaaaaa", [], {"r": "broken"})], [], created=WHEN, code="test")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished store: make one with `selfmis prepare`"):
        Store(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("format", 2), ("rate_hz", 500), ("leads", ["II", "I"]), ("labels", ["MI"]), ("parts", [])]
)
def test_a_manifest_of_another_kind_is_refused(make: Make, tmp_path: Path, name: str, value: object) -> None:
    make([[segment()]])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {name: value}))
    with pytest.raises(StoreError, match=r"manifest\.json"):
        Store(tmp_path)


def test_a_damaged_part_is_one_line(make: Make, tmp_path: Path) -> None:
    store = make([[segment()]])
    (tmp_path / "part-00000000.npy").write_bytes(b"no array")
    with pytest.raises(StoreError, match=r"part-00000000\.npy cannot be read"):
        store.signals([0])
    (tmp_path / "part-00000000.parquet").write_bytes(b"no table")
    with pytest.raises(StoreError, match="is damaged"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write .*: No such file"):
        write_part(tmp_path / "absent", "0123abcd", [segment()], {})


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # A file-size limit of this process is the nearest thing to a full disk that needs no root.
    import resource
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        with pytest.raises(StoreError, match=r"cannot write .*: File too large; what is done is kept"):
            write_part(tmp_path, "0123abcd", [segment(), segment()], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("counts", "leads"), [(np.zeros((12, 999), np.int16), 1), (np.zeros((12, 1000)), 1)])
def test_samples_of_another_shape_are_refused(counts: Any, leads: int) -> None:
    with pytest.raises(StoreError, match="counts are"):
        segment(counts=counts, leads=leads)


@pytest.mark.parametrize("leads", [0, 1 << 12])
def test_a_mask_of_no_or_unknown_leads_is_refused(leads: int) -> None:
    with pytest.raises(StoreError, match="lead mask"):
        segment(leads=leads)


def test_lead_masks_and_names_are_two_ways_to_say_the_same() -> None:
    assert leads_of(bits_of(["V6", "I"])) == ("I", "V6")
    with pytest.raises(StoreError, match="'MLII' is not one of"):
        bits_of(["MLII"])
