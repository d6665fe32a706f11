"""Fixed linear operators on windows, applied so that a window's result never depends on its batch.

A BLAS chooses its kernel by the size of the product, so the same row may come out with other last bits
in another batch. Products here therefore always have `ROWS` rows: a batch is walked in chunks of that
many, the last one filled up with zeros. A chunk also stays in the cache between steps. The price is that
one window alone costs as much as `ROWS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared.signal.window import Windows

ROWS = 64


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
    """One dense piece of a banded operator: output columns from a run of input columns."""

    source: slice
    target: slice
    matrix: Windows


@dataclass(frozen=True)
class Banded:
    """A matrix (inputs × outputs) whose non-zeros lie near a diagonal, kept as dense tiles side by side.

    A tile per run of outputs keeps the product a handful of small GEMMs on views of the input: no copy,
    and about (band / inputs) of the dense product's cost.
    """

    inputs: int
    outputs: int
    tiles: tuple[Tile, ...]

    @classmethod
    def from_dense(cls, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]], width: int) -> "Banded":
        """Cut a dense (inputs × outputs) matrix into tiles of at most ``width`` outputs; drops only zeros."""
        inputs, outputs = matrix.shape
        tiles = []
        for first in range(0, outputs, width):
            target = slice(first, min(first + width, outputs))
            used = np.flatnonzero(matrix[:, target].any(axis=1))
            source = slice(int(used[0]), int(used[-1]) + 1)
            piece = np.ascontiguousarray(matrix[source, target], np.float32)
            piece.flags.writeable = False
            tiles.append(Tile(source, target, piece))
        return cls(inputs, outputs, tuple(tiles))

    def product(self, chunk: Windows, out: Windows) -> None:
        """``out = chunk @ matrix``; ``chunk`` has `ROWS` rows."""
        for tile in self.tiles:
            np.matmul(chunk[:, tile.source], tile.matrix, out=out[:, tile.target])

    def transposed(self, chunk: Windows) -> Windows:
        """``(chunk @ matrix).T``, contiguous: time runs down, so that neighbours in time are whole rows."""
        out = np.empty((self.outputs, len(chunk)), np.float32)
        for tile in self.tiles:
            np.matmul(tile.matrix.T, chunk[:, tile.source].T, out=out[tile.target])
        return out

    def apply(self, windows: Windows) -> Windows:
        """``windows @ matrix`` for any number of rows."""
        out = np.empty((len(windows), self.outputs), np.float32)
        for rows, chunk in chunks(windows):
            count = rows.stop - rows.start
            if count == ROWS:
                self.product(chunk, out[rows])
            else:
                spare = np.empty((ROWS, self.outputs), np.float32)
                self.product(chunk, spare)
                out[rows] = spare[:count]
        return out
