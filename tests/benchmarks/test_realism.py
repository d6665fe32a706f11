"""The comparison with real recordings compares like with like and says where they differ."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.realism import compare, kind_of, main, real_records, summary
from services.ingest.simulate import main as simulate
from shared.errors import SelfmisError


def test_only_records_of_one_kind_alone_are_taken() -> None:
    assert kind_of({"NORM": 80.0, "SR": 0.0}) == "NORM"
    assert kind_of({"IMI": 0.0, "SR": 0.0}) == "IMI"
    assert kind_of({"IMI": 0.0, "LVH": 50.0}) is None
    assert kind_of({"NDT": 100.0}) is None


def rows(centre: float) -> list[dict[str, float]]:
    from benchmarks.realism import MEASURES

    rng = np.random.default_rng(0)
    return [{name: float(centre + rng.normal()) for name in MEASURES} for _ in range(50)]


def test_equal_distributions_are_inside_and_far_ones_are_not() -> None:
    assert summary(compare("NORM", rows(0), rows(0)))["NORM_inside"] == 1
    apart = summary(compare("NORM", rows(0), rows(9)))
    assert apart["NORM_inside"] == 0
    assert apart["NORM_median_ks"] > 0.95


def test_a_folder_without_the_table_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SelfmisError, match="ptbxl_database"):
        list(real_records(tmp_path, 10))


def test_the_simulator_compared_with_itself_is_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate(["--layout", "ptbxl", "--out", str(tmp_path / "set"), "--records", "40", "--seed", "2"])
    out = tmp_path / "figures.json"
    assert main(["--ptbxl", str(tmp_path / "set"), "--per-kind", "12", "--json", str(out)]) == 0
    assert '"NORM_inside"' in out.read_text()


@pytest.mark.data
@pytest.mark.full
def test_healthy_medians_lie_within_the_real_quartiles_for_most_measures(data_dir: Path, tmp_path: Path) -> None:
    import json

    out = tmp_path / "figures.json"
    main(["--ptbxl", str(data_dir / "ptbxl"), "--per-kind", "150", "--seed", "9", "--json", str(out)])
    assert json.loads(out.read_text())["NORM_inside"] >= 0.85
