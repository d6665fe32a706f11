"""The monitoring component is made of the rules and boards that everybody else uses."""

from pathlib import Path

import yaml

from deploy.prometheus_rule import BOARDS, COMPONENT, RULES, boards, files, prometheus_rule
from tests.deploy.manifests import faults

RULE = "groups: [{name: %s, rules: [{alert: A, expr: up == 0, for: 1m, labels: {severity: critical}}]}]"


def test_the_component_is_up_to_date() -> None:
    """Else: python -m deploy.prometheus_rule."""
    stale = [str(p) for p, text in files(RULES, BOARDS).items() if not p.exists() or p.read_text("utf-8") != text]
    assert stale == []


def test_all_groups_of_all_files_become_one_valid_resource(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.yml").write_text(RULE % name)
    made = prometheus_rule(tmp_path)
    assert [group["name"] for group in made["spec"]["groups"]] == ["a", "b"]
    assert faults(made) == []


def test_a_rule_that_the_operator_would_refuse_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text((RULE % "a").replace("1m", "a minute"))
    assert len(faults(prometheus_rule(tmp_path))) == 1


def test_every_board_becomes_a_labelled_config_map(tmp_path: Path) -> None:
    (tmp_path / "ward.json").write_text("{}")
    made = yaml.safe_load(files(tmp_path, tmp_path)[tmp_path / "kustomization.yaml"])
    assert boards(tmp_path) == ["ward.json"]
    assert made["configMapGenerator"] == [{"name": "selfmis-board-ward", "files": ["selfmis-ward.json=ward.json"]}]
    assert made["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}
    assert "../../../grafana" in files(tmp_path, tmp_path)[COMPONENT / "kustomization.yaml"]


def test_without_boards_none_is_asked_for(tmp_path: Path) -> None:
    assert set(files(tmp_path, tmp_path / "none")) == {COMPONENT / "rules.yaml", COMPONENT / "kustomization.yaml"}
