"""A model folder written again, its graph made anew from its weights: what `selfmis export again` does."""

from pathlib import Path

import numpy as np

from shared.artefact import Facts, Manifest, load
from shared.artefact.graph import export_graph
from shared.artefact.session import open_session
from shared.artefact.writing import torch_model, write
from training.export.facts import ExportError
from training.export.precision import precision_of

MOST_MOVED = 1e-5


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
