import numpy as np
import pytest
import torch

from training.methods.chance import Chance

ROWS = torch.arange(200)


def by_hand(key: int, number: int) -> int:
    """splitmix64 in Python's own integers."""
    mask = (1 << 64) - 1
    x = (key + number * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def test_a_row_draws_the_same_whatever_batch_it_is_in() -> None:
    together = Chance.of(ROWS, 3, 1)
    apart = Chance.of(ROWS[50:60], 3, 1)
    for _ in range(2):
        assert torch.equal(together.normal(4, 5)[50:60], apart.normal(4, 5))


def test_numbers_are_those_of_splitmix() -> None:
    key = -12345
    found = Chance(torch.tensor([key])).uniform(3)[0]
    expected = [((by_hand(key, n) >> 41) + 0.5) / 2**23 for n in (1, 2, 3)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("other", [Chance.of(ROWS, 3, 2), Chance.of(ROWS, 2, 3), Chance.of(ROWS + 1000, 3, 1)])
def test_another_seed_epoch_or_row_draws_other_numbers(other: Chance) -> None:
    assert not torch.equal(Chance.of(ROWS, 3, 1).uniform(2), other.uniform(2))


def test_numbers_are_spread_evenly_and_never_reach_the_ends() -> None:
    drawn = Chance.of(ROWS, 0).uniform(1000)
    assert float(drawn.min()) > 0
    assert float(drawn.max()) < 1
    counts = torch.histc(drawn, 10, 0, 1)
    assert float((counts / counts.mean() - 1).abs().max()) < 0.05


def test_normal_numbers_have_their_mean_and_spread() -> None:
    drawn = Chance.of(ROWS, 0).normal(1000)
    assert abs(float(drawn.mean())) < 0.01
    assert float(drawn.std()) == pytest.approx(1, abs=0.01)


def test_rows_do_not_follow_each_other() -> None:
    drawn = Chance.of(ROWS, 0).normal(500)
    alike = torch.corrcoef(drawn) - torch.eye(len(ROWS))
    assert float(alike.abs().max()) < 0.25


def test_whole_numbers_stay_below_their_top() -> None:
    drawn = Chance.of(ROWS, 0).below(12, 50)
    assert sorted(set(drawn.flatten().tolist())) == list(range(12))


def test_each_row_has_an_order_of_its_own() -> None:
    ranks = Chance.of(ROWS, 0).ranks(12)
    assert torch.equal(ranks.sort(dim=1).values, torch.arange(12).expand(len(ROWS), 12))
    assert len({tuple(row) for row in ranks.tolist()}) > 190
