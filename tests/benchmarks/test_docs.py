"""The benchmark page is what the stored figures say."""

import json
from pathlib import Path

import pytest

from benchmarks.docs import BENCHES, page
from selfmis.cli import COMMANDS
from shared.errors import SelfmisError

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_the_stored_figures_and_nothing_else() -> None:
    assert (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8") == page(ROOT / "docs/benchmarks")


def test_every_benchmark_on_the_page_is_a_command() -> None:
    assert {f"bench {bench.name}" for bench in BENCHES} <= {command.name for command in COMMANDS}


def test_a_benchmark_without_figures_is_named(tmp_path: Path) -> None:
    with pytest.raises(SelfmisError, match="selfmis bench codec --json"):
        page(tmp_path)


def test_large_numbers_are_grouped_and_small_ones_rounded(tmp_path: Path) -> None:
    for bench in BENCHES:
        (tmp_path / f"{bench.name}.json").write_text(
            json.dumps({"a": 1234567.8, "b": 0.123456, "c": 50000}), "utf-8"
        )
    assert "| `a` | 1,234,568 |\n| `b` | 0.123 |\n| `c` | 50,000 |" in page(tmp_path)
