"""The table of docs/scaling.md: what a plan says at each order of magnitude, from the costs that were measured."""

from collections.abc import Callable

from deploy.plan.costs import Costs
from deploy.plan.size import Plan, Ward, size
from shared.errors import SelfmisError

STRIDE_S = 5.0
_SIZES = (1_000, 10_000, 100_000, 500_000, 1_000_000, 10_000_000)
_FIRST = "| `selfmis plan --patients` |"
_ROWS: tuple[tuple[str, Callable[[Plan], float]], ...] = (
    (f"windows a second (stride {STRIDE_S:g} s)", lambda plan: plan.windows_per_s),
    ("replicas, a core each", lambda plan: plan.replicas),
    ("shards", lambda plan: plan.shards),
    ("commits a second, of one replica", lambda plan: plan.commits_per_s / plan.replicas),
    ("cores of Redis, worked", lambda plan: plan.redis_cores),
    ("Redis masters", lambda plan: plan.redis_masters),
    (f"memory of Redis, GB (horizon {Ward(1, 1).horizon_s:g} s)", lambda plan: plan.redis_memory_gb),
    ("into Redis, Gbit/s", lambda plan: plan.into_redis_gbit_s),
    ("out of Redis, one copy each, Gbit/s", lambda plan: plan.out_of_redis_gbit_s),
    ("append-only files, MB/s", lambda plan: plan.redis_disk_mb_s),
)


def refreshed(page: str, costs: Costs) -> str:
    """``page`` with its table as it follows from ``costs``; refuses a page without the table."""
    before, first, rest = page.partition(_FIRST)
    _, blank, after = rest.partition("\n\n")
    if not first or not blank:
        raise SelfmisError(f"docs/scaling.md has no table that begins with {_FIRST!r} and ends with a blank line")
    return before + "\n".join(_table(costs)) + blank + after


def _table(costs: Costs) -> list[str]:
    plans = [size(Ward(patients, STRIDE_S), costs) for patients in _SIZES]
    return [
        _FIRST + "".join(f" {patients:,} |" for patients in _SIZES),
        "|---|" + "---:|" * len(_SIZES),
        *(f"| {about} |" + "".join(f" {_number(said(plan))} |" for plan in plans) for about, said in _ROWS),
    ]


def _number(value: float) -> str:
    """Whole numbers as they are; others to two digits that count."""
    if isinstance(value, int) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}"
