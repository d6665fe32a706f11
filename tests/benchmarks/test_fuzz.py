"""The fuzzing harness: a short seeded share at the quick doors, and that it can find what it looks for."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.campaign import campaign, case_of
from benchmarks.fuzz.command import main
from benchmarks.fuzz.door import Door, Way
from benchmarks.fuzz.doors import DOORS, named
from benchmarks.fuzz.judge import Fault, judge, watched
from benchmarks.fuzz.parts import join, split
from shared.errors import SelfmisError

QUICK = (
    "frames", "frame-json", "command", "alert", "layout", "cursor", "fhir-search", "redis-url", "settings",
    "user-config", "tokens", "figures", "wfdb", "upload",
)  # fmt: skip
BAD = Door("bad", "none", "a door of this test", 1)


def way(enter: Callable[[bytes], None]) -> Way:
    return Way(lambda chance: chance.randbytes(8), lambda case, chance: case + chance.randbytes(1), enter)


def fault_of(enter: Callable[[bytes], None], work_s: float = 1.0) -> Fault | None:
    with watched():
        return judge(enter, b"x", work_s).fault


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.filterwarnings("ignore")
def test_a_short_share_of_bad_input_finds_no_fault(name: str, tmp_path: Path) -> None:
    (door,) = named([name])
    with door.open(tmp_path) as opened:
        tally = campaign(door, opened, cases=200, seed=1, seconds=1)
    assert [crash.to_json() for crash in tally.crashes.values()] == []
    assert tally.accepted
    assert tally.refused


def test_a_case_is_a_function_of_seed_door_and_number(tmp_path: Path) -> None:
    (door,) = named(["frames"])
    with door.open(tmp_path) as opened:
        assert case_of(door, opened, 1, 7) == case_of(door, opened, 1, 7)
        assert case_of(door, opened, 1, 7) != case_of(door, opened, 2, 7)


def test_an_exception_that_is_none_of_ours_is_a_fault_with_its_place() -> None:
    def enter(_case: bytes) -> None:
        raise KeyError("x")

    fault = fault_of(enter)
    assert fault is not None
    assert fault.kind == "KeyError"


def test_a_refusal_that_says_nothing_is_a_fault() -> None:
    def enter(_case: bytes) -> None:
        raise SelfmisError("  ")

    fault = fault_of(enter)
    assert fault is not None
    assert fault.kind == "unclear"


def test_endless_work_is_a_fault() -> None:
    def enter(_case: bytes) -> None:
        while True:
            pass

    fault = fault_of(enter, 0.05)
    assert fault is not None
    assert fault.kind == "overrun"


def test_much_memory_for_a_small_case_is_a_fault() -> None:
    def enter(_case: bytes) -> None:
        bytearray(700 << 20)[:: 1 << 12] = b"x" * ((700 << 20) >> 12)

    fault = fault_of(enter, 30)
    assert fault is not None
    assert fault.kind == "memory"


def test_a_valid_case_that_is_refused_is_a_fault() -> None:
    def enter(_case: bytes) -> None:
        raise SelfmisError("no")

    tally = campaign(BAD, way(enter), cases=200, seed=1)
    assert {kind for kind, _ in tally.crashes} == {"valid refused"}


def test_the_same_fault_is_told_once_and_counted() -> None:
    def enter(_case: bytes) -> None:
        raise ValueError("x")

    tally = campaign(BAD, way(enter), cases=50, seed=1)
    assert len(tally.crashes) == 1
    assert tally.crashed == tally.cases == 50


def test_parts_come_back_and_any_bytes_are_some_parts() -> None:
    parts = {"a": b"", "b c": b"xyz"}
    assert split(join(parts)) == parts
    chance = Random(1)
    for _ in range(200):
        split(chance.randbytes(chance.randrange(40)))


def test_every_door_is_named_once() -> None:
    assert len({door.name for door in DOORS}) == len(DOORS)
    with pytest.raises(SelfmisError, match="no door 'x'; there are frames"):
        named(["x"])


def test_the_command_runs_a_door_in_a_process_and_tells(tmp_path: Path) -> None:
    out = tmp_path / "fuzz.json"
    assert main(["--cases", "100", "--door", "layout", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["layout"]["cases"] == figures["all"]["cases"] == 100
    assert figures["all"]["crashes"] == 0


def test_coverage_chooses_the_cases_with_guided_and_leaves_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("atheris")  # of the extra `bench`
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    out = tmp_path / "fuzz.json"
    assert main(["--guided", "--cases", "200", "--door", "cursor", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["cursor"]["cases"] == 200
    assert list(here.iterdir()) == []
