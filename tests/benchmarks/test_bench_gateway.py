"""The benchmark of the gateway runs, and its figures are of confirmed frames."""

import json
from pathlib import Path

from benchmarks.gateway import main


def test_the_benchmark_gives_its_figures(tmp_path: Path) -> None:
    assert main(["--seconds", "0.9", "--connections", "4", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["json_requests_per_s"] > 0
    assert figures["batch_frames_per_s"] == 100 * figures["batch_requests_per_s"]
    assert 0 < figures["batch_median_s"] <= figures["batch_p99_s"]
