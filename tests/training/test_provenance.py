import subprocess
from pathlib import Path

from training.provenance import revision, versions


def test_a_stated_revision_wins() -> None:
    assert revision(environ={"SELFMIS_REVISION": "v1.2"}) == "v1.2"


def test_without_git_the_revision_is_unknown(tmp_path: Path) -> None:
    assert revision(tmp_path, environ={}) == "unknown"


def test_a_changed_tree_is_called_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-m", "first")
    clean = revision(tmp_path, environ={})
    (tmp_path / "file").write_text("b")
    assert len(clean) == 40
    assert revision(tmp_path, environ={}) == f"{clean}-dirty"


def test_versions_name_what_decides_a_number() -> None:
    assert {"python", "torch", "ray", "numpy"} <= versions().keys()
