"""`python -m selfmis` is `selfmis`."""

from selfmis.cli import main

raise SystemExit(main())
