"""``python -m training.prepare``, as ``ray job submit`` calls it."""

from shared.command import run
from training.prepare.command import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(run(main))
