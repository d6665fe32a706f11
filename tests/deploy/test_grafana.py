"""Grafana's boards and what provisions them: current, whole, and every name in them leads somewhere."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.grafana.__main__ import FOLDER, boards, files
from deploy.grafana.runbook import DOC, panel_ids, sections
from services.inference.metrics.catalogue import CATALOGUE
from shared.ports import free_port
from tests.deploy.boards import BOARDS, BUILTIN, GRAFANA, RULES, Asked, asked, filled, panels, read

ROOT = GRAFANA.parents[1]
PROVISIONING = GRAFANA / "provisioning"
SDK = "grafana-foundation-sdk"
RECORDING = Path(__file__).parent / "ray_train.prom"
EACH = pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
TRAINING = [each for each in asked() if each.board == "selfmis-training" and each.panel != "annotation"]


@pytest.fixture(scope="module")
def sdk() -> None:
    """The very version that boards are made with: another one writes another JSON."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (wanted,) = [each for each in project["optional-dependencies"]["dev"] if each.startswith(SDK)]
    try:
        found = f"{SDK}=={version(SDK)}"
    except PackageNotFoundError:
        pytest.skip(f"pip install '{wanted}'")
    assert found == wanted, f"pip install '{wanted}'"


def test_the_boards_are_up_to_date(sdk: None) -> None:
    """Else: make dashboards."""
    made = files(DOC.read_text("utf-8"))
    assert [path.name for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text] == []
    assert sorted(FOLDER.glob("*")) == sorted(made) == BOARDS


def lost(before: Any, after: Any, where: str = "") -> list[str]:
    """What of ``before`` is not in ``after``, or otherwise."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            each
            for key, value in before.items()
            for each in (lost(value, after[key], f"{where}.{key}") if key in after else [f"{where}.{key}"])
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for place, (a, b) in pairs for each in lost(a, b, f"{where}[{place}]")]
    return [] if before == after else [where]


@EACH
def test_grafana_s_own_classes_know_every_field_of_a_board(sdk: None, path: Path) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    again = json.loads(json.dumps(Dashboard.from_json(read(path)), cls=JSONEncoder))
    assert lost(read(path), again) == []  # they add the defaults of what is absent
    assert lost(read(path) | {"colour": "blue"}, again) == [".colour"]


@EACH
def test_no_two_panels_share_an_id_or_a_place(path: Path) -> None:
    found = list(panels(read(path)))
    assert max(Counter(panel["id"] for panel in found).values()) == 1
    places = [panel["gridPos"] for panel in found]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["h"] > 0 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], (a, b)


def test_no_two_boards_share_an_address_or_a_title() -> None:
    found = [read(path) for path in BOARDS]
    for key in ("uid", "title"):
        assert len({board[key] for board in found}) == len(found)
    assert all(re.fullmatch(r"[a-z-]{8,40}", board["uid"]) for board in found)


@EACH
def test_every_panel_says_what_it_is_in_which_unit_and_where_to_go_on(path: Path) -> None:
    for panel in panels(read(path)):
        if panel["type"] == "row":
            assert panel["title"]
            continue
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["links"], panel["title"]
        if panel["type"] != "text":
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["unit"], panel["title"]
            assert defaults["noValue"], panel["title"]
            steps = [step["value"] for step in defaults["thresholds"]["steps"]]
            assert steps == [None, *sorted(steps[1:])], panel["title"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@EACH
def test_every_variable_is_declared_and_described_and_every_source_is_one(path: Path) -> None:
    board = read(path)
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert all(each["description"] and each["label"] for each in variables.values())
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - set(BUILTIN) - {"__all"}
    assert used <= set(variables)
    assert {"datasource", "console"} <= used
    assert variables["datasource"]["query"] == "prometheus"
    sources = [
        each for panel in panels(board) for each in [panel, *panel.get("targets", ())] if "datasource" in each
    ]
    sources += [each for each in variables.values() if each["type"] == "query"] + board["annotations"]["list"]
    assert all(each["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for each in sources)
    assert all("datasource" in panel for panel in panels(board) if panel["type"] not in {"row", "text"})


def test_every_metric_of_the_monitor_and_of_ingest_is_on_a_board() -> None:
    text = " ".join(each.expr for each in asked())
    ingest = (ROOT / "services" / "ingest" / "metrics.py").read_text("utf-8")
    told = set(re.findall(r'_(?:counter|gauge)\(\s*"(\w+)"', ingest)) | set(
        re.findall(r'"selfmis_ingest_(\w+)"', ingest)
    )
    assert len(told) >= 12
    names = {family.exposed for family in CATALOGUE} | {f"selfmis_ingest_{name}" for name in told}
    assert {name for name in names if not re.search(rf"\b{name}(_total|_bucket|_sum)?\b", text)} == set()


def test_every_alert_has_its_runbook_and_every_link_to_one_leads_there() -> None:
    alerts = {
        rule["alert"]
        for path in RULES.glob("*.yml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    shown = {panel["title"]: panel for panel in panels(read(FOLDER / "runbook.json"))}
    assert alerts <= set(shown)
    for path in BOARDS:
        for panel in panels(read(path)):
            for link in panel.get("links", ()):
                if link["title"].startswith("Runbook: "):
                    target = shown[link["title"].removeprefix("Runbook: ")]
                    assert link["url"] == f"/d/selfmis-runbook?viewPanel={target['id']}"


def test_a_runbook_is_the_document_s_section_with_links_made_words() -> None:
    document = (
        "# X\n## What to do on each alert\n\n### SelfmisA\n\nSee [rules](alarms.md#x), [b.md](b.md), [c](#d).\n"
        "### SelfmisB\nB\n## After\nno\n"
    )
    assert sections(document) == {"SelfmisA": "See rules (docs/alarms.md), docs/b.md, c.", "SelfmisB": "B"}
    assert panel_ids(document) == {"SelfmisA": 2, "SelfmisB": 3}
    assert boards(document)[-1].rows[0].panels[1].text == "B"


def provisioned(kind: str) -> dict[str, Any]:
    read_: dict[str, Any] = yaml.safe_load((PROVISIONING / kind / "selfmis.yaml").read_text("utf-8"))
    assert read_.pop("apiVersion") == 1
    return read_


def test_the_sources_are_a_prometheus_by_default_and_the_alertmanager() -> None:
    sources = provisioned("datasources")["datasources"]
    assert [source["type"] for source in sources] == ["prometheus", "alertmanager"]
    assert [source.get("isDefault", False) for source in sources] == [True, False]
    known = {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"}
    assert all(set(source) <= known and source["access"] == "proxy" for source in sources)
    assert sources[0]["jsonData"]["alertmanagerUid"] == sources[1]["uid"]
    scraped = yaml.safe_load((RULES.parent / "prometheus.yml").read_text("utf-8"))["global"]["scrape_interval"]
    assert sources[0]["jsonData"]["timeInterval"] == scraped


def test_what_grafana_alerts_goes_to_a_contact_point_that_there_is() -> None:
    alerting = provisioned("alerting")
    points = {point["name"]: point["receivers"] for point in alerting["contactPoints"]}
    assert [policy["receiver"] in points for policy in alerting["policies"]] == [True]
    kinds = {receiver["type"] for receivers in points.values() for receiver in receivers}
    assert kinds == {"prometheus-alertmanager"}


def test_compose_gives_grafana_the_files_and_every_address_that_they_name() -> None:
    service = yaml.safe_load((ROOT / "deploy" / "docker" / "compose.yaml").read_text("utf-8"))["services"][
        "grafana"
    ]
    mounts = dict(volume.rsplit(":", 1)[0].split(":") for volume in service["volumes"] if volume.endswith(":ro"))
    texts = "".join(path.read_text("utf-8") for path in PROVISIONING.rglob("*.yaml"))
    named = {
        name for line in texts.splitlines() if not line.startswith("#") for name in re.findall(r"\$(\w+)", line)
    }
    assert named == {"WATCH_PROMETHEUS", "WATCH_ALERTMANAGER", "WATCH_BOARDS"}
    assert named <= set(service["environment"])
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["options"]["path"] == "$WATCH_BOARDS"
    assert mounts["../grafana/dashboards"] == service["environment"]["WATCH_BOARDS"]
    assert mounts["../grafana/provisioning"] == "/etc/grafana/provisioning"


def evaluated(queries: list[Asked], tmp_path: Path, recording: str) -> str:
    """What promtool says of the demand that each query finds something among recorded series; empty: all do."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: install Debian's package prometheus")
    series = [
        {"series": f"{sample.name}{json_labels(sample.labels)}", "values": f"{sample.value!r}+0x10"}
        for family in text_string_to_metric_families(recording)
        for sample in family.samples
    ]
    wanted = [
        {
            "expr": f"count({filled(each.expr)}) > bool 0",
            "eval_time": "5m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for each in queries
    ]
    file = tmp_path / "test.yml"
    file.write_text(
        yaml.safe_dump({"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": wanted}]})
    )
    said = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    return said.stdout + said.stderr if said.returncode else ""


def json_labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(text)}" for name, text in labels.items()) + "}"


def test_every_panel_on_training_finds_its_series_in_what_a_run_of_ray_train_exposed(tmp_path: Path) -> None:
    assert len(TRAINING) > 12
    assert evaluated(TRAINING, tmp_path, RECORDING.read_text("utf-8")) == ""


def test_a_query_that_finds_nothing_is_noticed(tmp_path: Path) -> None:
    wrong = Asked("b", "p", "ray_train_controller_mood", now=True)
    assert "ray_train_controller_mood" in evaluated([wrong], tmp_path, RECORDING.read_text("utf-8"))


def labelled(recording: str) -> dict[str, set[str]]:
    """The label names of each family of Ray Train."""
    return {
        family.name: set().union(*(sample.labels for sample in family.samples))
        for family in text_string_to_metric_families(recording)
        if family.name.startswith("ray_train_")
    }


@pytest.mark.full
def test_what_was_recorded_is_what_a_run_of_ray_train_exposes(tmp_path: Path) -> None:
    out = tmp_path / "exposed.prom"
    script = Path(__file__).with_name("tiny_ray_train.py")
    subprocess.run(
        [sys.executable, str(script), str(out), str(free_port())], cwd=tmp_path, check=True, timeout=600
    )
    exposed = out.read_text("utf-8")
    assert labelled(exposed) == labelled(RECORDING.read_text("utf-8"))
    assert evaluated(TRAINING, tmp_path, exposed) == ""
