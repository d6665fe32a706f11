"""One command at a time in a folder."""

from pathlib import Path

import pytest

from shared.errors import SelfmisError
from training.locked import LOCK, locked


def test_who_comes_second_is_told_and_who_comes_after_the_first_is_let_in(tmp_path: Path) -> None:
    with (
        locked(tmp_path, SelfmisError, taken="is taken"),
        pytest.raises(SelfmisError, match="is taken"),
        locked(tmp_path, SelfmisError, taken="is taken"),
    ):
        pass
    with locked(tmp_path, SelfmisError, taken="is taken"):
        assert (tmp_path / LOCK).exists()


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(SelfmisError, match=r"cannot write .*: No such file or directory"),
        locked(tmp_path / "absent", SelfmisError, taken="is taken"),
    ):
        pass
