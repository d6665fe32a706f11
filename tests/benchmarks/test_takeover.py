"""`selfmis bench takeover`: real processes, a real kill, at the settings that are shipped."""

import json
from pathlib import Path

import pytest

from benchmarks.takeover import Takeover, figures_of, main
from shared.errors import SelfmisError


def test_the_ratio_is_the_worst_shard_to_what_is_allowed() -> None:
    figures = figures_of([Takeover((4.0, 5.5)), Takeover((6.3,))], 5.0)
    assert (figures["worst_s"], figures["ratio"], figures["shards"]) == (6.3, pytest.approx(0.9), 3.0)


@pytest.mark.timeout(300)
def test_a_killed_replicas_shards_go_on_within_a_lease_and_two_seconds(tmp_path: Path, untrained: Path) -> None:
    figures = tmp_path / "figures.json"
    few = ["--patients", "300", "--kills", "1", "--model", str(untrained)]
    code = main([*few, "--json", str(figures)])
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["lease_s"] == 5.0
    assert told["shards"] == 32
    assert (code, told["ratio"] <= 1.0) == (0, True), told


def test_a_single_replica_has_nobody_to_take_over() -> None:
    with pytest.raises(SelfmisError, match="two replicas"):
        main(["--replicas", "1"])
