"""`python -m training.export`."""

from shared.command import run
from training.export.command import main

if __name__ == "__main__":
    raise SystemExit(run(main))
