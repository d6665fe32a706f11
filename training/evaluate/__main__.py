"""`python -m training.evaluate`."""

from shared.command import run
from training.evaluate.command import main

if __name__ == "__main__":
    raise SystemExit(run(main))
