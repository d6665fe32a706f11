"""Which processes there are."""

import os
import subprocess
import sys
import threading

from shared.redis.local import process_exists


def test_a_process_that_only_waits_to_be_reaped_does_not_exist() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but left as a zombie
        assert not process_exists(child.pid)


def test_this_process_exists() -> None:
    assert process_exists(os.getpid())


def test_a_process_that_ends_while_it_is_looked_at_does_not_exist() -> None:
    for _ in range(100):
        with subprocess.Popen(["true"]) as child:
            reaper = threading.Thread(target=child.wait)
            reaper.start()
            while process_exists(child.pid):
                pass
            reaper.join()
