"""`selfmis bench polarity`: is a lead that is upside down found, and how often is an upright one taken for it?

On a store (`selfmis prepare`), for leads I and II. The weights that `shared.quality.polarity` ships are fitted
anew to the mean beats of folds 1–8 and their negatives (logistic regression without a constant, L2). The limit is
set on predictions for folds that the weights had not seen: at most one record in a hundred is beyond it, and it is
never below even odds. ``--weights`` prints both as the module has them. What is measured is what ships, on fold 9:
the share of turned records that it finds, of upright ones that it takes for turned, and of those with an infarct.

A recording's log odds are odd, so turned and upright records need one pass. ``--cinc2017``: recordings of another
device (lead I, held between the hands, either way round), as they are: which of them really are upside down is not
known.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from benchmarks.recordings import cinc2017
from benchmarks.report import json_argument, present
from shared.command import DONE, Parser, run
from shared.quality import assess, is_upside_down, upside_down
from shared.quality.beats import mean_beats
from shared.quality.polarity import LIMITS, WEIGHTS
from shared.signal import WINDOW_SAMPLES, Windows, bandpass, resample
from shared.signal.bandpass import bandpassed_down
from shared.signal.operator import chunks
from training.store import Store

LEARN, TEST = tuple(range(1, 9)), (9,)
FALSE = 0.01  # of upright records may be beyond the limit
_PENALTY = 3e-3  # of the squared weights, beside the mean loss; from 1e-3 to 1e-2 the figures are alike
_AT_ONCE = 512
Floats = npt.NDArray[np.float64]


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = Parser(prog="selfmis bench polarity", description=__doc__)
    parser.add_argument("--store", metavar="DIR", type=Path, required=True, help="made by `selfmis prepare`")
    parser.add_argument("--cinc2017", metavar="DIR", type=Path, help="folder of cinc2017")
    parser.add_argument("--weights", action="store_true", help="print the fitted weights and limits")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    store = Store(arguments.store)
    figures: dict[str, float | int] = {}
    for lead in WEIGHTS:
        weights, limit = fitted(store, lead)
        if arguments.weights:
            print(f'    "{lead}": {tuple(weights.tolist())},  # beyond {limit:.2f}')
        figures |= shipped_figures(store, lead)
        figures[f"{lead}_weights_off_by"] = int(np.abs(np.array(WEIGHTS[lead]) - weights).max())
        figures[f"{lead}_limit_off_by"] = abs(LIMITS[lead] - limit)
    if arguments.cinc2017 is not None:
        figures |= other_device(arguments.cinc2017)
    present("Polarity", figures, arguments.json)
    return DONE


def fitted(store: Store, lead: str) -> tuple[npt.NDArray[np.int64], float]:
    """Weights in hundredths, and the limit, from the folds to learn from."""
    rows = store.select(folds=LEARN, leads=(lead,))
    beats, folds = _beats(_windows(store, rows, lead)), store.folds[rows]
    unseen = np.empty(len(rows))
    for fold in LEARN:
        own = folds == fold
        unseen[own] = -beats[own] @ fit(beats[~own])
    limit = max(0.0, round(float(np.quantile(unseen, 1 - FALSE)), 2))
    return np.round(100 * fit(beats)).astype(np.int64), limit


def fit(beats: Floats) -> Floats:
    """Weights under which beats (n × samples) are positive and their negatives negative. Deterministic."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        score = beats @ weights
        slope = -(beats * expit(-score)[:, None]).mean(axis=0) + 2 * _PENALTY * weights
        return float(np.logaddexp(0, -score).mean() + _PENALTY * weights @ weights), slope

    found = minimize(loss, np.zeros(beats.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    weights: Floats = found.x
    return weights


def shipped_figures(store: Store, lead: str) -> dict[str, float | int]:
    """What ships, on unseen records; beside it the simplest rule, that a turned window skews downwards."""
    rows = store.select(folds=TEST, leads=(lead,))
    windows = _windows(store, rows, lead)
    odds = np.concatenate([upside_down(part, lead) for part in _parts(windows)])
    infarct = store.labels(rows)[:, -1] > 0
    upright, turned = is_upside_down(odds, lead), is_upside_down(-odds, lead)
    clean = bandpass(windows).astype(np.float64)
    skew = ((clean - clean.mean(axis=1, keepdims=True)) ** 3).sum(axis=1)
    return {
        f"{lead}_records": len(rows),
        f"{lead}_turned_found": float(turned.mean()),
        f"{lead}_upright_taken_for_turned": float(upright.mean()),
        f"{lead}_infarcts": int(infarct.sum()),
        f"{lead}_infarcts_turned_found": float(turned[infarct].mean()),
        f"{lead}_infarcts_upright_taken_for_turned": float(upright[infarct].mean()),
        f"{lead}_sign_right": float((odds < 0).mean()),
        f"{lead}_skew_right": float((skew > 0).mean()),
    }


def other_device(folder: Path) -> dict[str, float | int]:
    """Shares of recordings that are taken for turned, by rhythm, from the mean log odds of their good windows."""
    taken: dict[str, list[bool]] = {"N": [], "A": [], "O": []}
    for recording in cinc2017(folder):
        if recording.label not in taken or not len(recording.windows):
            continue
        windows = resample(recording.windows, recording.rate_mhz)
        good = assess(windows).accept
        if good.any():
            taken[recording.label].append(bool(is_upside_down(upside_down(windows[good], "I").mean(), "I")))
    names = {"N": "normal", "A": "af", "O": "other"}
    figures: dict[str, float | int] = {}
    for label, found in taken.items():
        figures[f"cinc2017_{names[label]}"] = len(found)
        if found:
            figures[f"cinc2017_{names[label]}_taken_for_turned"] = float(np.mean(found))
    return figures


def _windows(store: Store, rows: npt.NDArray[np.int64], lead: str) -> Windows:
    return store.signals(rows, (lead,)).reshape(-1, WINDOW_SAMPLES)


def _parts(windows: Windows) -> list[Windows]:
    return [windows[first : first + _AT_ONCE] for first in range(0, len(windows), _AT_ONCE)]


def _beats(windows: Windows) -> Floats:
    """The mean beats as `upside_down` takes them."""
    found = np.empty((len(windows), len(WEIGHTS["I"])))
    for where, chunk in chunks(windows):
        down = bandpassed_down(chunk)
        found[where] = mean_beats(np.ascontiguousarray(down.T), down)[: where.stop - where.start]
    return found


if __name__ == "__main__":
    raise SystemExit(run(main))
