"""`python -m deploy.demo` is `selfmis demo`."""

from deploy.demo.command import main
from shared.command import run

raise SystemExit(run(main))
