"""Pictures of a result as PNG: ROC curves, reliability, and a map of the embeddings. Needs no display."""

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from shared.labels import ANY_MI, MI_CODES, SCORE_NAMES
from training.evaluate.figures import is_few
from training.evaluate.scored import Floats, Scored
from training.metrics import auroc, reliability, roc_curve
from training.metrics.reliability import BINS

Png: TypeAlias = bytes

_DPI = 120
_POINTS = 4000  # of a map; more would only hide one another
# Told apart with any colour vision, in print and on screen (Okabe and Ito, and one more); any-MI is black.
_COLOURS = ("#D55E00", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#CC79A7", "#882255", "#999999")


def roc_png(scored: Scored) -> Png:
    """A curve for any-MI and each type, of the first replicate; types with too few positives are dashed."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1)
        for name in (ANY_MI, *MI_CODES):
            i = SCORE_NAMES.index(name)
            label, score = scored.labels[:, i], scored.probabilities[0, :, i]
            positives = int(label.sum())
            if not 0 < positives < len(label):
                continue
            area = float(auroc(score, label))
            few = is_few(name, positives)
            axes.plot(
                *roc_curve(score, label),
                color=_COLOURS[MI_CODES.index(name)] if name != ANY_MI else "black",
                linewidth=2.5 if name == ANY_MI else 1.2,
                linestyle=":" if few else "-",
                label=f"{'any MI' if name == ANY_MI else name} {area:.2f} (n={positives}{', few' if few else ''})",
            )
        axes.set(xlabel="1 − specificity", ylabel="sensitivity", title="ROC", xlim=(0, 1), ylim=(0, 1.01))
        axes.set_aspect("equal")
        axes.legend(loc="lower right", fontsize=7)

    return drawn(draw, (6, 6))


def reliability_png(scored: Scored) -> Png:
    """Observed share against predicted probability of any-MI, and how many records each bin has."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1)
        counts = axes.twinx()
        for number, probability in enumerate(scored.probabilities[:, :, -1]):
            found = reliability(probability, scored.labels[:, -1])
            axes.plot(found.predicted, found.observed, marker="o", color=_COLOURS[number % len(_COLOURS)])
            if number == 0:
                middle = (np.arange(BINS) + 0.5) / BINS
                counts.bar(middle, found.weight, width=0.9 / BINS, color="#56B4E9", alpha=0.3)
        counts.set_ylabel("records")
        axes.set(
            xlabel="predicted probability of any MI",
            ylabel="observed share",
            title="Reliability",
            xlim=(0, 1),
            ylim=(0, 1),
        )

    return drawn(draw, (6, 5))


def map_png(embeddings: Floats, labels: Floats) -> Png:
    """The two directions in which the embeddings differ most, coloured by finding."""
    if len(embeddings) > _POINTS:
        chosen = np.random.default_rng(0).permutation(len(embeddings))[:_POINTS]
        embeddings, labels = embeddings[chosen], labels[chosen]
    places, share = principal(embeddings)

    def draw(axes: Axes) -> None:
        types = labels[:, :-1]
        groups = [
            ("no MI", ~types.any(axis=1), "#bbbbbb"),
            ("IMI", types[:, 0] > 0, _COLOURS[0]),
            ("ASMI", types[:, 1] > 0, _COLOURS[5]),
            ("other MI", types.any(axis=1) & ~types[:, :2].any(axis=1), _COLOURS[3]),
        ]
        for name, inside, colour in groups:
            x, y = places[inside].T
            axes.scatter(x, y, s=6, color=colour, alpha=0.7, linewidths=0, label=name)
        axes.set(
            xlabel=f"first component ({share[0]:.0%} of the variance)",
            ylabel=f"second component ({share[1]:.0%})",
            title="Embeddings",
        )
        axes.legend(fontsize=8)

    return drawn(draw, (6, 5))


def principal(embeddings: Floats) -> tuple[Floats, Floats]:
    """The first two principal components (n × 2) and their shares of the variance; signs are fixed."""
    centred = np.asarray(embeddings, np.float64) - np.mean(embeddings, axis=0, dtype=np.float64)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    values, directions = np.r_[values, 0.0, 0.0], np.vstack([directions, np.zeros((2, centred.shape[1]))])
    signs = np.sign(directions[np.arange(2), np.abs(directions[:2]).argmax(axis=1)])
    total = max(float(np.square(values).sum()), 1e-30)
    places: Floats = centred @ (directions[:2] * signs[:, None]).T
    return places, np.square(values[:2]) / total


def drawn(draw: Callable[[Axes], None], inches: tuple[float, float]) -> Png:
    """One picture; the same drawing gives the same bytes."""
    figure = Figure(figsize=inches, dpi=_DPI, layout="tight")
    FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
