"""Patients to shards, shards to key names."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared import shards


def test_a_patient_always_lands_in_the_same_shard() -> None:
    assert [shards.shard_of(f"patient-{i}".encode(), 64) for i in range(8)] == [54, 32, 26, 12, 47, 57, 3, 21]


@given(st.binary(min_size=1, max_size=32), st.integers(1, 16384))
def test_a_shard_is_within_the_count(patient: bytes, count: int) -> None:
    assert 0 <= shards.shard_of(patient, count) < count


def test_patients_spread_evenly_over_shards() -> None:
    counts = np.bincount([shards.shard_of(f"ward-{i:05d}".encode(), 64) for i in range(64_000)], minlength=64)
    assert 850 < counts.min() <= counts.max() < 1150


def test_all_keys_of_a_shard_carry_its_hash_tag() -> None:
    for key in (shards.stream_key, shards.position_key, shards.marks_key):
        assert key(7).endswith("{s07}")
        assert key(4711).endswith("{s4711}")
