"""What the committed boards ask of Prometheus, read from their JSON as Grafana reads it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

GRAFANA = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
RULES = GRAFANA.parent / "prometheus" / "rules"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
BUILTIN = {"__rate_interval": "1m"}


@dataclass(frozen=True)
class Asked:
    """One query of one panel."""

    board: str
    panel: str
    expr: str
    now: bool

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}: {self.expr}"


def read(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return board


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of them, wherever they are; rows too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def asked() -> list[Asked]:
    """Every query of every panel of every board, and every annotation's."""
    found = []
    for board in map(read, BOARDS):
        found += [Asked(board["uid"], "annotation", each["expr"], False) for each in board["annotations"]["list"]]
        for panel in panels(board):
            for target in panel.get("targets", ()):
                found.append(Asked(board["uid"], panel["title"], target["expr"], target["instant"]))
    return found


def filled(expr: str, **variables: str) -> str:
    """The expression as Grafana sends it; variables that are not named stand on All."""
    return re.sub(r"\$(\w+)", lambda found: (BUILTIN | variables).get(found[1], ".*"), expr)


@cache
def recorded() -> dict[str, str]:
    """What each recorded series is: it takes a rule's interval, up to a minute, until Prometheus has one."""
    groups = [g for path in sorted(RULES.glob("*.yml")) for g in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    return {
        rule["record"]: rule["expr"].strip() for group in groups for rule in group["rules"] if "record" in rule
    }


def spelled_out(expr: str) -> str:
    """With the definition of each recorded series in its place, however deep."""
    rules = recorded()
    while names := [name for name in re.findall(r"\bselfmis:[\w:]+", expr) if name in rules]:
        expr = re.sub(rf"{names[0]}(?![\w:])", f"({rules[names[0]]})", expr)
    return expr
