"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SELFMIS_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip("real recordings absent: put them in ../shared/data or name them in SELFMIS_TEST_DATA")
    return DATA
