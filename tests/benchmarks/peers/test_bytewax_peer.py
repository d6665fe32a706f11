"""The parts of the bytewax peer that are ours: pieces of frames, windows of pieces."""

import numpy as np
import pytest

pytest.importorskip("bytewax", reason="bytewax absent: pip install 'selfmis-monitor[bench]'")

from benchmarks.peers import bytewax_peer
from benchmarks.peers.bytewax_peer import Assembly, Piece, pieces_of
from services.inference.windows import Cutter, Rules
from shared.errors import SelfmisError
from shared.frames import Frames, decode, encode, headers

STRIDE_US = 5_000_000
START_US = 1_700_000_000_000_000


def frame(first: int, count: int = 100, rate_mhz: int = 100_000) -> bytes:
    header = headers(1)
    header["patient"], header["session"], header["session_start_us"] = b"p", 7, START_US
    header["first"], header["rate_mhz"], header["uv_per_lsb"] = first, rate_mhz, 5.0
    return encode(Frames(header, (np.arange(first, first + count, dtype=np.int16))[None]))


def pieces(*batches: bytes) -> list[Piece]:
    return [piece for _, piece in pieces_of(list(batches), STRIDE_US)]


def test_a_frame_across_a_stride_is_divided_at_it() -> None:
    assert [(p.first, len(p.millivolts)) for p in pieces(frame(450))] == [(450, 50), (500, 50)]


def test_a_rate_without_whole_samples_a_stride_is_refused() -> None:
    with pytest.raises(SelfmisError, match="whole samples"):
        pieces(frame(0, rate_mhz=130_100))


def test_a_window_speaks_as_soon_as_it_is_full_and_once() -> None:
    window = Assembly(None)
    said = [len(tuple(window.on_value(p))) for p in pieces(*(frame(100 * i) for i in range(10)))]
    assert said == [0] * 9 + [1]
    assert tuple(window.on_close()) == ()


def test_samples_that_come_twice_count_once() -> None:
    window = Assembly(None)
    twice = pieces(*(frame(100 * i) for i in (0, 1, 1, 2, 3, 4, 5, 6, 7, 8)))
    assert not any(tuple(window.on_value(p)) for p in twice)


def test_a_window_goes_on_from_its_snapshot() -> None:
    window = Assembly(None)
    ten = pieces(*(frame(100 * i) for i in range(10)))
    for piece in ten[:6]:
        window.on_value(piece)
    resumed = Assembly(window.snapshot())
    (full,) = [taken for piece in ten[6:] for taken in resumed.on_value(piece)]
    assert len(full) == 10


def test_a_window_of_pieces_is_the_window_that_the_monitor_cuts() -> None:
    batches = [frame(100 * i) for i in range(10)]
    entries = [(f"{START_US // 1000 + 1000 * (i + 1)}-0", decode(batch)) for i, batch in enumerate(batches)]
    cut = Cutter(Rules()).step(entries).cut
    assert len(cut) == 1
    made = bytewax_peer.cut_of_pieces([("p|7", 0, tuple(pieces(*batches)))], STRIDE_US, 0.1)
    same = [name for name in cut.windows.dtype.names or () if not name.startswith("entry")]
    assert all((made.windows[name] == cut.windows[name]).all() for name in same)
    assert np.array_equal(made.blocks[0].millivolts, cut.blocks[0].millivolts)
