"""The table of docs/scaling.md is what the plan says from the figures beside it."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.plan.costs import FOLDER, read
from deploy.plan.page import refreshed
from shared.errors import SelfmisError

PAGE = Path(__file__).resolve().parents[3] / "docs/scaling.md"
COSTS = read(FOLDER)


def test_the_page_shows_what_follows_from_the_stored_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == refreshed(page, COSTS), "run `selfmis bench docs`"


def test_other_costs_give_another_table_and_the_same_words() -> None:
    page = PAGE.read_text(encoding="utf-8")
    other = refreshed(page, replace(COSTS, model_window_us=10 * COSTS.model_window_us))
    changed = [line for line in other.splitlines() if line not in page.splitlines()]
    assert any(line.startswith("| replicas, a core each |") for line in changed)
    assert all(line.startswith("| ") for line in changed)
    assert refreshed(other, COSTS) == page


def test_a_page_without_the_table_is_refused() -> None:
    with pytest.raises(SelfmisError, match="no table"):
        refreshed("# Scaling\n", COSTS)
