"""A Ray of our own: what it leaves behind, and what of others it touches."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deploy import ray_keeper
from deploy.local import LocalError, _folder, free
from tests.waiting import until


def test_the_folder_of_a_killed_run_is_removed_by_the_next_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    killed, living, other = (tmp_path / f"selfmis-ray-{who}" for who in (f"{dead.pid}-a", f"{os.getpid()}-b", "x"))
    for each in (killed, living, other):
        (each / "session").mkdir(parents=True)
    with _folder() as folder:
        assert Path(folder).parent == tmp_path
        assert [each.exists() for each in (killed, living, other)] == [False, True, True]
    assert not Path(folder).exists()


def test_a_keeper_ends_who_holds_a_file_of_its_folder_and_nobody_else(tmp_path: Path) -> None:
    mine, near = tmp_path / "ray", tmp_path / "ray-other"
    sleepers = []
    for folder in (mine, near):
        folder.mkdir()
        with (folder / "log").open("wb") as log:
            sleepers.append(subprocess.Popen(["sleep", "60"], stdout=log))
    until(lambda: ray_keeper.processes_of(str(mine)) == [sleepers[0].pid], "the one that holds a file")
    keeper = subprocess.Popen([sys.executable, "-I", ray_keeper.__file__, str(mine)], stdin=subprocess.PIPE)
    assert [each.poll() for each in sleepers] == [None, None]
    keeper.communicate(timeout=ray_keeper.PATIENCE_S + 20)
    assert sleepers[0].wait(10) == -9
    assert sleepers[1].poll() is None
    sleepers[1].kill()
    sleepers[1].wait()


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LocalError, match="choose another with --port"):
            free("127.0.0.1", taken.getsockname()[1])
