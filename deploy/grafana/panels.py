"""What a board is made of, in our terms: plain data that knows nothing of Grafana's JSON."""

from dataclasses import dataclass
from enum import StrEnum

API = 'job=~"$job",instance=~"$instance"'
"""Selects the API's series. Each address tells the same numbers: queries take the largest over `instance`."""
HALF, THIRD, QUARTER, SIXTH = 12, 8, 6, 4
"""Widths; a board has 24 columns."""
GREEN, YELLOW, RED = "green", "yellow", "red"


class Look(StrEnum):
    """How a panel shows its series, by the name of Grafana's panel."""

    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    COLUMNS = "barchart"
    HEAT = "heatmap"
    TABLE = "table"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression. ``now``: only its latest value is wanted; else its course over the board's time."""

    expr: str
    legend: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    ``about``: what it shows and when to worry. ``unit``: Grafana's name of it. ``steps``: from which value on
    which colour; below the first it is green. ``alerts``: names of alerts whose runbook is linked. ``text``: of a
    `TEXT`.
    """

    title: str
    about: str
    look: Look
    queries: tuple[Query, ...] = ()
    unit: str = "short"
    steps: tuple[tuple[float, str], ...] = ()
    alerts: tuple[str, ...] = ()
    width: int = THIRD
    height: int = 8
    stacked: bool = False
    top: float | None = None
    decimals: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a headline."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable of the board: ``name`` in queries, the values that ``label`` of ``metric`` takes."""

    name: str
    title: str
    about: str
    metric: str
    label: str
    many: bool = True


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. ``uid`` is in its address and never changes."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()
    span: str = "now-1h"
    refresh: str = "10s"

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.uid.removeprefix('selfmis-')}.json"


JOB = Choice("job", "Job", "Prometheus' job that scrapes the API.", "selfmis_redis_up", "job", many=False)
INSTANCE = Choice(
    "instance",
    "Instance",
    "Addresses of the API. All of them tell the same numbers.",
    'selfmis_redis_up{job=~"$job"}',
    "instance",
)


def number(title: str, about: str, expr: str, **more: object) -> Panel:
    """The latest value, large."""
    return _panel(title, about, Look.NUMBER, (Query(expr),), {"width": SIXTH, "height": 4} | more)


def lines(title: str, about: str, *queries: tuple[str, str], **more: object) -> Panel:
    """Courses over time; each query is an expression and the name of its series."""
    return _panel(title, about, Look.LINES, tuple(Query(expr, legend) for expr, legend in queries), more)


def heat(title: str, about: str, expr: str, **more: object) -> Panel:
    """Buckets of a histogram over time."""
    return _panel(title, about, Look.HEAT, (Query(expr, "{{le}}"),), {"width": HALF} | more)


def now(look: Look, title: str, about: str, *queries: tuple[str, str], **more: object) -> Panel:
    """Latest values side by side."""
    return _panel(title, about, look, tuple(Query(expr, legend, now=True) for expr, legend in queries), more)


def text(title: str, about: str, markdown: str, **more: object) -> Panel:
    """Words."""
    return _panel(title, about, Look.TEXT, (), {"text": markdown, "unit": ""} | more)


def once(expr: str) -> str:
    """The API's series, counted once however many of its addresses are scraped."""
    return f"max without (instance) ({expr})"


def rate(metric: str, selectors: str = "", over: str = "$__rate_interval") -> str:
    """How fast a counter of the API grows, a second."""
    return once(f"rate({metric}{{{','.join(filter(None, (selectors, API)))}}}[{over}])")


def value(metric: str, selectors: str = "") -> str:
    """A gauge of the API."""
    return once(f"{metric}{{{','.join(filter(None, (selectors, API)))}}}")


def quantile(share: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram of the API."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, sum by ({labels}) ({rate(f'{metric}_bucket')}))"


def _panel(title: str, about: str, look: Look, queries: tuple[Query, ...], more: dict[str, object]) -> Panel:
    return Panel(title, about, look, queries, **more)  # type: ignore[arg-type]  # names and types are Panel's own
