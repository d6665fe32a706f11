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


NOT_BY_SHARD = {"source_key", "pulse_key", "report_key", "session_start_key", "once_key", "trend_key"}
KEYS = [getattr(shards, name) for name in dir(shards) if name.endswith("_key") and name not in NOT_BY_SHARD]


def test_all_keys_of_a_shard_carry_its_hash_tag() -> None:
    assert len(KEYS) == 15
    for key in KEYS:
        assert key(7).endswith(":{s07}")
        assert key(4711).endswith(":{s4711}")


def test_no_two_keys_of_a_shard_have_one_name() -> None:
    assert len({key(7) for key in KEYS}) == len(KEYS)
