import re
from pathlib import Path

from training.revision import revision


def test_in_a_checkout_the_revision_is_named(tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9.]+(\+g[0-9a-f]+(\.dirty)?)?", revision())


def test_outside_a_checkout_the_version_is_all(tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9.]+", revision(tmp_path))
    assert re.fullmatch(r"[0-9.]+", revision(tmp_path / "absent"))
