"""`python -m training.finetune`."""

from shared.command import run
from training.finetune.command import main

if __name__ == "__main__":
    raise SystemExit(run(main))
