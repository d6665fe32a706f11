"""Sizing: proportional where it must be, true where it can be checked, and honest about what it has not got."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.plan.command import main
from deploy.plan.costs import FOLDER, Costs, NoFigures, read
from deploy.plan.size import MOST_SHARDS, Ward, changes, shards_for, size
from shared.errors import SelfmisError

COSTS = read(FOLDER)
WARDS = st.builds(Ward, st.integers(1, 10**7), st.floats(0.5, 10), rate_hz=st.floats(50, 1000))


def test_the_plan_of_the_measured_ward_takes_the_cores_that_were_measured() -> None:
    measured = json.loads((FOLDER / "capacity.json").read_text(encoding="utf-8"))
    ward = Ward(
        measured["patients"],
        measured["patients"] / measured["windows_per_s"],
        shards=measured["shards"],
        pace_s=1 / measured["steps_per_s"],
    )
    plan = size(ward, COSTS)
    worked = plan.ingest_cores + plan.monitor_cores + plan.model_cores + plan.redis_cores
    assert worked == pytest.approx(measured["cores_used"], rel=0.02)


@given(WARDS)
def test_twice_the_patients_take_twice_the_cores(ward: Ward) -> None:
    one, two = size(ward, COSTS), size(replace(ward, patients=2 * ward.patients), COSTS)
    assert one.monitor_cores < two.monitor_cores < 2 * one.monitor_cores * (1 + 1e-9)  # some by the shard
    assert two.model_cores == pytest.approx(2 * one.model_cores)
    assert two.redis_memory_gb == pytest.approx(2 * one.redis_memory_gb)
    assert two.into_redis_gbit_s == pytest.approx(2 * one.into_redis_gbit_s)


def test_each_shard_costs_its_turns_and_no_window_more() -> None:
    few, many = (size(Ward(10_000, 5, pace_s=0.5, shards=shards), COSTS) for shards in (16, 64))
    turns_per_s = 48 * 2
    assert many.monitor_cores - few.monitor_cores == pytest.approx(turns_per_s * COSTS.monitor_commit_us / 1e6)
    assert many.redis_cores - few.redis_cores == pytest.approx(turns_per_s * COSTS.redis_commit_us / 1e6)
    assert (many.model_cores, many.ingest_cores) == (few.model_cores, few.ingest_cores)


@given(WARDS)
def test_there_is_room_wherever_a_share_was_asked_for(ward: Ward) -> None:
    plan = size(ward, COSTS)
    assert plan.monitor_cores + plan.model_cores <= plan.replicas * ward.busy * (1 + 1e-9)
    assert plan.redis_cores <= plan.redis_masters * ward.redis_busy * (1 + 1e-9)
    assert plan.nodes * ward.node_cores >= plan.replicas
    assert plan.shards >= 64
    assert plan.shards == shards_for(ward.patients, plan.replicas)


@given(st.integers(1, 10**8), st.integers(1, 10_000))
def test_shards_are_a_power_of_two_and_few_patients_share_one(patients: int, replicas: int) -> None:
    shards = shards_for(patients, replicas)
    assert math.log2(shards).is_integer()
    assert shards == MOST_SHARDS or (patients / shards <= 1000 and shards >= 8 * replicas)


def test_a_longer_stride_costs_less_and_a_higher_rate_more() -> None:
    usual = size(Ward(10_000, 5), COSTS)
    assert size(Ward(10_000, 10), COSTS).model_cores == pytest.approx(usual.model_cores / 2)
    assert size(Ward(10_000, 5, rate_hz=250), COSTS).redis_stream_gb > 2 * usual.redis_stream_gb


def test_ten_million_patients_need_what_the_page_says_must_change() -> None:
    ward = Ward(10**7, 5)
    said = "\n".join(changes(ward, size(ward, COSTS)))
    for word in ("Cluster", "stream.shards = 16384", "num_replicas", "replay_horizon", "cells"):
        assert word in said


def test_a_division_that_takes_long_wants_a_longer_lease() -> None:
    ward, slow = Ward(10**7, 5), replace(COSTS, division_s=10.0)
    assert any("monitor.lease_s of at least" in change for change in changes(ward, size(ward, slow)))


def test_a_small_ward_needs_nothing_special() -> None:
    assert changes(Ward(200, 5), size(Ward(200, 5), COSTS)) == []


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("capacity", "capacity"),
        ("capacity-curve", "capacity --curve"),
        ("commit", "commit"),
        ("memory", "memory"),
        ("ownership", "ownership"),
    ],
)
def test_figures_that_are_absent_are_named_with_the_command_that_makes_them(
    tmp_path: Path, missing: str, command: str
) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / f"{missing}.json").unlink()
    with pytest.raises(NoFigures, match=f"selfmis bench {command} "):
        read(tmp_path)


def test_figures_that_say_nothing_usable_are_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "capacity.json").write_text('{"patients": 20000, "windows_per_s": 0}')
    with pytest.raises(NoFigures, match="windows_per_s"):
        read(tmp_path)


def test_costs_that_cannot_be_are_refused() -> None:
    with pytest.raises(NoFigures, match="redis_frame_us"):
        replace(COSTS, redis_frame_us=-1.0)
    assert isinstance(COSTS, Costs)


def test_the_command_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "plan.json"
    assert main(["--patients", "1000000", "--stride", "5", "--json", str(told)]) == 0
    plan = json.loads(told.read_text(encoding="utf-8"))
    assert plan["windows_per_s"] == 200_000
    assert f"{plan['replicas']:,}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--patients", "0"], ["--patients", "9", "--stride", "0"], ["--patients", "9", "--busy", "2"]]
)
def test_impossible_wards_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SelfmisError, match="plan: --"):
        main(arguments)
