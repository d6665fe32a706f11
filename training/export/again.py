"""`selfmis export again MODEL`: the graph of a model folder made anew from its own weights, by this version.

For a folder that an earlier version wrote, whose graph does the same in more time, and to add a figure that was
measured since. The model stays the model: weights, calibration, thresholds, golden windows and what was found out
about it are taken over, and its golden windows must score as they did.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.artefact import Facts, Manifest, load
from shared.artefact.graph import export_graph
from shared.artefact.session import open_session
from shared.artefact.writing import torch_model, write
from shared.command import DONE, Parser, run
from training.export.facts import ExportError
from training.export.precision import precision_of

MOST_MOVED = 1e-5


def main(argv: Sequence[str]) -> int:
    """Write MODEL again into another folder, its graph made anew from its weights.

    Refused where a golden window then scores otherwise than the folder says, by more than 1e-5.
    """
    chosen = arguments(argv)
    manifest = again(chosen.model, chosen.out, chosen.precision)
    print(f"{chosen.out}: {manifest.name} {manifest.version}, lead {manifest.lead}, {manifest.sha256[:12]}")
    return DONE


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(prog="selfmis export again", description=main.__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    parser.add_argument(
        "--precision",
        type=Path,
        metavar="FILE",
        help="precision.json of `selfmis model precision` of this very model",
    )
    return parser.parse_args(argv)


def again(folder: Path, out: Path, precision: Path | None = None) -> Manifest:
    """The model in ``folder`` written to ``out``, which must not exist. Costs some seconds."""
    model = load(folder)
    windows, expected = model.golden()
    stated = {name: getattr(model.manifest, name) for name in Facts.model_fields}
    if precision is not None:
        found = precision_of(precision, model.read("weights.safetensors"), model.manifest.calibration)
        stated["metrics"] = {**model.manifest.metrics, **found}
    scorer = torch_model(model)
    moved = float(np.abs(open_session(export_graph(scorer))(windows) - expected).max())
    if not moved <= MOST_MOVED:
        raise ExportError(
            f"{folder}: this version scores its golden windows {moved:.2g} off what it says, and at most"
            f" {MOST_MOVED:g} is allowed: train it again"
        )
    return write(out, scorer.classifier, Facts.stated(**stated), golden_mv=windows)


if __name__ == "__main__":
    raise SystemExit(run(main))
