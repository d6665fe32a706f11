"""The loss window of a fail-over: it is there without a guard, and `WAIT` closes it."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.failover import main


def figures(tmp_path: Path, *options: str) -> dict[str, Any]:
    file = tmp_path / "figures.json"
    assert main([*options, "--down-after", "1", "--json", str(file)]) == 0
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_a_master_that_is_cut_off_confirms_what_is_lost(tmp_path: Path) -> None:
    found = figures(tmp_path, "--event", "cut off", "--guard", "none")
    assert 0 < found["cut_off_none_missing"] < found["cut_off_none_confirmed"]
    assert found["cut_off_none_window_s"] > 0


@pytest.mark.full
def test_what_was_waited_for_is_not_lost_and_a_guarded_master_stops_confirming(tmp_path: Path) -> None:
    found = figures(tmp_path)
    assert found["cut_off_wait_missing"] == found["killed_wait_missing"] == 0
    assert found["cut_off_min_replicas_missing"] < found["cut_off_none_missing"]
