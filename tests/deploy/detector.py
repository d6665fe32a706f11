"""A model that really tells simulated lateral infarcts: a random encoder, as the paper's first yardstick, and a
linear head fitted on its embeddings in a second. Nothing of it is trained on what it is tested on."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from services.ingest.synthetic import case, simulate
from shared.artefact import DataSource, Facts, Model, ScoreReference, load
from shared.artefact.writing import write
from shared.encoder import HeadConfig, build, new_head
from shared.labels import SCORE_NAMES
from shared.network import Classifier, Preprocessing
from shared.score_histogram import buckets

INFARCT = "ALMI"
PEOPLE = 150
RIDGE = 1.0


def windows(kind: str, seed: int) -> np.ndarray:
    """Ten seconds of many simulated people, millivolts of lead I."""
    return np.stack([simulate(case(kind, seed, i), 500, 1000) for i in range(PEOPLE)]).astype(np.float32)


def make(folder: Path) -> Model:
    """Fit and export it as training does. Costs some seconds, most of them the export."""
    encoder = build("small", seed=1).eval()
    infarcts, others = windows(INFARCT, 100), windows("NORM", 200)
    with torch.no_grad():
        seen = Preprocessing()(torch.from_numpy(np.concatenate([infarcts, others])))
        embedded = encoder(seen.unsqueeze(1)).double().numpy()
    middle, spread = embedded.mean(0), embedded.std(0) + 1e-6
    X = (embedded - middle) / spread
    y = np.where(np.arange(2 * PEOPLE) < PEOPLE, 4.0, -4.0)  # logits to aim at
    w = np.linalg.solve(X.T @ X + RIDGE * len(X) * np.eye(X.shape[1]) / 10, X.T @ y) / spread
    head = new_head(encoder.dim, HeadConfig(kind="linear", outputs=len(SCORE_NAMES)), seed=2)
    with torch.no_grad():
        last = head.layers[-1]
        last.weight.zero_()
        last.bias.fill_(-4.0)
        for name in (INFARCT, "MI"):
            row = SCORE_NAMES.index(name)
            last.weight[row] = torch.from_numpy(w)
            last.bias[row] = float(-middle @ w)
    scores = 1 / (1 + np.exp(-(embedded - middle) @ w))
    facts = Facts.stated(
        name="detector",
        version="1",
        lead="I",
        thresholds=dict.fromkeys(SCORE_NAMES, 0.5),
        metrics={},
        data=(DataSource(name="simulated recordings", attribution="none", licence="none"),),
        trained_on="simulated recordings",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        revision="test",
        reference=ScoreReference(
            counts=tuple(buckets(scores).tolist()), sum=float(scores.sum()), on="simulated recordings"
        ),
    )
    write(folder, Classifier(encoder, head).eval(), facts, golden_mv=np.concatenate([infarcts[:8], others[:8]]))
    return load(folder)
