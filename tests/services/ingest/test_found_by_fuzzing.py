"""Bad input of ingest that once was not refused in one line; `selfmis bench fuzz` found it."""

import pytest

from services.ingest.scenario import ScenarioError, parse


@pytest.mark.parametrize(
    "text", ["[" * 3000, '"x\\n\\e" : 1', f"{'x' * 5000}: 1", "name: 2026-02-30", "seed: " + "9" * 5000]
)
def test_an_odd_scenario_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(text, "ward.yaml")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= 300
