import numpy as np
import pytest

from services.ingest.recordings.timing import rate_of
from shared.wfdb import RecordingError, millihertz


@pytest.mark.parametrize("hertz", [50, 100, 125, 128, 130, 250, 256, 300, 360, 500, 512, 1000])
def test_times_rounded_to_milliseconds_give_the_exact_rate(hertz: int) -> None:
    assert rate_of(np.round(np.arange(10 * hertz) / hertz, 3)) == hertz


def test_a_true_rate_beside_a_whole_number_is_kept() -> None:
    assert millihertz(rate_of(np.arange(100_000) / 130.13)) == 130_130


def test_a_missing_sample_is_refused_with_its_place() -> None:
    times = np.delete(np.arange(1000) / 250, 400)
    with pytest.raises(RecordingError, match=r"jumps by 0\.008 s after sample 399"):
        rate_of(times)


def test_time_that_goes_back_is_refused() -> None:
    times = np.arange(1000) / 250
    times[10] = times[9]
    with pytest.raises(RecordingError, match="does not advance at sample 10"):
        rate_of(times)


def test_a_missing_time_is_refused() -> None:
    with pytest.raises(RecordingError, match="no time at sample 1"):
        rate_of(np.array([0, np.nan, 0.02, 0.03]))


def test_too_few_times_are_refused() -> None:
    with pytest.raises(RecordingError, match="too few"):
        rate_of(np.array([0, 0.01]))
