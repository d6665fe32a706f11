"""`python -m training.probe`."""

from shared.command import run
from training.probe.command import main

if __name__ == "__main__":
    raise SystemExit(run(main))
