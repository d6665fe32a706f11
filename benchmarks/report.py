"""How every benchmark speaks: a table for people and, with ``--json FILE`` or ``--json -``, one flat object."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from shared.errors import SelfmisError

Figures = Mapping[str, object]


def json_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a benchmark."""
    parser.add_argument("--json", metavar="FILE", help="also write the figures as one JSON object; - for stdout")


def present(title: str, figures: Figures, json_to: str | None) -> None:
    """Print the figures as a table and write them where ``--json`` says; with ``-`` the table goes to stderr."""
    table = Table("figure", "value", title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console(stderr=json_to == "-").print(table)
    if json_to is not None:
        write_json(figures, json_to)


def write_json(figures: Figures, json_to: str) -> None:
    """One JSON object into a file; ``-``: to stdout."""
    if json_to == "-":
        json.dump(figures, sys.stdout, indent=2)
        print()
        return
    try:
        Path(json_to).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SelfmisError(f"cannot write {json_to}: {error.strerror}") from None
