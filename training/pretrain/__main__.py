"""`python -m training.pretrain …`, for `ray job submit`; the same as `selfmis pretrain …`."""

from shared.command import run
from training.pretrain.command import main

raise SystemExit(run(main))
