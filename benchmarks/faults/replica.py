"""`python -m benchmarks.faults.replica URL NAME MODEL [section.key=value …]`: a plain Monitor replica, no Ray.

Ends with 1 when its loop is dead or hangs, as Serve would replace it; gives its shards back on SIGTERM.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import LoopDead, Worker
from shared.artefact import load as load_model
from shared.command import ANSWER_IS_NO, DONE, run
from shared.settings import load

CHECK_S = 1.0
STOP_S = 10.0


def main(argv: Sequence[str]) -> int:
    """Pull until SIGTERM."""
    url, name, model, *overrides = argv
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load(environ={}, overrides=overrides).settings
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine = open_engine(load_model(model), settings.engine)
    worker = Worker(PullLoop(url, settings, f"{name}-{os.getpid()}", engine))
    worker.start()
    while not stop.wait(CHECK_S):
        try:
            worker.check()
        except LoopDead as death:
            print(death, file=sys.stderr)
            # Not `exit`: a hanging thread of the loop must not hold up the end.
            os._exit(ANSWER_IS_NO)
    worker.stop(STOP_S)
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
