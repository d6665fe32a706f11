"""A model's alarm rules: in the place of the defaults, never of what somebody has set."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.artefact import AlarmRules, ArtefactError, under
from shared.artefact.card import card_text
from shared.artefact.manifest import _sealed, read_manifest
from shared.settings import Settings, SettingsError, load

PICKED = {
    "low": 0.3, "medium": 0.6, "high": 0.8, "off": 0.2, "smoothing": 0.4, "on_windows": 2, "of_windows": 3,
    "off_windows": 5,
}  # fmt: skip
RULES = AlarmRules.model_validate(PICKED)


def settings(*overrides: str) -> Settings:
    return load(environ={}, overrides=overrides).settings


def of_model(chosen: Settings) -> dict[str, Any]:
    return {name: getattr(chosen.alarm, name) for name in PICKED}


def test_a_models_rules_replace_the_defaults_and_nothing_else() -> None:
    before, after = settings("window.stride_s=2"), under(settings("window.stride_s=2"), RULES)
    assert of_model(after) == PICKED
    assert after.alarm.refractory_s == before.alarm.refractory_s
    assert after.window == before.window


def test_what_somebody_has_set_wins_even_where_it_is_the_default() -> None:
    chosen = under(settings("alarm.medium=0.7", "alarm.refractory_s=9"), RULES)
    assert of_model(chosen) == PICKED | {"medium": 0.7}
    assert chosen.alarm.refractory_s == 9


def test_without_rules_settings_stay_as_they_are() -> None:
    given = settings("alarm.low=0.5")
    assert under(given, None) is given


def test_a_setting_that_does_not_fit_the_models_rules_is_one_line() -> None:
    with pytest.raises(
        SettingsError, match=r"alarm\.low: does not fit the rules of the model beside it \(must be"
    ):
        under(settings("alarm.low=0.65"), RULES)


@pytest.mark.parametrize(
    "wrong",
    [{"low": 0.1}, {"on_windows": 4}, {"high": 1.5}, {"smoothing": 0}, {"off": "0.2"}, {"escalations": 3}],
)
def test_impossible_rules_are_refused_with_their_manifest(exported: Path, wrong: dict[str, Any]) -> None:
    body = json.loads((exported / "manifest.json").read_text())
    del body["sha256"]
    with pytest.raises(ArtefactError, match="alarm"):
        read_manifest(_sealed(body | {"alarm": PICKED | wrong}).encode())


def test_rules_go_to_text_and_back_and_a_manifest_without_them_is_as_before(exported: Path) -> None:
    bare = read_manifest((exported / "manifest.json").read_bytes())
    assert "alarm" not in json.loads(bare.to_text())
    told = bare.model_copy(update={"alarm": RULES})
    assert read_manifest(told.to_text().encode()).alarm == RULES


def test_the_card_says_what_becomes_of_a_lead_that_is_worn_upside_down(exported: Path) -> None:
    bare = read_manifest((exported / "manifest.json").read_bytes())
    assert "upside down" not in card_text(bare)
    measured = {"I": {"n": 613, "found": 0.982, "false": 0.018, "false_infarct": 0.05}}
    card = card_text(bare.model_copy(update={"metrics": bare.metrics | {"polarity": measured}}))
    assert "say `inverted` for 98.2% of such records, and for 1.8% of upright ones (5.0% of those with an" in card
