"""Prometheus' rules and Grafana's boards as Kubernetes wants them, made from the files that everybody else uses.

    python -m deploy.prometheus_rule

writes the monitoring component of `deploy/kubernetes`: kustomize can neither make a PrometheusRule of a rule file
nor list a folder. A test compares, so that neither can be forgotten.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from shared.command import DONE, Parser, run

DEPLOY = Path(__file__).resolve().parent
RULES, BOARDS = DEPLOY / "prometheus" / "rules", DEPLOY / "grafana"
COMPONENT = DEPLOY / "kubernetes" / "components" / "monitoring"
MADE = "# Made by `python -m deploy.prometheus_rule`.\n"
ABOUT = """\
# For the Prometheus operator and a Grafana whose sidecar looks for labelled ConfigMaps (kube-prometheus-stack).
"""


def prometheus_rule(rules: Path) -> dict[str, Any]:
    """The resource: all groups of all files, in order of their names."""
    files = sorted(path for path in rules.glob("*.y*ml")) if rules.is_dir() else []
    groups = [
        group for path in files for group in yaml.safe_load(path.read_text(encoding="utf-8")).get("groups") or []
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "selfmis"},
        "spec": {"groups": groups},
    }


def boards(folder: Path) -> list[str]:
    """The dashboards' files by path below the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json")) if folder.is_dir() else []


def files(rules: Path, grafana: Path) -> dict[Path, str]:
    """What is to stand in which file."""
    found = boards(grafana)
    resources = ["scraping.yaml", "network-policies.yaml", "rules.yaml"]
    component: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    component["resources"] = resources + ["../../../grafana"] * bool(found)
    made = {
        COMPONENT / "rules.yaml": MADE + _dumped(prometheus_rule(rules)),
        COMPONENT / "kustomization.yaml": MADE + ABOUT + _dumped(component),
    }
    if found:
        made[grafana / "kustomization.yaml"] = MADE + _dumped(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "configMapGenerator": [
                    {
                        "name": f"selfmis-board-{Path(each).stem.lower().replace('_', '-')}",
                        "files": [f"selfmis-{Path(each).name}={each}"],
                    }
                    for each in found
                ],
                "generatorOptions": {"labels": {"grafana_dashboard": "1"}, "disableNameSuffixHash": True},
            }
        )
    return made


def main(argv: Sequence[str]) -> int:
    """Write the files anew from deploy/prometheus/rules and deploy/grafana."""
    Parser(prog="python -m deploy.prometheus_rule", description=main.__doc__).parse_args(argv)
    for path, text in files(RULES, BOARDS).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DEPLOY.parent))
    return DONE


def _dumped(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=115, allow_unicode=True)


if __name__ == "__main__":
    raise SystemExit(run(main))
