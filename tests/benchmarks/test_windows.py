"""The benchmark of windows runs and reports what it promises."""

import json
from pathlib import Path

import pytest

from benchmarks.windows import main
from shared.errors import SelfmisError

SMALL = ["--patients", "8", "--shards", "2", "--seconds", "16"]


def test_the_figures_are_written_as_one_flat_object(tmp_path: Path) -> None:
    file = tmp_path / "windows.json"
    assert main([*SMALL, "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures["patients"] == 8
    assert all(figures[name] > 0 for name in ("us_per_window", "frames_per_s", "bytes_per_patient"))


@pytest.mark.parametrize("wrong", [["--patients", "1"], ["--rate", "10"], ["--loss", "1"], ["--seconds", "9"]])
def test_impossible_wards_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SelfmisError, match="bench windows"):
        main([*SMALL, *wrong])
