"""The benchmark page is what the stored figures say."""

import json
from pathlib import Path

import pytest

from benchmarks import docs
from benchmarks.docs import BENCHES, Bench, chosen, page
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
        (tmp_path / f"{bench.stored}.json").write_text(
            json.dumps({"a": 1234567.8, "b": 0.123456, "c": 50000}), "utf-8"
        )
    assert "| `a` | 1,234,568 |\n| `b` | 0.123 |\n| `c` | 50,000 |" in page(tmp_path)


def test_lists_stand_side_by_side_below_the_single_figures_and_what_was_drawn_below_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Bench("capacity", ("--curve", "1,2000"), "Levels.", title="capacity-curve", image="images/curve.png")
    monkeypatch.setattr(docs, "BENCHES", (drawn,))
    figures = {"curve_patients": [1, 2000], "cores": 2, "curve_held": [True, False]}
    (tmp_path / "capacity-curve.json").write_text(json.dumps(figures), "utf-8")
    found = page(tmp_path)
    assert (
        "## capacity-curve\n\nLevels.\n\n    selfmis bench capacity --curve 1,2000 --png docs/images/curve"
        in found
    )
    assert "| `cores` | 2 |\n\n| figure | | |\n|---|---|---|\n| `curve_patients` | 1 | 2,000 |" in found
    assert "| `curve_held` | yes | no |\n\n![capacity-curve, drawn](images/curve.png)" in found


def test_benchmarks_to_measure_are_chosen_by_name_and_a_wrong_one_is_refused() -> None:
    assert [bench.name for bench in chosen(["memory", "codec"])] == ["codec", "memory"]
    assert chosen([]) == list(BENCHES)
    with pytest.raises(SelfmisError, match="called memroy"):
        chosen(["memroy"])
