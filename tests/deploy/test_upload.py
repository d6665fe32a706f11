"""What `--working-dir .` uploads, made by Ray's own packer: all that a job needs, and little else."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from ray._private.runtime_env.packaging import create_package  # what `ray job submit` itself calls

from tests.deploy.manifests import ROOT

MOST_BYTES = 2 << 20
PACKAGES = ("shared", "services", "training", "deploy", "selfmis")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("upload") / "package.zip"
    create_package(str(ROOT), made, include_gitignore=True)
    return made


def test_the_upload_is_small(package: Path) -> None:
    assert package.stat().st_size < MOST_BYTES


def test_the_upload_holds_every_module_and_no_test_no_data_no_history(package: Path) -> None:
    names = set(ZipFile(package).namelist())
    paths = {path.relative_to(ROOT) for part in PACKAGES for path in (ROOT / part).rglob("*.py")}
    # Boards are made by developers, not by jobs.
    assert {str(path) for path in paths if path.parts[:2] != ("deploy", "grafana")} <= names
    tops = {name.split("/")[0] for name in names}
    assert not tops & {"tests", "benchmarks", "docs", "var", "data", ".git", ".venv", "build", "dist"}
    assert [name for name in names if "__pycache__" in name] == []


def test_nothing_large_hides_in_the_upload(package: Path) -> None:
    largest = max(ZipFile(package).infolist(), key=lambda each: each.file_size)
    assert largest.file_size < 500_000, largest.filename
