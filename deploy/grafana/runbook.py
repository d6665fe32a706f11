"""What to do on each alert, in Grafana: the sections of docs/operations.md, so that there is one text of it."""

import re
from pathlib import Path

from deploy.grafana.panels import HALF, Board, Row, text

DOC = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
HEADLINE = "## What to do on each alert"
_SECTION = re.compile(r"^### (Selfmis\w+)\n+(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#]*)[^)]*\)")
UID = "selfmis-runbook"


def sections(document: str) -> dict[str, str]:
    """Markdown of each alert's section by its name, in the document's order. Links into docs become file names."""
    _, _, told = document.partition(HEADLINE)
    return {name: _LINK.sub(_named, body).strip() for name, body in _SECTION.findall(told)}


def _named(link: re.Match[str]) -> str:
    words, file = link.groups()
    return f"{words} (docs/{file})" if file and file != words else f"docs/{words}" if file else words


def board(document: str) -> Board:
    """One panel for each alert."""
    panels = tuple(
        text(name, f"What to do when {name} fires; from docs/operations.md.", words, width=HALF)
        for name, words in sections(document).items()
    )
    return Board(
        UID,
        "SelfMIS: Runbook",
        "What to do on each alert. Made from docs/operations.md.",
        (Row("What to do on each alert", panels),),
        refresh="1h",
    )


def panel_ids(document: str) -> dict[str, int]:
    """The id of each alert's panel on that board: ids are given in order, and the row's headline has the first."""
    return {name: 2 + place for place, name in enumerate(sections(document))}
