"""`python -m benchmarks.faults.measured MB_PER_H MODULE …`: a service whose memory is measured.

Python keeps up to 2,000 freed tuples of each length up to 20 for later (some 4 MB), and gives them back only at a
full collection, to which a loop that makes no cycles comes every ten minutes or so. Until these lists are full, a
process grows although nothing stays; so here there is a full collection every few seconds. ``MB_PER_H``: so much
it grows on purpose, for anybody to see the verdict of a soak fail.
"""

import gc
import importlib
import threading
from collections.abc import Sequence

from shared.command import run

LEAK_EVERY_S = 1.0
COLLECT_EVERY = 20  # leaks


def main(argv: Sequence[str]) -> int:
    """Be the module, with a thread beside it."""
    mb_per_h, module, *rest = argv
    portion = round(float(mb_per_h) * 1e6 / 3600 * LEAK_EVERY_S)
    threading.Thread(target=_beside, args=(portion,), name="measured", daemon=True).start()
    code: int = importlib.import_module(module).main(rest)
    return code


def _beside(portion: int) -> None:
    kept: list[bytes] = []
    wait, rounds = threading.Event(), 0
    while not wait.wait(LEAK_EVERY_S):
        rounds += 1
        if portion:
            kept.append(b"\1" * portion)
        if rounds % COLLECT_EVERY == 0:
            gc.collect()


if __name__ == "__main__":
    raise SystemExit(run(main))
