from typing import Any

import pytest

from shared.wfdb import RecordingError, microvolts_per, millihertz


@pytest.mark.parametrize(
    ("unit", "uv"), [("mV", 1e3), ("uV", 1), ("µV", 1), ("μV", 1), ("V", 1e6), ("nV", 1e-3), (" MV ", 1e3)]
)
def test_voltages_are_told_apart(unit: str, uv: float) -> None:
    assert microvolts_per(unit) == uv


@pytest.mark.parametrize("unit", ["mmHg", "NU", "", "adu", "bpm"])
def test_what_is_no_voltage_is_refused(unit: str) -> None:
    with pytest.raises(RecordingError, match="no voltage"):
        microvolts_per(unit)


@pytest.mark.parametrize(
    ("rate", "mhz"), [("128.571", 128571), ("50", 50_000), (1000, 1_000_000), (130.13, 130_130)]
)
def test_fractional_rates_are_kept_to_the_millihertz(rate: Any, mhz: int) -> None:
    assert millihertz(rate) == mhz


@pytest.mark.parametrize("rate", ["49.9", "1000.001", 0, -1, float("nan"), float("inf"), "fast"])
def test_rates_that_no_frame_can_carry_are_refused(rate: Any) -> None:
    with pytest.raises(RecordingError):
        millihertz(rate)
