"""Reading the Kubernetes manifests: documents, what kustomize makes of them, the schemas they are held to."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

Document = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
SCHEMAS = Path(__file__).resolve().parent / "schemas"
ROOTS = ("overlays/small", "overlays/ha", "training")
KUSTOMIZE = "kustomization.yaml"


@cache
def validator(kind: str) -> Draft202012Validator:
    """Of ``apiVersion/kind``."""
    made = json.loads((SCHEMAS / "kubernetes.json").read_text(encoding="utf-8"))
    own = yaml.safe_load((SCHEMAS / "custom.yaml").read_text(encoding="utf-8"))
    kinds = made["kinds"] | own["kinds"]
    if kind not in kinds:
        raise KeyError(f"no schema of {kind}: tests/deploy/schemas")
    return Draft202012Validator(kinds[kind] | {"definitions": made["definitions"] | own["definitions"]})


def faults(document: Document) -> list[str]:
    """What is wrong with a document, each as ``kind/name: place: what``."""
    kind = f"{document['apiVersion']}/{document['kind']}"
    name = f"{document['kind']}/{document['metadata']['name']}"
    return [
        f"{name}: {'.'.join(str(step) for step in error.absolute_path)}: {error.message[:200]}"
        for error in validator(kind).iter_errors(document)
    ]


def documents(path: Path) -> list[Document]:
    """Of one file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each is not None]


def resource_files() -> list[Path]:
    """Every file that a kustomization lists as a resource."""
    found = []
    for kustomization in sorted(KUBERNETES.rglob(KUSTOMIZE)):
        (said,) = documents(kustomization)
        found += [kustomization.parent / r for r in said.get("resources", []) if r.endswith(".yaml")]
    return found


@cache
def rendered(root: str) -> list[Document]:
    """What ``kubectl kustomize`` makes of a folder; skips where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is absent: what kustomize makes of the manifests is not tested")
    done = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES / root)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each is not None]


def pods(document: Document) -> Iterator[tuple[str, Document]]:
    """Every pod template in a document, with its place."""

    def walk(node: Any, place: str) -> Iterator[tuple[str, Document]]:
        if isinstance(node, dict):
            if isinstance(node.get("spec"), dict) and "containers" in node["spec"]:
                yield place, node
                return
            for key, value in node.items():
                yield from walk(value, f"{place}.{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                yield from walk(value, f"{place}[{number}]")

    yield from walk(document, f"{document['kind']}/{document['metadata']['name']}")


def all_pods(root: str) -> list[tuple[str, Document]]:
    """Every pod template of a rendered folder."""
    return [pod for document in rendered(root) for pod in pods(document)]


def named(root: str, kind: str, name: str) -> Document:
    """One document of a rendered folder."""
    (found,) = [d for d in rendered(root) if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def matches(selector: Document, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions), "only In is understood here"
    return wanted and all(labels.get(each["key"]) in each["values"] for each in expressions)
