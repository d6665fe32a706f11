"""`selfmis config`: the settings in force and where each value came from."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from shared.artefact import ArtefactError, shipped, under, verify
from shared.command import Parser, run, settings_arguments
from shared.settings import Loaded, load


def main(argv: Sequence[str]) -> int:
    """Print every setting, its value, its origin and what it is for; ``--json`` for programs.

    A model's alarm rules take the place of the defaults: those of the shipped one, or of ``--model``.
    """
    parser = Parser(prog="selfmis config", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--model", type=Path, metavar="DIR", help="whose alarm rules; default: the shipped one's")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    rows = _monitored(load(config=arguments.config, overrides=arguments.set), arguments.model).rows()
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


def _monitored(loaded: Loaded, folder: Path | None) -> Loaded:
    """The settings as a monitor with that model follows them."""
    lead = loaded.settings.window.lead
    try:
        folder = folder or shipped(lead)
    except ArtefactError:  # for that lead none comes with the program
        return loaded
    rules = verify(folder, expect_lead=lead).alarm
    if rules is None:
        return loaded
    by_model = {f"alarm.{name}": f"model {folder.name}" for name in type(rules).model_fields}
    return Loaded(under(loaded.settings, rules), {**by_model, **loaded.origin})


if __name__ == "__main__":
    raise SystemExit(run(main))
