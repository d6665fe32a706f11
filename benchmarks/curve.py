"""Several levels of load side by side: lists for programs, one picture for people."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.load import Level

Png = bytes
_FEWEST = 2  # levels that a line goes through
_COLOURS = {"ingest": "#56B4E9", "Redis": "#D55E00", "monitor": "#0072B2", "model": "#999999"}


def curve(levels: Sequence[Level]) -> dict[str, object]:
    """Lists in the order of patients, and what a window costs among most of them over what it does among fewest.

    A ratio of 1 is a flat cost; below 1 a window among many is cheaper than one among few.
    """
    ordered = sorted(levels, key=lambda each: each.patients)
    first, last = ordered[0].costs, ordered[-1].costs
    return {
        "curve_patients": [each.patients for each in ordered],
        "curve_held": [each.held for each in ordered],
        "curve_cores_used": [round(each.cores_used, 3) for each in ordered],
        "curve_overhead_us": [round(each.costs.overhead_us_per_window, 1) for each in ordered],
        "curve_model_us": [round(each.costs.model_us, 1) for each in ordered],
        "curve_p50_latency_s": [round(each.p50_latency_s, 3) for each in ordered],
        "curve_p99_latency_s": [round(each.p99_latency_s, 3) for each in ordered],
        "curve_rss_mb": [round(each.rss_mb) for each in ordered],
        "curve_redis_rss_mb": [round(each.redis_rss_mb) for each in ordered],
        "curve_ingest_rss_mb": [round(each.ingest_rss_mb) for each in ordered],
        "cost_last_over_first": last.overhead_us_per_window / first.overhead_us_per_window,
    }


def turn_us(levels: Sequence[Level], shards: int) -> dict[str, object]:
    """What each turn of a shard costs (a step's entry, read and commit), however few windows it brings.

    A line through the levels held: a window costs so much, and its part of a turn. Empty where no two are held.
    """
    held = [each for each in levels if each.held]
    if len({each.patients for each in held}) < _FEWEST:
        return {}
    turns_per_window = [each.steps_per_s * shards / each.windows_per_s for each in held]
    slope, _ = np.polyfit(turns_per_window, [each.costs.overhead_us_per_window for each in held], 1)
    return {"turn_us": float(slope)}


def picture(levels: Sequence[Level], limit_s: float) -> Png:
    """Cores, cost of a window, latency and memory over the number of patients; levels not held are marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - a second that most runs need not
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - as above

    ordered = sorted(levels, key=lambda each: each.patients)
    patients = [each.patients for each in ordered]
    figure = Figure(figsize=(10, 7), dpi=110, layout="tight")
    FigureCanvasAgg(figure)
    (cores, cost), (latency, memory) = figure.subplots(2, 2)
    _cores(cores, ordered, patients)
    _cost(cost, ordered, patients)
    latency.plot(patients, [each.p99_latency_s for each in ordered], "o-", color="#0072B2", label="p99")
    latency.plot(patients, [each.p50_latency_s for each in ordered], "o-", color="#56B4E9", label="median")
    latency.axhline(limit_s, color="#D55E00", linestyle="--", label="limit")
    failed = [each for each in ordered if not each.held]
    latency.plot(
        [each.patients for each in failed],
        [each.p99_latency_s for each in failed],
        "x",
        color="#D55E00",
        markersize=12,
        label="not held",
    )
    latency.set(title="Last sample to commit", ylabel="s", yscale="log")
    for name, values in (
        ("monitor", [each.rss_mb for each in ordered]),
        ("Redis", [each.redis_rss_mb for each in ordered]),
        ("ingest", [each.ingest_rss_mb for each in ordered]),
    ):
        memory.plot(patients, values, "o-", color=_COLOURS[name], label=name)
    memory.set(title="Memory", ylabel="MB")
    for axes in (cores, cost, latency, memory):
        axes.set_xlabel("patients")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.legend(fontsize=8)
        axes.grid(color="#eeeeee")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _parts(level: Level) -> dict[str, float]:
    """Microseconds of a window by process; the model's are of the monitor."""
    costs = level.costs
    return {
        "ingest": costs.ingest_us,
        "Redis": costs.redis_us,
        "monitor": costs.monitor_us,
        "model": costs.model_us,
    }


def _cores(axes: Any, ordered: Sequence[Level], patients: Sequence[int]) -> None:
    stacks = [[_parts(each)[name] * each.windows_per_s / 1e6 for each in ordered] for name in _COLOURS]
    axes.stackplot(patients, *stacks, colors=list(_COLOURS.values()), labels=list(_COLOURS))
    axes.set(title="Processor time", ylabel="cores")


def _cost(axes: Any, ordered: Sequence[Level], patients: Sequence[int]) -> None:
    for name, colour in _COLOURS.items():
        axes.plot(patients, [_parts(each)[name] for each in ordered], "o-", color=colour, label=name)
    axes.plot(
        patients,
        [each.costs.overhead_us_per_window for each in ordered],
        "o-",
        color="black",
        label="all but the model",
    )
    axes.set(title="Cost of a window", ylabel="µs of processor time", ylim=(0, None))
