"""`python -m benchmarks.faults.serving URL MODEL REPLICAS PORT SETTINGS_JSON`: Ray and the Serve application.

A local Ray of its own, as `selfmis demo` starts one. When its raylet or its GCS has died nothing can be mended
from inside: it ends, and whoever runs it starts it again, as a service manager does with a Ray node.
"""

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

import psutil

from deploy.app import Arguments
from deploy.local import local_serve
from shared.command import ANSWER_IS_NO, DONE, run

NEEDED = frozenset({"raylet", "gcs_server"})
LOOK_S = 0.5


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM, or until Ray is broken."""
    url, model, replicas, port, settings = argv
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    arguments = Arguments(model=model, redis_url=url, settings=json.loads(settings))
    with local_serve(arguments, replicas=int(replicas), host="127.0.0.1", port=int(port), environ={}):
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        while not stop.wait(LOOK_S):
            if not whole():
                print("Ray has lost a process that it cannot be without", file=sys.stderr)
                # Its own way out asks those that are gone; the keepers of its processes end the rest.
                os._exit(ANSWER_IS_NO)
    return DONE


def whole() -> bool:
    """Whether raylet and GCS run."""
    names = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                names.add(process.name())
        except psutil.NoSuchProcess:
            continue
    return names >= NEEDED


if __name__ == "__main__":
    raise SystemExit(run(main))
