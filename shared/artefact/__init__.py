"""The model folder that training writes and serving trusts: graph, weights, golden windows, manifest and card.

Here is what serving needs, which does not import torch. Training's side (`write`, `torch_model`,
`export_graph`) is in `shared.artefact.writing` and `shared.artefact.graph`.
"""

from shared.artefact.alarm_rules import AlarmRules, under
from shared.artefact.errors import ArtefactError
from shared.artefact.folder import Model, load, verify
from shared.artefact.manifest import CalibrationRecord, DataSource, Facts, Manifest, ScoreReference
from shared.artefact.shipped import shipped

__all__ = [
    "AlarmRules",
    "ArtefactError",
    "CalibrationRecord",
    "DataSource",
    "Facts",
    "Manifest",
    "Model",
    "ScoreReference",
    "load",
    "shipped",
    "under",
    "verify",
]
