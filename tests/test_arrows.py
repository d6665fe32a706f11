"""Who may import whom (DESIGN section 2): arrows point one way, and the roof is imported by nobody."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("shared", "services.ingest", "services.inference", "training", "deploy", "benchmarks", "selfmis")
MAY_IMPORT: dict[str, set[str]] = {
    "shared": set(),
    "services.ingest": {"shared"},
    "services.inference": {"shared"},
    "training": {"shared"},
    "deploy": {"shared", "services.ingest", "services.inference", "training"},
    "benchmarks": {"shared", "services.ingest", "services.inference", "training", "deploy"},
    "selfmis": {"shared", "services.ingest", "services.inference", "training", "deploy", "benchmarks"},
}
NOT_IN_SHARED = {"ray"}


def part_of(module: str) -> str | None:
    """The part of ours that a dotted name belongs to, if any."""
    return next((part for part in PARTS if module == part or module.startswith(f"{part}.")), None)


def imported(source: str, package: str) -> set[str]:
    """Every dotted name that a module imports, anywhere in it, relative imports resolved."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def forbidden(source: str, module: str) -> set[str]:
    """What ``module`` imports although no arrow allows it."""
    own = part_of(module)
    wrong = set()
    for name in imported(source, module.rpartition(".")[0]):
        part = part_of(name)
        if own is not None and part is not None and part != own and part not in MAY_IMPORT[own]:
            wrong.add(name)
        if own == "shared" and name.partition(".")[0] in NOT_IN_SHARED:
            wrong.add(name)
    return wrong


MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for part in ("shared", "services", "training", "deploy", "benchmarks", "selfmis")
    for path in (ROOT / part).rglob("*.py")
)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_along_the_arrows(module: str) -> None:
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    assert forbidden(path.read_text(encoding="utf-8"), module) == set()


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from services.ingest import sender", "shared.frames"),
        ("import ray.train", "shared.frames"),
        ("import training.pretrain", "services.inference.engine"),
        ("from services import inference", "services.ingest.sender"),
        ("def f():\n    from selfmis import cli", "benchmarks.codec"),
        ("from ..inference import windows", "services.ingest.sender"),
        ("from deploy import local", "training.pretrain"),
        ("import benchmarks.codec", "deploy.local"),
    ],
)
def test_a_forbidden_import_is_found(source: str, module: str) -> None:
    assert forbidden(source, module)


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from shared.frames import decode", "services.inference.windows"),
        ("from . import source", "services.ingest.sender"),
        ("import services.ingest.sender", "deploy.demo"),
        ("import shared, numpy, ray", "training.pretrain"),
    ],
)
def test_an_allowed_import_is_not_reported(source: str, module: str) -> None:
    assert forbidden(source, module) == set()


def test_there_are_modules_to_check() -> None:
    assert {part_of(module) for module in MODULES} >= set(PARTS)
