"""Which processes there are."""

import os
import subprocess
import sys

from shared.redis_local import process_exists


def test_a_process_that_only_waits_to_be_reaped_does_not_exist() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but left as a zombie
        assert not process_exists(child.pid)


def test_this_process_exists() -> None:
    assert process_exists(os.getpid())
