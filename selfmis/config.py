"""`selfmis config`: the settings in force and where each value came from."""

import json
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from shared.command import Parser, run, settings_arguments
from shared.settings import load


def main(argv: Sequence[str]) -> int:
    """Print every setting, its value, its origin and what it is for; ``--json`` for programs."""
    parser = Parser(prog="selfmis config", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    rows = load(config=arguments.config, overrides=arguments.set).rows()
    if arguments.json:
        print(json.dumps({name: {"value": value, "from": origin} for name, value, origin, _ in rows}, indent=2))
        return 0
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("setting", "value", "from", "what it is"):
        table.add_column(heading, overflow="fold")  # on a narrow terminal a value takes two lines, it is never cut
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
