"""Preparing a store in the test's own folder, in this process."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from training.prepare.part import Cutting
from training.prepare.run import Prepared, list_source, plan_sources, prepare
from training.prepare.spread import here


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    """Prepares `tmp_path / "store"` from these folders."""

    def run(
        *folders: Path, labels: Path | None = None, segments: int = 1, lead: str | None = None, **more: Any
    ) -> Prepared:
        planned = plan_sources([list_source(folder.name, folder, labels) for folder in folders])
        how: dict[str, Any] = {"spread": here, "now": datetime(2026, 1, 2, tzinfo=UTC), "code": "test"} | more
        return prepare(planned, tmp_path / "store", cutting=Cutting(segments, lead), **how)

    return run
