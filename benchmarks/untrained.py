"""A model folder for benchmarks of cost: the small encoder with seeded weights, exported as training exports.

Untrained, so what it says means nothing; how long it takes to say it is what a trained one takes. Its head leans
to "no infarction", as a trained one does with most people: a ward where everybody is in alarm measures alerts.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from services.ingest.synthetic import case, simulate
from shared.artefact import DataSource, Facts, Model, load
from shared.labels import SCORE_NAMES

_KINDS = ("NORM", "IMI", "AFIB", "AMI", "PVC", "LVH", "STACH", "CLBBB")


def untrained(folder: Path, *, encoder: str = "small", lead: str = "I") -> Model:
    """Write such a model into ``folder``, which must not exist, and load it. Takes some seconds.

    Its manifest allows bf16, which a trained one must earn.
    """
    import torch  # noqa: PLC0415 - takes seconds, and so do these: not for whoever asks for help only

    from shared.artefact.writing import write  # noqa: PLC0415 - as above
    from shared.encoder import HeadConfig, build, new_head  # noqa: PLC0415 - as above
    from shared.network import Classifier  # noqa: PLC0415 - as above

    network = build(encoder, seed=1)
    head = new_head(network.dim, HeadConfig(kind="linear", outputs=len(SCORE_NAMES)), seed=2)
    with torch.no_grad():
        for layer in head.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.bias.sub_(4.0)
    facts = Facts.stated(
        name=f"untrained-{encoder}",
        version="1",
        lead=lead,
        thresholds=dict.fromkeys(SCORE_NAMES, 0.5),
        metrics={"bf16": {"auroc_lost": 0.0}},
        data=(DataSource(name="none", attribution="none", licence="none"),),
        trained_on="nothing",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        revision="benchmark",
    )
    strips = [simulate(case(kind, 5, i), 500, 1000) for i, kind in enumerate(_KINDS)]
    write(folder, Classifier(network, head).eval(), facts, golden_mv=np.stack(strips).astype(np.float32))
    return load(folder)
