"""The untrained model as inference loads it."""

from pathlib import Path

import pytest

from shared.artefact import Model, load


@pytest.fixture(scope="session")
def model(untrained: Path) -> Model:
    """Verified and loaded."""
    return load(untrained)
