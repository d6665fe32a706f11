"""`selfmis bench memory` asks a real Redis what it holds."""

import json
from pathlib import Path

import pytest

from benchmarks.memory import main
from shared.errors import SelfmisError


def test_what_is_kept_is_a_little_more_than_what_was_sent(tmp_path: Path) -> None:
    assert main(["--patients", "50", "--seconds", "3", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    for hertz in (100, 250, 500):
        sent, kept = figures[f"sent_bytes_per_frame_{hertz}hz"], figures[f"kept_bytes_per_frame_{hertz}hz"]
        assert sent <= kept < 1.2 * sent
    assert 300 < figures["state_bytes_per_patient"] < 1500


def test_nobody_is_refused() -> None:
    with pytest.raises(SelfmisError, match="at least 1"):
        main(["--patients", "0"])
