"""Makes kubernetes.json anew from the PyPI package `kubernetes`, which is no dependency of ours; see README.md.

python -m tests.deploy.schemas.make tests/deploy/schemas/kubernetes.json
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

KINDS = {
    "v1/ConfigMap": "V1ConfigMap",
    "v1/Namespace": "V1Namespace",
    "v1/PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "v1/Secret": "V1Secret",
    "v1/Service": "V1Service",
    "v1/ServiceAccount": "V1ServiceAccount",
    "apps/v1/Deployment": "V1Deployment",
    "apps/v1/StatefulSet": "V1StatefulSet",
    "autoscaling/v2/HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
    "batch/v1/CronJob": "V1CronJob",
    "batch/v1/Job": "V1Job",
    "networking.k8s.io/v1/Ingress": "V1Ingress",
    "networking.k8s.io/v1/NetworkPolicy": "V1NetworkPolicy",
    "policy/v1/PodDisruptionBudget": "V1PodDisruptionBudget",
}
QUANTITY = r"^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$"
QUANTITIES = ("limits", "requests", "capacity")
WORDS = ("description", "title", "default")


def lean(node: Any, field: str = "") -> Any:
    """A schema without words and without null, which no manifest of ours says."""
    if isinstance(node, list):
        return [lean(each) for each in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: lean(schema, name) for name, schema in value.items()}
        elif key == "$ref":
            out[key] = value.replace("#/$defs/", "#/definitions/")
        elif key not in WORDS:
            out[key] = lean(value)
    options = [option for option in out.pop("anyOf", []) if option != {"type": "null"}]
    if options:
        out |= options[0] if len(options) == 1 else {"anyOf": options}
    if field in QUANTITIES and "additionalProperties" in out:
        out["additionalProperties"] = {"type": ["string", "number"], "pattern": QUANTITY}
    return out


def used(kinds: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions that the kinds lead to."""
    found: dict[str, Any] = {}
    pending = [kinds]
    while pending:
        node: Any = pending.pop()
        name = str(node.get("$ref", "")).rpartition("/")[2] if isinstance(node, dict) else ""
        if name and name not in found:
            found[name] = definitions[name]
            pending.append(found[name])
        pending += [n for n in (node.values() if isinstance(node, dict) else node) if isinstance(n, dict | list)]
    return dict(sorted(found.items()))


def main(to: Path) -> None:
    """Write the schemas."""
    models = importlib.import_module("kubernetes.client.models")
    kinds, definitions = {}, {}
    for kind, model in KINDS.items():
        schema = getattr(models, model).model_json_schema(by_alias=True)
        definitions |= {name: lean(each) for name, each in schema.pop("$defs", {}).items()}
        definitions[model] = lean(schema)
        kinds[kind] = {"$ref": f"#/definitions/{model}"}
    for each in definitions.values():  # what the cluster says, not we
        if "spec" in each.get("properties", {}):
            each["properties"].pop("status", None)
    made = {"kinds": kinds, "definitions": used(kinds, definitions)}
    to.write_text(json.dumps(made, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
