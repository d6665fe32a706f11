import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wfdb.errors import RecordingError
from shared.wfdb.header import parse_header

MITDB = b"""# a comment
100 2 360 650000
100.dat 212 200 11 1024 995 -22131 0 MLII

100.dat 212 200 11 1024 1011 20052 0 V5
# 69 M 1085 1629 x1
"""


def test_a_plain_header_is_read() -> None:
    header = parse_header(MITDB)
    assert (header.name, header.rate, header.samples) == ("100", "360", 650000)
    assert [signal.name for signal in header.signals] == ["MLII", "V5"]


def test_without_a_baseline_the_converters_zero_is_it() -> None:
    assert parse_header(MITDB).signals[0].baseline == 1024


def test_a_written_baseline_wins_over_the_converters_zero() -> None:
    signal = parse_header(b"r 1 500\nr.dat 16 1000.5(-7)/uV 16 3 0 0 0 I").signals[0]
    assert (signal.gain, signal.baseline, signal.units) == (1000.5, -7, "uV")


def test_modifiers_of_the_format_are_read() -> None:
    signal = parse_header(b"r 1 500\nr.mat 16x2:3+24 1000/mV").signals[0]
    assert (signal.code, signal.per_frame, signal.skew, signal.offset) == (16, 2, 3, 24)


@pytest.mark.parametrize("gain", [b"0", b"0.0/mV", b""])
def test_a_gain_of_zero_or_none_means_not_calibrated(gain: bytes) -> None:
    assert parse_header(b"r 1 360\nr.dat 212 " + gain).signals[0].gain is None


def test_the_counter_behind_the_rate_is_left_out() -> None:
    assert parse_header(b"r 0 128.5/64(3) 100").rate == "128.5"


def test_a_name_may_hold_spaces() -> None:
    assert (
        parse_header(b"r 1 360\nr.dat 16 200 11 0 0 0 0 lead II  modified").signals[0].name == "lead II  modified"
    )


def test_segments_are_read() -> None:
    header = parse_header(b"r/3 1 125 30\nr_layout 0\nr_1 20\n~ 10\n")
    assert [(segment.name, segment.samples) for segment in header.segments] == [
        ("r_layout", 0),
        ("r_1", 20),
        ("~", 10),
    ]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "record line"),
        (b"# only a comment", "record line"),
        (b"r", "record line"),
        (b"r 2 100 10\nr.dat 16 1", "promises 2 signals and describes 1"),
        (b"r 1 100 10\nr.dat x", "unreadable signal line"),
        (b"r 1 100 10\nr.dat 16 abc", "unreadable gain"),
        (b"r 1 100 10\nr.dat 16 nan/mV", "unreadable gain"),
        (b"r 1 1e999999999 10\nr.dat 16 1", "unreadable sampling rate"),
        (b"r 1 100 many\nr.dat 16 1", "unreadable number of samples"),
        (b"r/1 1 100 10\n../../x 10", "unreadable segment line"),
        (b"r\xff\xfe 1 100", "not UTF-8"),
    ],
)
def test_what_does_not_follow_the_format_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        parse_header(raw)


def test_comments_may_be_in_any_encoding() -> None:
    assert parse_header(b"r 0 100\n# M\xfcller").rate == "100"


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: ("r 1 100 5\n" + text).encode())))
def test_no_bytes_make_it_raise_anything_else(raw: bytes) -> None:
    with contextlib.suppress(RecordingError):
        parse_header(raw)
