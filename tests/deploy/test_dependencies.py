"""docs/dependencies.md is what the lock says."""

from pathlib import Path

from deploy.dependencies import LOCK, PAGE, Package, licence_of, locked, packages, page

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_names_every_locked_package_at_its_version() -> None:
    lock = (ROOT / LOCK).read_text(encoding="utf-8")
    rows = [
        line.split(" | ") for line in (ROOT / PAGE).read_text(encoding="utf-8").splitlines() if line[:2] == "| "
    ]
    assert [(row[0][2:], row[1]) for row in rows[1:]] == locked(lock)


def test_a_licence_that_binds_is_named_apart() -> None:
    found = [Package("a", "1", "MIT"), Package("b", "2", "LGPL-3.0-or-later"), Package("c", "3", "")]
    assert [package.permissive for package in found] == [True, False, False]
    assert "- **b** LGPL-3.0-or-later\n- **c** (not stated)" in page(found)


def test_an_installed_package_states_its_licence() -> None:
    (package,) = packages("numpy==0  # any version")
    assert "BSD" in package.licence
    assert licence_of.__doc__
