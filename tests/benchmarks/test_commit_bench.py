"""`selfmis bench commit` measures real commits and refuses nonsense."""

import json
from pathlib import Path

import pytest

from benchmarks.commit import main
from shared.errors import SelfmisError


def test_figures_of_each_size_are_written(tmp_path: Path) -> None:
    assert main(["--patients", "1", "20", "--seconds", "0.1", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    for patients in (1, 20):
        assert 0 < figures[f"server_us_per_commit_{patients}"] < figures[f"us_per_commit_{patients}"]
        assert figures[f"commits_per_s_{patients}"] > 0


def test_no_patients_are_refused() -> None:
    with pytest.raises(SelfmisError, match="above zero"):
        main(["--patients", "0"])
