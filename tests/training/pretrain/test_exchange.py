import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from training.pretrain.exchange import Alone, Neighbours

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("meeting.py")


@pytest.fixture
def three() -> Iterator[list[Neighbours]]:
    """Three neighbours, each pair with a socket between them."""
    others: list[list[socket.socket | None]] = [[None] * 3 for _ in range(3)]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        others[one][two], others[two][one] = socket.socketpair()
    group = [Neighbours(each) for each in others]
    yield group
    for each in group:
        each.close()


def rows_of(floats: int) -> list[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """A row for each of three."""
    return list(np.random.default_rng(0).normal(size=(3, floats)).astype(np.float32))


def test_each_neighbour_gets_the_rows_of_all_in_order(three: list[Neighbours]) -> None:
    rows = rows_of(8192)
    with ThreadPoolExecutor(3) as pool:
        got = list(pool.map(lambda neighbour, row: neighbour.gather(row), three, rows))
    assert all(np.array_equal(each, np.stack(rows)) for each in got)


def test_rows_of_one_round_never_mix_with_those_of_the_next(three: list[Neighbours]) -> None:
    def rounds(rank: int) -> list[float]:
        return [float(three[rank].gather(np.full(3, turn, np.float32)).sum()) for turn in range(200)]

    with ThreadPoolExecutor(3) as pool:
        assert all(sums == [9.0 * turn for turn in range(200)] for sums in pool.map(rounds, range(3)))


def test_a_row_that_would_not_fit_the_kernels_buffer_is_refused(three: list[Neighbours]) -> None:
    with pytest.raises(ValueError, match="too long"):
        three[0].gather(np.zeros(8193, np.float32))


def test_a_neighbour_that_dies_is_noticed_at_once(three: list[Neighbours]) -> None:
    three[2].close()
    with pytest.raises(ConnectionError):
        three[0].gather(np.zeros(4, np.float32))


def test_one_worker_alone_gets_its_own_row() -> None:
    assert Alone().gather(np.arange(3, dtype=np.float32)).tolist() == [[0.0, 1.0, 2.0]]


def test_workers_on_one_machine_meet_and_find_what_the_process_group_finds(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    three = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), "3", str(tmp_path / "meet")],
            env=environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    rows = [[0.0] * 3, [1.0] * 3, [2.0] * 3]
    said = [json.loads(process.communicate(timeout=100)[0]) for process in three]
    assert said == [{"kind": "sockets", "rows": [rows, rows]}] * 3
