import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.pretrain.order import batch_of, draws_seed, epoch_order, share_of, steps_in_epoch


@given(st.integers(0, 200), st.integers(1, 9))
def test_shares_cut_a_batch_without_gap_or_overlap(rows: int, workers: int) -> None:
    shares = [np.arange(rows)[share_of(rows, rank, workers)] for rank in range(workers)]
    assert np.concatenate(shares).tolist() == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 5))
def test_what_belongs_together_is_not_parted(lots: int, workers: int, together: int) -> None:
    shares = [share_of(lots * together, rank, workers, together) for rank in range(workers)]
    assert [(s.start // together, s.stop // together) for s in shares] == [
        (s.start, s.stop) for s in (share_of(lots, rank, workers) for rank in range(workers))
    ]
    assert all(s.start % together == s.stop % together == 0 for s in shares)


@given(st.integers(1, 100), st.integers(1, 40))
def test_an_epoch_uses_no_row_twice(rows: int, batch: int) -> None:
    order = epoch_order(rows, seed=0, epoch=3)
    used = np.concatenate([batch_of(order, step, batch) for step in range(steps_in_epoch(rows, batch))])
    assert len(np.unique(used)) == len(used) > rows - batch


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    assert epoch_order(50, 1, 2).tolist() == epoch_order(50, 1, 2).tolist()
    assert epoch_order(50, 1, 2).tolist() != epoch_order(50, 1, 3).tolist()
    assert epoch_order(50, 1, 2).tolist() != epoch_order(50, 2, 2).tolist()


def test_every_step_and_worker_draws_for_itself() -> None:
    seeds = {draws_seed(0, epoch, step, rank) for epoch in range(3) for step in range(3) for rank in range(3)}
    assert len(seeds) == 27
