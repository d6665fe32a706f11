"""A ward at night."""

import pytest

from tests.services.inference.alarms.night import WARD, Night


@pytest.fixture
def ward() -> Night:
    """Four patients of one source, heard at 0 s; the others still at 6 s and 11 s, ada no more."""
    night = Night()
    night.hear(0)
    night.hear(6, WARD[1:])
    night.hear(11, WARD[1:])
    return night
