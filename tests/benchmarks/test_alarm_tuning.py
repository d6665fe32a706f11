"""`selfmis alarms tune` and `selfmis bench alarms`, as commands."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import alarm_tuning, alarms
from shared.command import run
from shared.labels import SCORE_NAMES

WINDOWS = 400


def columns() -> dict[str, np.ndarray]:
    """Ada has an infarction that speaks in every window; ben a single spike, which one-window rules fall for."""
    time_s = np.arange(1, WINDOWS + 1) * 5.0
    scores = np.full((2 * WINDOWS, len(SCORE_NAMES)), 0.1, np.float32)
    scores[200:240, -1] = 0.95
    scores[WINDOWS + 77, -1] = 0.95
    return {
        "patient": np.repeat(["ada", "ben"], WINDOWS),
        "time_s": np.tile(time_s, 2),
        "scores": scores,
        "assessable": np.ones(2 * WINDOWS, bool),
        "episode_patient": np.array(["ada"]),
        "episode_start_s": np.array([1000.0]),
        "episode_stop_s": np.array([1200.0]),
    }


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    path = tmp_path / "scored.npz"
    np.savez(path, **columns())  # type: ignore[arg-type]  # NumPy's stub takes the names for its own arguments
    return path


def tune(*arguments: str | Path) -> int:
    return run(alarm_tuning.main, [str(argument) for argument in arguments])


SWEEP = ("--sweep", "on_windows=1,2,3", "--sweep", "smoothing=1.0", "--sweep", "off_windows=5")


def test_rules_that_ignore_the_spike_but_not_the_infarction_are_picked(npz: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert tune(npz, *SWEEP, "--max-false-per-hour", "0", "--test", npz, "--json", out) == 0
    figures = json.loads(out.read_text())
    assert figures["alarm.on_windows"] == 2  # as good as 3, and faster
    assert (figures["sensitivity"], figures["false_alarms"]) == (1.0, 0)
    assert figures["time_to_detection_s_median"] == 10.0
    assert figures["test_sensitivity"] == 1.0
    assert (figures["rules_tried"], figures["rules_impossible"]) == (3, 0)


def test_when_no_rules_meet_the_target_the_answer_is_no(npz: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    only = ("--sweep", "on_windows=1", "--sweep", "smoothing=1.0", "--max-false-per-hour", "0")
    assert tune(npz, *only, "--json", out) == 1
    assert json.loads(out.read_text())["met"] is False


def test_parquet_tables_say_the_same(npz: Path, tmp_path: Path) -> None:
    told = columns()
    scores = {name: told["scores"][:, i] for i, name in enumerate(SCORE_NAMES)}
    table = {name: told[name] for name in ("patient", "time_s", "assessable")} | scores
    pq.write_table(pa.table(table), tmp_path / "windows.parquet")
    truth = {name: told[f"episode_{name}"] for name in ("patient", "start_s", "stop_s")}
    pq.write_table(pa.table(truth), tmp_path / "episodes.parquet")
    tune(npz, *SWEEP, "--json", tmp_path / "a.json")
    tune(
        tmp_path / "windows.parquet",
        "--episodes",
        tmp_path / "episodes.parquet",
        *SWEEP,
        "--json",
        tmp_path / "b.json",
    )
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.npz"], "cannot be read"),
        (["absent.parquet"], "name the table of its episodes"),
        (["absent.parquet", "--episodes", "e.parquet"], "cannot be read"),
        (["windows.txt"], "are .npz or .parquet"),
        (["x.npz", "--sweep", "low"], "write it as NAME=VALUE"),
        (["x.npz", "--sweep", "lo=0.5"], "no alarm setting 'lo'"),
        (["x.npz", "--sweep", "low=" + ",".join(["0.5"] * 5001)], "more than 5000 combinations"),
        (["x.npz", "--max-false-per-hour", "-1"], "must not be negative"),
        (["x.npz", "--set", "alarm.low=2"], "less than or equal to 1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tune(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("missing", ["scores", "episode_stop_s"])
def test_a_file_that_lacks_something_says_what(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = columns()
    del told[missing]
    np.savez(tmp_path / "x.npz", **told)  # type: ignore[arg-type]  # as above
    assert tune(tmp_path / "x.npz") == 2
    assert missing in capsys.readouterr().err


def test_a_single_array_is_no_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert tune(tmp_path / "x.npz") == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"x" * 100])
def test_a_damaged_file_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    assert tune(tmp_path / "x.npz") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_pickled_arrays_are_never_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = columns() | {"patient": np.array(["ada", "ben"] * WINDOWS, object)}
    np.savez(tmp_path / "x.npz", **told)  # type: ignore[arg-type]  # as above
    assert tune(tmp_path / "x.npz") == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_benchmark_measures_the_ward_it_says(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    said = ["--patients", "400", "--batch", "64", "--repeats", "2", "--json", str(out)]
    assert run(alarms.main, said) == 0
    figures = json.loads(out.read_text())
    assert figures["patients"] == 400
    assert figures["in_alarm"] == 2
    assert figures["us_per_window"] > 0
