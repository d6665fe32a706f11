"""`selfmis bench ownership`: the real leases, in small."""

import json
from pathlib import Path

import pytest

from benchmarks.ownership import divided, main
from shared.errors import SelfmisError


def test_shards_of_the_dead_are_taken_over_after_their_lease_and_newcomers_get_their_share(tmp_path: Path) -> None:
    small = ["--shards", "64", "--replicas", "8", "--fleet", "8", "--lease", "0.5", "--seconds", "0.5"]
    assert main([*small, "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["take_over_s_one"] > 0.3
    assert figures["shards_without_owner"] >= 64 // 8
    assert figures["redis_ops_per_s"] > 0


def test_a_division_among_many_is_even_and_moves_little() -> None:
    found = divided(50, 2000)
    assert (found["fewest_shards"], found["most_shards"]) == (40, 40)
    assert found["moved_at_least"] * 0.9 <= found["moved_on_join"] < 4 * found["moved_at_least"]


def test_more_replicas_than_shards_are_refused() -> None:
    with pytest.raises(SelfmisError, match="as many as shards"):
        main(["--shards", "4", "--replicas", "8"])
