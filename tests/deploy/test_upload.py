"""What `--working-dir .` uploads, made by Ray's own packer: all that a job needs, and little else."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from ray._private.runtime_env.packaging import create_package  # what `ray job submit` itself calls

from shared.artefact import verify
from tests.deploy.manifests import ROOT

MOST_BYTES = 2 << 20
MOST_BYTES_OF_MODELS = 16 << 20
PACKAGES = ("shared", "services", "training", "deploy", "selfmis")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("upload") / "package.zip"
    create_package(str(ROOT), made, include_gitignore=True)
    return made


def test_the_upload_is_small(package: Path) -> None:
    parts = ZipFile(package).infolist()
    models = sum(part.file_size for part in parts if part.filename.startswith("models/"))
    assert sum(part.file_size for part in parts) - models < MOST_BYTES
    assert models < MOST_BYTES_OF_MODELS


def test_the_upload_holds_the_shipped_models_whole(package: Path, tmp_path: Path) -> None:
    ZipFile(package).extractall(tmp_path)
    folders = sorted(path.name for path in (ROOT / "models").iterdir())
    assert folders
    for name in folders:
        verify(tmp_path / "models" / name)


def test_the_upload_holds_every_module_and_no_test_no_data_no_history(package: Path) -> None:
    names = set(ZipFile(package).namelist())
    paths = {path.relative_to(ROOT) for part in PACKAGES for path in (ROOT / part).rglob("*.py")}
    # Boards are made by developers, not by jobs.
    assert {str(path) for path in paths if path.parts[:2] != ("deploy", "grafana")} <= names
    tops = {name.split("/")[0] for name in names}
    assert not tops & {"tests", "benchmarks", "docs", "var", "data", ".git", ".venv", "build", "dist"}
    assert [name for name in names if "__pycache__" in name] == []


def test_nothing_large_hides_in_the_upload(package: Path) -> None:
    parts = [part for part in ZipFile(package).infolist() if not part.filename.startswith("models/")]
    largest = max(parts, key=lambda each: each.file_size)
    assert largest.file_size < 500_000, largest.filename
