"""The record-batch codec: round trips, golden bytes, and a decoder that only ever raises FrameError."""

import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.frames import (
    HEADER_BYTES,
    MAX_FIRST,
    FrameError,
    Frames,
    _keys,
    decode,
    decode_many,
    encode,
    frame_bytes,
    headers,
    patient_bytes,
)

GOLDEN = (
    "3939e11c01010300c3a5736100000000000000000000000000000000000000000000000000000000efcdab896745230100901e18240a0600e8"
    "0300000000000090d003000000a0400100feff00800000"
)


def frames(count: int = 4, patients: tuple[str, ...] = ("a", "b"), seed: int = 0) -> Frames:
    header = headers(len(patients))
    header["patient"] = [p.encode() for p in patients]
    header["session"] = np.arange(len(patients)) + 7
    header["session_start_us"] = 1_700_000_000_000_000
    header["first"] = 1000
    header["rate_mhz"] = 250_000
    header["uv_per_lsb"] = 5.0
    samples = np.random.default_rng(seed).integers(-32768, 32768, (len(patients), count)).astype(np.int16)
    return Frames(header, samples)


@st.composite
def some_frames(draw: st.DrawFn) -> Frames:
    n = draw(st.integers(1, 5))
    header = headers(n)
    for i in range(n):
        name = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=32)
        header["patient"][i] = draw(name.map(str.encode).filter(lambda b: len(b) <= 32))
        header["session"][i] = draw(st.integers(0, 2**64 - 1))
        header["session_start_us"][i] = draw(st.integers(0, 2**62))
        header["first"][i] = draw(st.integers(0, MAX_FIRST))
        header["rate_mhz"][i] = draw(st.integers(50_000, 1_000_000))
        header["uv_per_lsb"][i] = draw(st.floats(2**-10, 1e4, width=32))
        header["lead"][i] = draw(st.integers(0, 11))
    count = draw(st.integers(1, 20))
    samples = draw(st.lists(st.integers(-32768, 32767), min_size=n * count, max_size=n * count))
    return Frames(header, np.array(samples, np.int16).reshape(n, count))


def same(a: Frames, b: Frames) -> bool:
    fields = [f for f in a.headers.dtype.names or () if f not in {"checksum", "count"}]
    return all((a.headers[f] == b.headers[f]).all() for f in fields) and bool((a.samples == b.samples).all())


@given(some_frames())
def test_what_is_encoded_decodes_to_the_same_frames(original: Frames) -> None:
    (decoded,) = decode(encode(original))
    assert same(original, decoded)
    assert (decoded.headers["count"] == original.count).all()


@given(st.lists(some_frames(), min_size=1, max_size=5))
def test_batches_back_to_back_decode_to_all_their_frames_in_order(parts: list[Frames]) -> None:
    decoded = decode(b"".join(encode(part) for part in parts))
    assert [bytes(h["patient"]) for run in decoded for h in run.headers] == [
        bytes(h["patient"]) for part in parts for h in part.headers
    ]
    assert [s.tolist() for run in decoded for s in run.samples] == [
        s.tolist() for part in parts for s in part.samples
    ]


def test_equal_frames_decode_as_one_run() -> None:
    patients = tuple(f"p{i}" for i in range(500))
    assert [len(run) for run in decode(encode(frames(100, patients)))] == [500]


def test_many_changes_of_length_decode_in_order() -> None:
    parts = [frames(1 + i % 3, (f"p{i}",), seed=i) for i in range(200)]
    decoded = decode(b"".join(encode(part) for part in parts))
    assert [bytes(h["patient"]).decode() for run in decoded for h in run.headers] == [f"p{i}" for i in range(200)]


def test_the_bytes_of_a_batch_never_change() -> None:
    header = headers(1)
    header["patient"] = "åsa".encode()
    header["lead"] = 1
    header["session"] = 0x0123456789ABCDEF
    header["session_start_us"] = 1_700_000_000_020_480
    header["first"] = 1000
    header["rate_mhz"] = 250_000
    header["uv_per_lsb"] = 5.0
    batch = encode(Frames(header, np.array([[1, -2, -32768]], np.int16)))
    assert batch.hex() == GOLDEN
    (decoded,) = decode(bytes.fromhex(GOLDEN))
    assert decoded.samples.tolist() == [[1, -2, -32768]]


def test_the_checksum_is_the_published_sum_computed_word_by_word() -> None:
    batch = encode(frames(5, ("a",)))
    words = np.frombuffer(batch, "<u4")
    total = sum(int(w) * int(k) for w, k in zip(words, _keys(len(words)), strict=True)) % 2**64
    assert int(words[0]) == total >> 32


def test_the_checksum_keys_never_change() -> None:
    assert zlib.crc32(_keys(16_402).tobytes()) == 761_693_405


@pytest.mark.parametrize("name", ["", "x" * 33, "å" * 17, "a\nb", "a\0", "\ud800"])
def test_a_patient_id_that_does_not_fit_a_header_is_refused(name: str) -> None:
    with pytest.raises(FrameError, match="patient id"):
        patient_bytes(name)


def test_a_patient_id_of_exactly_32_bytes_fits() -> None:
    assert patient_bytes("å" * 16) == "å".encode() * 16


def test_millivolts_are_counts_times_gain() -> None:
    (decoded,) = decode(encode(frames()))
    np.testing.assert_allclose(decoded.millivolts(), decoded.samples * 0.005, rtol=1e-6)


def test_decoding_copies_nothing() -> None:
    batch = encode(frames())
    (decoded,) = decode(batch)
    assert np.shares_memory(decoded.samples, np.frombuffer(batch, np.uint8))


@pytest.mark.parametrize("bit", range(8 * frame_bytes(4)))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    batch = bytearray(encode(frames(4, ("a",))))
    batch[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        decode(bytes(batch))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("lead", 12, "lead"),
        ("rate_mhz", 49_999, "rate"),
        ("rate_mhz", 1_000_001, "rate"),
        ("first", -1, "first"),
        ("first", MAX_FIRST + 1, "first"),
        ("uv_per_lsb", 0.0, "gain"),
        ("uv_per_lsb", -1.0, "gain"),
        ("uv_per_lsb", np.nan, "gain"),
        ("uv_per_lsb", np.inf, "gain"),
        ("session_start_us", -1, "session_start"),
        ("patient", b"", "patient"),
        ("patient", b"a\0b", "patient"),
        ("patient", b"a\nb", "patient"),
        ("patient", b"\xff\xfe", "patient"),
    ],
)
def test_an_impossible_field_is_refused_with_its_reason(field: str, value: object, reason: str) -> None:
    wrong = frames()
    wrong.headers[field][1] = value
    with pytest.raises(FrameError) as refused:
        encode(wrong)
    assert refused.value.reason == reason


def test_a_refusal_names_no_patient() -> None:
    wrong = frames(patients=("jane-doe", "john-doe"))
    wrong.headers["rate_mhz"] = 1
    with pytest.raises(FrameError) as refused:
        encode(wrong)
    assert "doe" not in str(refused.value)


@pytest.mark.parametrize("count", [0, 65_536])
def test_a_frame_of_no_or_too_many_samples_is_refused(count: int) -> None:
    with pytest.raises(FrameError, match="1 to 65535 samples"):
        encode(Frames(headers(1), np.zeros((1, count), np.int16)))


def test_a_frame_of_the_most_samples_round_trips() -> None:
    (decoded,) = decode(encode(frames(65_535, ("a",))))
    assert decoded.count == 65_535


def test_an_unknown_version_is_refused_by_its_number() -> None:
    batch = bytearray(encode(frames()))
    batch[4] = 2
    with pytest.raises(FrameError, match="version 2"):
        decode(bytes(batch))


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_only_frame_error(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


@given(st.lists(some_frames(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_many_batches_decode_as_each_does_alone_whatever_is_wrong_with_some(parts: list[Frames], rng: Any) -> None:
    batches = [encode(part) for part in parts for _ in range(2)]
    for i in range(len(batches)):
        if rng.random() < 0.3:
            spoilt = bytearray(batches[i])
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
            batches[i] = bytes(spoilt[: rng.choice([len(spoilt), rng.randrange(len(spoilt) + 1)])])
    for batch, found in zip(batches, decode_many(batches), strict=True):
        if isinstance(found, FrameError):
            with pytest.raises(FrameError) as alone:
                decode(batch)
            assert (found.reason, str(found)) == (alone.value.reason, str(alone.value))
        else:
            assert all(same(a, b) for a, b in zip(found, decode(batch), strict=True))


def test_every_truncation_is_refused_or_ends_between_frames() -> None:
    batch = encode(frames(4, ("a", "b", "c")))
    for size in range(len(batch)):
        if size and size % frame_bytes(4) == 0:
            assert sum(len(run) for run in decode(batch[:size])) == size // frame_bytes(4)
        else:
            with pytest.raises(FrameError):
                decode(batch[:size])


def fuzz(rng: np.random.Generator, cases: int) -> int:
    """Random and mutated batches; returns how many were refused. Anything but FrameError escapes."""
    seeds = [encode(frames(count, patients)) for count in (1, 4, 9) for patients in (("a",), ("å", "b", "c"))]
    seeds += [seeds[0] + seeds[3] + seeds[4]]
    refused = 0
    for case in range(cases):
        if case % 4 == 0:
            data = bytearray(rng.bytes(int(rng.integers(0, 300))))
        else:
            data = bytearray(seeds[case % len(seeds)])
            for _ in range(int(rng.integers(1, 5))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        if case % 3 == 0 and len(data) > HEADER_BYTES:
            data[4], data[6], data[7] = 1, int(rng.integers(12)), 0  # a header that looks right
        if case % 8 == 1:
            del data[int(rng.integers(len(data))) :]
        if case % 5 == 1 and len(data) >= HEADER_BYTES and len(data) % 8 == 0:
            words = np.frombuffer(bytes(data), "<u4")  # get past the checksum to the checks behind it
            total = sum(int(w) * int(k) for w, k in zip(words, _keys(len(words)), strict=True)) % 2**64
            data[:4] = (total >> 32).to_bytes(4, "little")
        try:
            decode(bytes(data))
        except FrameError:
            refused += 1
    return refused


def test_mutated_batches_raise_only_frame_error() -> None:
    assert fuzz(np.random.default_rng(1), 5_000) > 4_000


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_million_random_and_mutated_batches_raise_only_frame_error() -> None:
    assert fuzz(np.random.default_rng(2), 1_000_000) > 800_000
