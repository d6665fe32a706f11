"""`selfmis bench store` measures what it says on records it simulates."""

import json
from pathlib import Path

import pytest

from benchmarks.store import main
from shared.errors import SelfmisError


def test_the_store_is_measured_against_the_originals(tmp_path: Path) -> None:
    assert main(["--records", "256", "--seconds", "0.5", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["records"] == 256
    assert 24_000 < figures["bytes_per_record"] < 24_600
    ratio = figures["read_records_per_s"] / figures["wfdb_records_per_s"]
    assert figures["read_over_wfdb"] == pytest.approx(ratio)
    assert figures["wfdb_records_per_s"] > 0


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SelfmisError, match="--records must be 256 or more"):
        main(["--records", "10"])
