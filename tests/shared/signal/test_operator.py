"""Operators kept as tiles give the dense product, and their height is one that this machine's BLAS keeps."""

import numpy as np
import pytest

from shared.signal.operator import ROWS, Operator, chunks, rows_treated_alike


@pytest.fixture
def banded() -> np.ndarray:
    distance = np.abs(np.arange(300)[:, None] - 3 * np.arange(100))
    return np.where(distance < 20, np.cos(distance), 0)


def test_the_tiles_give_the_dense_product(banded):
    windows = np.random.default_rng(0).standard_normal((70, 300)).astype(np.float32)
    assert Operator.from_dense(banded, 32).apply(windows) == pytest.approx(windows @ banded, abs=1e-4)


def test_a_tile_holds_no_more_inputs_than_its_outputs_need(banded):
    assert max(len(tile.matrix) for tile in Operator.from_dense(banded, 10).tiles) < 30 + 2 * 20


def test_every_place_in_a_chunk_gives_the_same_bits(banded):
    row = np.random.default_rng(1).standard_normal((1, 300)).astype(np.float32)
    out = Operator.from_dense(banded, 32).apply(np.repeat(row, 2 * ROWS, axis=0))
    assert np.array_equal(out, np.repeat(out[:1], 2 * ROWS, axis=0))


def test_the_height_fills_a_chunk_evenly(banded):
    assert ROWS % rows_treated_alike([banded.astype(np.float32)]) == 0


def test_the_last_chunk_is_filled_with_zeros():
    (first, whole), (last, filled) = chunks(np.ones((ROWS + 3, 2), np.float32))
    assert (first, last) == (slice(0, ROWS), slice(ROWS, ROWS + 3))
    assert whole.shape == filled.shape == (ROWS, 2)
    assert filled.sum() == 6
