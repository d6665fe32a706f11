"""The rules for Prometheus and the routes of Alertmanager: valid, each rule tested, each alert explained."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.inference.metrics.catalogue import CATALOGUE, Kind
from services.inference.webhook.tally import Tally, WebhookCollector

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((ROOT / "deploy" / "prometheus" / "tests").glob("*.yml"))
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
ALWAYS = "SelfmisDeadMansSwitch"
NEVER_INHIBITED = {"SelfmisMIAlarm", "SelfmisMIAlarmUnacknowledged", "SelfmisStreamLost"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in read(path)["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDS = [rule["record"] for rule in rules() if "record" in rule]


def blocks() -> Iterator[dict[str, Any]]:
    for path in TESTS:
        yield from read(path)["tests"]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on PATH: install Debian's packages prometheus and prometheus-alertmanager")
    return found


def test_every_unit_test_of_every_rule_holds() -> None:
    said = subprocess.run(
        [tool("promtool"), "test", "rules", *map(str, TESTS)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_rule_that_is_changed_fails_its_unit_test(tmp_path: Path) -> None:
    promtool = tool("promtool")
    for folder in ("rules", "tests"):
        shutil.copytree(RULES[0].parents[1] / folder, tmp_path / folder)
    changed = tmp_path / "rules" / "pipeline.yml"
    changed.write_text(
        changed.read_text(encoding="utf-8").replace("max(selfmis_lag_seconds) > 30", "vector(0) > 30")
    )
    tested = tmp_path / "tests" / "pipeline.yml"
    assert subprocess.run([promtool, "test", "rules", str(tested)], capture_output=True, check=False).returncode


def test_prometheus_and_alertmanager_take_the_files() -> None:
    for command in (
        [tool("promtool"), "check", "config", str(ROOT / "deploy" / "prometheus" / "prometheus.yml")],
        [tool("amtool"), "check-config", str(ALERTMANAGER)],
    ):
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity'][:8]}")
def test_every_alert_is_tested_to_fire_and_to_be_quiet(rule: dict[str, Any]) -> None:
    name, severity = rule["alert"], rule["labels"]["severity"]
    tested = [test for block in blocks() for test in block.get("alert_rule_test", ()) if test["alertname"] == name]
    fired = {alert["exp_labels"]["severity"] for test in tested for alert in test["exp_alerts"]}
    assert fired >= (set(re.findall(r"}}(\w+){{", severity)) or {severity})
    assert name == ALWAYS or any(not test["exp_alerts"] for test in tested)


@pytest.mark.parametrize("record", RECORDS)
def test_every_recorded_series_is_tested(record: str) -> None:
    asked = [test for block in blocks() for test in block.get("promql_expr_test", ())]
    assert any(record in test["expr"] and test["exp_samples"] for test in asked)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook", "runbook_url"}
    document, _, anchor = notes["runbook_url"].partition("#")
    headings = re.findall(r"^### (\S+)$", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert anchor == rule["alert"].lower()


def test_the_rules_ask_only_for_metrics_that_there_are() -> None:
    known = set(RECORDS)
    for metric in WebhookCollector([Tally()]).collect():
        known |= {sample.name for sample in metric.samples}
    for family in CATALOGUE:
        suffixes = ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",)
        known |= {f"{family.exposed}{suffix}" for suffix in suffixes}
    asked = {name for rule in rules() for name in re.findall(r"selfmis[_:][\w:]+", rule["expr"])}
    assert asked
    assert asked <= known


def test_alerts_about_patients_are_never_inhibited_and_every_matcher_names_an_alert_that_there_is() -> None:
    config = read(ALERTMANAGER)
    names = {rule["alert"] for rule in ALERTS}
    matchers = [
        m for rule in config["inhibit_rules"] for key in ("source_matchers", "target_matchers") for m in rule[key]
    ]
    matchers += [m for route in config["route"]["routes"] for m in route["matchers"]]
    asked = {name for m in matchers if m.startswith("alertname") for name in re.findall(r"Selfmis\w+", m)}
    assert asked <= names
    for rule in config["inhibit_rules"]:
        targets = next(m for m in rule["target_matchers"] if m.startswith("alertname"))
        assert not NEVER_INHIBITED & set(re.findall(r"Selfmis\w+", targets))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "SelfmisMIAlarm", "severity": "critical"}, "urgent"),
        ({"alertname": "SelfmisMIAlarm", "severity": "info"}, "ward"),
        ({"alertname": "SelfmisStreamLost", "severity": "warning"}, "ward"),
        ({"alertname": "SelfmisScoreDrift", "severity": "warning"}, "engineering"),
        ({"alertname": "SelfmisRedisMemory", "severity": "critical"}, "urgent"),
        ({"alertname": ALWAYS, "severity": "none"}, "watchdog"),
    ],
)
def test_an_alert_reaches_its_receiver(labels: dict[str, str], receiver: str) -> None:
    route = [tool("amtool"), "config", "routes", "test", f"--config.file={ALERTMANAGER}"]
    said = subprocess.run(
        [*route, *(f"{k}={v}" for k, v in labels.items())], capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() == receiver, said.stderr


def test_no_secret_stands_in_the_files() -> None:
    for path in (ALERTMANAGER, ROOT / "deploy" / "prometheus" / "prometheus.yml"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^[^#]*(password|bearer_token|credentials|api_key)\s*:", text, re.MULTILINE)
