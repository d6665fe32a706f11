"""The demo's live view in a terminal: how the ward does, what the latest alarms are, where to look further."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

NOTICE = "Research use only. Not a medical device."
COLOURS = {"high": "bold white on red", "medium": "bold black on yellow", "low": "bold black on cyan"}


@dataclass(frozen=True, slots=True)
class Now:
    """What the view shows; read from what is committed."""

    url: str
    model: str
    trained_on: str
    seconds: float
    patients: int
    windows: int
    windows_per_s: float
    latency_p99_s: float | None
    shards: int
    owned: int
    alarms: Mapping[str, int]
    alerts: Sequence[Mapping[str, Any]]


def line(now: Now) -> str:
    """One line, where there is no terminal."""
    return (
        f"{now.seconds:4.0f} s · {now.patients} patients · {now.windows:,} windows ({now.windows_per_s:.0f}/s) ·"
        f" p99 {_seconds(now.latency_p99_s)} · shards {now.owned}/{now.shards} ·"
        f" MI alarms {now.alarms.get('mi', 0)}, technical {now.alarms.get('technical', 0)}"
    )


def panel(now: Now) -> RenderableType:
    """The whole view."""
    head = Text.assemble(
        ("SelfMIS Monitor  ", "bold"),
        (NOTICE, "yellow"),
        f"\n{line(now)}\nmodel {now.model}, trained on {now.trained_on}\nward console (and API) ",
        (now.url, "underline"),
        "  ·  Ctrl-C ends the demo",
    )
    table = Table("time", "patient", "alarm", "priority", "type", "any-MI", box=box.SIMPLE_HEAD, expand=False)
    for alert in now.alerts:
        moment = datetime.fromtimestamp(alert["time_us"] / 1e6, UTC).strftime("%H:%M:%S")
        scores = alert.get("evidence") or alert.get("scores")
        priority = alert["priority"]
        table.add_row(
            moment,
            alert["patient"] or "(many)",  # a whole source, see docs/alarms.md
            f"{alert['kind']} {alert['transition']}",
            Text(f" {priority} ", style=COLOURS.get(priority, "")),
            alert["type"],
            f"{scores['MI']:.2f}" if scores else "",
        )
    return Group(head, table)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"≤ {value:g} s"
