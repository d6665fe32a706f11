"""What more workers bring, as a picture."""

import re

from matplotlib.axes import Axes

from benchmarks.report import Figures
from training.evaluate.plots import Png, drawn


def scaling_png(figures: Figures) -> Png:
    """Records/s by workers, beside as many independent loops, from the figures of `selfmis bench train`."""

    def draw(axes: Axes) -> None:
        for name, one, many in (
            ("independent plain loops", "plain_records_per_s", "plain_loops_{}_records_per_s"),
            ("workers of one run", "ray_records_per_s", "workers_{}_records_per_s"),
        ):
            counts = [1, *worker_counts(figures)]
            names = [one, *(many.format(count) for count in counts[1:])]
            axes.plot(counts, [float(str(figures[each])) for each in names], marker="o", label=name)
        axes.set_xticks(counts)
        axes.set_ylim(bottom=0)
        axes.set(xlabel="one thread each", ylabel="records/s", title="Training")
        axes.legend(fontsize=8)

    return drawn(draw, (5, 3.5))


def worker_counts(figures: Figures) -> list[int]:
    """For how many workers there are figures, ascending."""
    found = (re.fullmatch(r"workers_(\d+)_records_per_s", name) for name in figures)
    return sorted(int(match[1]) for match in found if match)
