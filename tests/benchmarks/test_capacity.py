"""The capacity benchmark runs on real processes, and its parts add up. How fast it is says nothing here."""

import json
import math
from pathlib import Path

import pytest

from benchmarks.capacity import main
from shared.errors import SelfmisError


def test_a_small_ward_is_measured_and_its_costs_add_up(tmp_path: Path, untrained: Path) -> None:
    file = tmp_path / "capacity.json"
    small = ["--set", "stream.shards=8", "--replicas", "1", "--model", str(untrained)]
    assert main(["--patients", "200", "--seconds", "6", *small, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert (found["patients"], found["model"], found["frames_dropped"]) == (200, str(untrained), 0)
    assert found["windows_per_s"] == pytest.approx(200 / 5, rel=0.5)
    assert found["limit_windows_per_s"] > found["windows_per_s"]
    assert found["ratio"] == pytest.approx(found["windows_per_s"] / found["limit_windows_per_s"])
    assert 0 < found["p50_latency_s"] <= found["p99_latency_s"] <= found["worst_latency_s"]
    assert found["rss_mb"] > 50
    parts = found["monitor_us"] + found["redis_us"] + found["ingest_us"]
    assert found["overhead_us_per_window"] == pytest.approx(parts)
    stages = [f"{name}_us" for name in ("read", "place", "score", "model_in_run", "judge", "commit", "own")]
    assert all(found[name] > 0 for name in stages)
    assert sum(found[name] for name in [*stages, "rest_us"]) == pytest.approx(
        found["monitor_us"] + found["model_us"]
    )
    assert not any(isinstance(value, float) and math.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    "wrong",
    [
        ["--patients", "0"],
        ["--seconds", "1"],
        ["--limit", "0"],
        ["--replicas", "-1"],
        ["--grid", "0"],
        ["--first", "0"],
        ["--curve", "100,0"],
        ["--curve", "many"],
        ["--curve", "100", "--patients", "100"],
    ],
)
def test_impossible_levels_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SelfmisError, match="bench capacity"):
        main(wrong)
