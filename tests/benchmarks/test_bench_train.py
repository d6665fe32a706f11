"""`selfmis bench train` by its parts: the runs themselves take minutes."""

from pathlib import Path

import pytest

from benchmarks.train import counts, main
from benchmarks.training_plot import scaling_png, worker_counts
from benchmarks.training_runs import Bench, best_rate, read_rates, write_noise
from shared.errors import SelfmisError
from training.runs import write_history

FIGURES = {
    "plain_records_per_s": 700.0,
    "ray_records_per_s": 690.0,
    "plain_loops_2_records_per_s": 1400.0,
    "workers_2_records_per_s": 1300.0,
    "workers_2_efficiency": 0.93,
}


def test_workers_double_up_to_the_most() -> None:
    assert [counts(most) for most in (2, 3, 8, 12)] == [[2], [2, 3], [2, 4, 8], [2, 4, 8, 12]]


def test_a_rate_is_from_the_end_of_one_epoch_to_that_of_the_next(tmp_path: Path) -> None:
    ends = (9.0, 11.0, 12.0)
    write_history(tmp_path, [{"epoch": n, "records": 500, "since_start_s": end} for n, end in enumerate(ends, 1)])
    assert best_rate(tmp_path) == 500.0


def test_a_store_of_noise_is_trained_on_by_the_command_and_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "small", 8, 2)
    write_noise(bench.store, 16)
    (out,) = bench.together(["--plain"])
    assert best_rate(out) > 0
    assert all(rate > 0 for rate in read_rates(bench.store, 8).values())


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "small", 8, 2)
    with pytest.raises(SelfmisError, match=r"a run failed: selfmis: .*store"):
        bench.together(["--plain"])


def test_the_picture_shows_the_workers_that_were_measured() -> None:
    assert worker_counts(FIGURES) == [2]
    assert scaling_png(FIGURES).startswith(b"\x89PNG")


@pytest.mark.parametrize("wrong", [["--workers", "1"], ["--records", "100"], ["--epochs", "1"]])
def test_what_could_not_be_measured_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SelfmisError, match="must be at least"):
        main(wrong)
