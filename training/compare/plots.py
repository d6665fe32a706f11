"""Pictures of a comparison as PNG: figures with intervals, types, shares of the labels, accuracy for its cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from shared.labels import MI_CODES
from training.compare.table import short_names
from training.evaluate.plots import Png, drawn

Row = dict[str, Any]
# Told apart with any colour vision, in print and on screen (Okabe and Ito, and more).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999999", "#000000")
_SHADES = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


def pictures(rows: Sequence[Row]) -> Mapping[str, Png]:
    """File names and contents; a picture that would show one point only is left out."""
    found = {"auroc.png": auroc_png(rows), "types.png": types_png(rows), "cost.png": cost_png(rows)}
    if len({row["labels"] for row in rows}) > 1:
        found["labels.png"] = labels_png(rows)
    return found


def auroc_png(rows: Sequence[Row]) -> Png:
    """Any-MI and the mean of six types of each row, with their intervals."""

    def draw(axes: Axes) -> None:
        for key, name, shift, colour in (
            ("any_mi", "any MI", -0.15, "black"), ("macro6", "mean of six types", 0.15, _COLOURS[1])
        ):  # fmt: skip
            _intervals(axes, [row[key] for row in rows], shift, colour, name)
        axes.set_yticks(range(len(rows)), short_names(rows), fontsize=8)
        axes.invert_yaxis()
        axes.axvline(0.5, color="#cccccc", linewidth=1)
        axes.set(xlabel="AUROC (95 %)", title="Comparison")
        axes.legend(fontsize=8)

    return drawn(draw, (8, 1.5 + 0.32 * len(rows)))


def types_png(rows: Sequence[Row]) -> Png:
    """AUROC by type, a mark a row; under each type its positives."""

    def draw(axes: Axes) -> None:
        names = short_names(rows)
        for number, (name, row) in enumerate(zip(names, rows, strict=True)):
            shift = 0.7 * ((number + 0.5) / len(rows) - 0.5)
            for place, code in enumerate(MI_CODES):
                value = row["types"][code]["auroc"]
                if value is not None:
                    axes.plot(
                        place + shift,
                        value,
                        marker=_SHADES[number // len(_COLOURS) % len(_SHADES)],
                        color=_COLOURS[number % len(_COLOURS)],
                        alpha=0.35 if row["types"][code]["few"] else 1.0,
                        linestyle="",
                        markersize=4,
                        label=name if place == 0 else None,
                    )
        counts = [rows[0]["types"][code]["positives"] for code in MI_CODES]
        ticks = [f"{code}\nn={count}" for code, count in zip(MI_CODES, counts, strict=True)]
        axes.set_xticks(range(len(MI_CODES)), ticks, fontsize=8)
        axes.axhline(0.5, color="#cccccc", linewidth=1)
        axes.set(ylabel="AUROC", title="By type (pale: too few to be judged alone)")
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))

    return drawn(draw, (11, 5))


def labels_png(rows: Sequence[Row]) -> Png:
    """The mean of six types over the share of the labels, a line for each arm and head."""

    def draw(axes: Axes) -> None:
        lines: dict[str, list[tuple[float, float]]] = {}
        for name, row in zip(short_names([{**row, "labels": 1.0} for row in rows]), rows, strict=True):
            if row["macro6"]["auroc"] is not None:
                lines.setdefault(name, []).append((row["labels"], row["macro6"]["auroc"]))
        for number, (name, points) in enumerate(lines.items()):
            x, y = zip(*sorted(points), strict=True)
            marker = _SHADES[number // len(_COLOURS) % len(_SHADES)]
            axes.plot(x, y, marker=marker, color=_COLOURS[number % len(_COLOURS)], label=name, linewidth=1)
        axes.set(xscale="log", xlabel="share of the labels", ylabel="AUROC, mean of six types", title="Few labels")
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))

    return drawn(draw, (9, 5))


def cost_png(rows: Sequence[Row]) -> Png:
    """The mean of six types over what a window costs to encode."""

    def draw(axes: Axes) -> None:
        for number, (name, row) in enumerate(zip(short_names(rows), rows, strict=True)):
            value = row["macro6"]["auroc"]
            if value is not None:
                marker = _SHADES[number // len(_COLOURS) % len(_SHADES)]
                colour = _COLOURS[number % len(_COLOURS)]
                axes.plot(row["cost"]["macs"] / 1e6, value, marker=marker, color=colour, linestyle="", label=name)
        axes.set(
            xscale="log", xlabel="MMAC a window", ylabel="AUROC, mean of six types", title="Accuracy and cost"
        )
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))

    return drawn(draw, (9, 5))


def _intervals(axes: Axes, found: Sequence[Row], shift: float, colour: str, name: str) -> None:
    for place, figure in enumerate(found):
        if figure["auroc"] is None:
            continue
        if figure["ci"] is not None:
            axes.plot(figure["ci"], [place + shift] * 2, color=colour, linewidth=1.2)
        label = name if place == 0 else None
        axes.plot(
            figure["auroc"], place + shift, marker="o", markersize=4, color=colour, linestyle="", label=label
        )
