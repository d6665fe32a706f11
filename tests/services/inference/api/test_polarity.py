"""Which way up a patient's newest ten seconds are: at every rate, through gaps, silent where it cannot be told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.inference.api.polarity import of_strip
from services.inference.api.trace import Strip


def strip(millivolts: np.ndarray, rate_mhz: int, missing: range = range(0)) -> Strip:
    counts = [None if i in missing else round(value * 500) for i, value in enumerate(millivolts.tolist())]
    return Strip(1, 0, rate_mhz, 2.0, 0, tuple(counts))


@pytest.mark.parametrize("rate", [50, 128, 250, 512])
def test_it_is_told_at_every_rate(beating: Callable[..., Any], rate: int) -> None:
    signal = beating(10.1, rate)
    assert of_strip(strip(signal, rate * 1000), "I") == "upright"
    assert of_strip(strip(-signal, rate * 1000), "I") == "inverted"


def test_a_short_gap_does_not_matter_and_a_long_one_silences_it(beating: Callable[..., Any]) -> None:
    signal = -beating(10, 100)
    assert of_strip(strip(signal, 100_000, range(300, 340)), "II") == "inverted"
    assert of_strip(strip(signal, 100_000, range(300, 600)), "II") is None


def test_nothing_is_told_of_no_strip_a_short_one_noise_and_other_leads(beating: Callable[..., Any]) -> None:
    signal = beating(10, 100)
    assert of_strip(None, "I") is None
    assert of_strip(strip(signal[:900], 100_000), "I") is None
    assert of_strip(strip(np.zeros(1000), 100_000), "I") is None
    assert of_strip(strip(signal, 100_000), "V2") is None
