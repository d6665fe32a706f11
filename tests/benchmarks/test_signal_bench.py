"""`selfmis bench signal` measures in a process of its own and writes flat JSON."""

import json

import pytest

from benchmarks.signal import main
from shared.errors import SelfmisError


def test_every_stage_gets_a_figure(tmp_path):
    assert main(["--windows", "16", "--repeats", "1", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    stages = ["resample_us", "bandpass_us", "normalise_us", "quality_us"]
    assert all(figures[stage] > 0 for stage in [*stages, "scipy_per_window_us"])
    assert figures["us_per_window"] == pytest.approx(sum(figures[stage] for stage in stages), rel=1e-6)


def test_a_batch_too_small_to_mean_anything_is_refused():
    with pytest.raises(SelfmisError, match="at least 16"):
        main(["--windows", "3"])
