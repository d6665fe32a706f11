"""Searches are understood exactly or refused."""

from datetime import UTC, datetime

import pytest

from services.inference.fhir.search import END_MS, MOST, Search, SearchError, parse

SYSTEM = "http://hospital.example/mrn"


def ms(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]  # parts of a date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", (ms(2026, 1, 1), ms(2027, 1, 1))),
        ("2026-12", (ms(2026, 12, 1), ms(2027, 1, 1))),
        ("eq2026-01-31", (ms(2026, 1, 31), ms(2026, 2, 1))),
        ("ge2026-01-31", (ms(2026, 1, 31), END_MS)),
        ("gt2026-01-31", (ms(2026, 2, 1), END_MS)),
        ("lt2026-01-31", (0, ms(2026, 1, 31))),
        ("le2026-01-31", (0, ms(2026, 2, 1))),
        ("2026-01-31T10:00", (ms(2026, 1, 31, 10), ms(2026, 1, 31, 10, 1))),
        ("2026-01-31T10:00:07+01:00", (ms(2026, 1, 31, 9, 0, 7), ms(2026, 1, 31, 9, 0, 8))),
        ("2026-01-31T10:00:07 01:00", (ms(2026, 1, 31, 9, 0, 7), ms(2026, 1, 31, 9, 0, 8))),
        ("2026-01-31T10:00:07.250Z", (ms(2026, 1, 31, 10, 0, 7) + 250, ms(2026, 1, 31, 10, 0, 7) + 251)),
        ("lt1900", (0, 0)),
    ],
)
def test_a_date_stands_for_all_that_its_precision_leaves_open(text: str, expected: tuple[int, int]) -> None:
    found = parse([("sent", text)], SYSTEM)
    assert (found.from_ms, found.until_ms) == expected


def test_two_dates_are_both_ends_of_a_time() -> None:
    found = parse([("sent", "ge2026-01-01"), ("_lastUpdated", "lt2026-01-02")], SYSTEM)
    assert (found.from_ms, found.until_ms) == (ms(2026, 1, 1), ms(2026, 1, 2))


def test_a_patient_is_asked_for_by_identifier() -> None:
    for text, patient in ((f"{SYSTEM}|a|b", "a|b"), ("p-1", "p-1"), ("|p-1", "p-1")):
        assert parse([("subject:identifier", text)], SYSTEM) == Search(patient=patient)


def test_a_patient_of_another_system_is_nobody_here() -> None:
    found = parse([("subject:identifier", "http://other.example|p-1")], SYSTEM)
    assert found.until_ms <= found.from_ms


def test_pages_are_bounded() -> None:
    assert parse([("_count", "100000")], SYSTEM) == Search(count=MOST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_count", "0"),
        ("_count", "-1"),
        ("_count", "x"),
        ("_count", "٣"),
        ("sent", "ne2026"),
        ("sent", "2026-13"),
        ("sent", "9999"),
        ("sent", "2026-02-30"),
        ("sent", "2026T10:00"),
        ("sent", "x"),
        ("_id", "x"),
        ("_format", "xml"),
        ("_sort", "-sent"),
        ("subject", "Patient/1"),
        ("subject:identifier", ""),
    ],
)
def test_what_is_not_understood_is_refused_and_not_ignored(name: str, value: str) -> None:
    with pytest.raises(SearchError):
        parse([(name, value)], SYSTEM)


def test_what_may_be_given_once_is_refused_twice() -> None:
    with pytest.raises(SearchError, match="twice"):
        parse([("subject:identifier", "a"), ("patient:identifier", "b")], SYSTEM)
