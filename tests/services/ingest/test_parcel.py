"""Parcels: frames sorted by shard, encoded once, cut per shard."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parcel import Parcel
from shared.frames import Frames, decode, frame_bytes, headers
from shared.shards import shard_of


def some(n: int, count: int = 5) -> Frames:
    header = headers(n)
    header["patient"] = [f"p{i}".encode() for i in range(n)]
    header["rate_mhz"] = 250_000
    header["uv_per_lsb"] = 1.0
    return Frames(header, np.arange(n * count, dtype=np.int16).reshape(n, count))


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 40))
def test_every_frame_comes_out_in_its_shard_and_no_part_is_too_large(n: int, shards: int, most: int) -> None:
    parcel = Parcel.address(some(n), shards)
    limit = most * frame_bytes(5)
    seen: dict[int, list[bytes]] = defaultdict(list)
    for shard, data, frames in parcel.encoded(limit):
        (run,) = decode(data)
        assert len(run) == frames <= most
        seen[shard] += [bytes(p) for p in run.headers["patient"]]
    expected: dict[int, list[bytes]] = defaultdict(list)
    for i in range(n):
        expected[shard_of(f"p{i}".encode(), shards)].append(f"p{i}".encode())
    assert seen == expected


def test_samples_stay_with_their_patient() -> None:
    parcel = Parcel.address(some(50), 8)
    for header, samples in zip(parcel.frames.headers, parcel.frames.samples, strict=True):
        assert samples[0] == 5 * int(bytes(header["patient"])[1:])


def test_picking_rows_keeps_their_order() -> None:
    parcel = Parcel.address(some(50), 8)
    picked = parcel.pick(np.arange(50) % 2 == 0)
    assert len(picked) == 25
    assert (np.diff(picked.shards) >= 0).all()
