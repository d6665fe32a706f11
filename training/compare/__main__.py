"""`python -m training.compare`."""

from shared.command import run
from training.compare.command import main

if __name__ == "__main__":
    raise SystemExit(run(main))
