"""Fixed linear operators on windows, applied so that a window's result never depends on its batch.

A BLAS chooses its kernel by the size of a product and, on some processors (OpenBLAS on AVX2 without AVX-512),
by a row's place within it, so that equal rows come out with different last bits. Products here therefore always
have the same height: batches are walked in chunks of `ROWS`, the last one filled up with zeros, and every
operator tries out, when it is designed, how many rows at a time this machine's BLAS treats alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.signal.window import Windows

ROWS = 64
"""Rows of a chunk: it stays in the cache between steps. One window alone costs as much as a chunk."""

_HEIGHTS = (ROWS, 16, 8, 1)  # each divides the one before; one row at a time is alike by definition


def chunks(windows: Windows) -> Iterator[tuple[slice, Windows]]:
    """The rows each chunk stands for and the chunk itself, always `ROWS` high; full ones are views."""
    for start in range(0, len(windows), ROWS):
        chunk = windows[start : start + ROWS]
        rows = slice(start, start + len(chunk))
        if len(chunk) < ROWS:
            filled = np.zeros((ROWS, windows.shape[1]), np.float32)
            filled[: len(chunk)] = chunk
            chunk = filled
        yield rows, chunk


@dataclass(frozen=True)
class Tile:
    """One dense piece of an operator: a run of outputs from a run of inputs."""

    source: slice
    target: slice
    matrix: Windows


@dataclass(frozen=True)
class Operator:
    """A matrix (inputs × outputs) kept as dense tiles side by side, each as tall as its non-zeros need.

    For a banded matrix the product is then a handful of small GEMMs on views of the input: no copy, and about
    (band / inputs) of the dense product's cost.
    """

    outputs: int
    tiles: tuple[Tile, ...]
    height: int
    """Rows multiplied at a time."""

    @classmethod
    def from_dense(cls, matrix: npt.NDArray[np.float64], width: int) -> "Operator":
        """Cut a dense matrix into tiles of at most ``width`` outputs, in float32; drops only zeros."""
        tiles = []
        for first in range(0, matrix.shape[1], width):
            target = slice(first, min(first + width, matrix.shape[1]))
            used = np.flatnonzero(matrix[:, target].any(axis=1))
            source = slice(int(used[0]), int(used[-1]) + 1)
            tiles.append(Tile(source, target, constant(matrix[source, target])))
        return cls(matrix.shape[1], tuple(tiles), rows_treated_alike([tile.matrix for tile in tiles]))

    def transposed(self, chunk: Windows) -> Windows:
        """``(chunk @ matrix).T`` for a chunk of `ROWS` rows: time runs down, neighbours in time are whole rows."""
        out = np.empty((self.outputs, len(chunk)), np.float32)
        for first in range(0, len(chunk), self.height):
            rows = slice(first, first + self.height)
            for tile in self.tiles:
                np.matmul(tile.matrix.T, chunk[rows, tile.source].T, out=out[tile.target, rows])
        return out

    def apply(self, windows: Windows) -> Windows:
        """``windows @ matrix`` for any number of rows."""
        out = np.empty((len(windows), self.outputs), np.float32)
        for rows, chunk in chunks(windows):
            out[rows] = self.transposed(chunk).T[: rows.stop - rows.start]
        return out


def constant(matrix: npt.NDArray[np.float64]) -> Windows:
    """A read-only float32 copy."""
    fixed = np.array(matrix, np.float32, order="C")
    fixed.flags.writeable = False
    return fixed


def rows_treated_alike(matrices: Sequence[Windows]) -> int:
    """The greatest height at which equal rows come out bit-equal from each of the products."""
    shapes = {matrix.shape: matrix for matrix in matrices}
    return next(height for height in _HEIGHTS if all(_alike(m, height) for m in shapes.values()))


def _alike(matrix: Windows, height: int) -> bool:
    row = np.cos(np.arange(len(matrix), dtype=np.float32) ** 2)
    # Placed and strided as in use: a view of a taller, wider chunk, written to a view of a wider result.
    chunk = np.zeros((height, len(matrix) + 8), np.float32)
    chunk[:, 4:-4] = row
    out = np.empty((matrix.shape[1], ROWS), np.float32)[:, :height]
    np.matmul(matrix.T, chunk[:, 4:-4].T, out=out)
    return bool((out == out[:, :1]).all())
