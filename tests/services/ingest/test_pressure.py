"""When to hold back."""

from services.ingest.pressure import Limits, Readings, hold

LIMITS = Limits(lag_s=30, memory=0.8)


def test_nothing_is_held_while_all_is_below_its_limit() -> None:
    assert hold(None, Readings(lag_s=29, memory=0.79), LIMITS) is None


def test_a_lag_over_the_limit_holds() -> None:
    assert hold(None, Readings(lag_s=31, memory=0.1), LIMITS) == "lag"


def test_memory_over_the_limit_holds_and_outranks_lag() -> None:
    assert hold(None, Readings(lag_s=31, memory=0.81), LIMITS) == "memory"


def test_a_refused_write_holds_whatever_the_readings_say() -> None:
    assert hold(None, Readings(memory=0.1, refused=True), LIMITS) == "memory"


def test_a_lag_must_halve_before_sending_goes_on() -> None:
    assert hold("lag", Readings(lag_s=16), LIMITS) == "lag"
    assert hold("lag", Readings(lag_s=15), LIMITS) is None


def test_memory_must_fall_clearly_below_its_limit_before_sending_goes_on() -> None:
    assert hold("memory", Readings(memory=0.75), LIMITS) == "memory"
    assert hold("memory", Readings(memory=0.71), LIMITS) is None


def test_without_consumers_and_without_a_memory_limit_nothing_is_held() -> None:
    assert hold(None, Readings(lag_s=None, memory=None), LIMITS) is None
