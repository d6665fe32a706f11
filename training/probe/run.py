"""A probe from start to end: embeddings, fit, decision, run folder."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shared.encoder import Head, HeadConfig, new_head
from shared.labels import SCORE_NAMES
from shared.network import Classifier
from training.attribution import data_facts
from training.decision import Decision, Rule, decide, write_decision
from training.probe.embeddings import embeddings
from training.probe.linear import Probe, linear_probe
from training.probe.logistic import Linear
from training.probe.selection import Rows, Split, select
from training.revision import revision, versions
from training.runs import (
    TrainedEncoder,
    finish,
    load_encoder,
    read_config,
    write_config,
    write_encoder,
    write_head,
)
from training.store import Store


@dataclasses.dataclass(frozen=True)
class Probed:
    """What a probe found."""

    probe: Probe
    decision: Decision
    train: int
    validation: int


def head_of(model: Linear) -> Head:
    """The linear model as a head."""
    head = new_head(model.weight.shape[0], HeadConfig(outputs=model.weight.shape[1]))
    weight, bias = (
        torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in (model.weight.T, model.bias)
    )
    names = list(head.state_dict())
    head.load_state_dict({names[0]: weight, names[1]: bias})
    return head.eval()


def fit_head(
    trained: TrainedEncoder, store: Store, train: Rows, validation: Rows, *, cache: Path | None, device: str
) -> tuple[Head, Probe, np.ndarray]:
    """The probe of an encoder as a head, and its logits on the validation rows."""
    learn, choose = (embeddings(trained, store, rows, cache=cache, device=device) for rows in (train, validation))
    probe = linear_probe(learn, store.labels(train), choose, store.labels(validation))
    return head_of(probe.model), probe, probe.model.logits(choose)


def probe_run(
    encoder_run: Path,
    store: Store,
    out: Path,
    split: Split,
    *,
    rule: Rule,
    cache: Path | None,
    device: str = "cpu",
) -> Probed:
    """Probe the encoder of a run and write ``out``, a run folder whose network gives the ten scores.

    Takes seconds beside the embedding of the rows. ``DONE`` is written last.
    """
    trained = load_encoder(encoder_run)
    train, validation = select(store, split, trained.record.leads)
    head, probe, logits = fit_head(trained, store, train, validation, cache=cache, device=device)
    decision = decide(
        logits, store.labels(validation), store.patients[validation], folds=split.validate, rule=rule
    )
    write_config(out, configuration("probe", encoder_run, store, split, train, {"penalties": probe.penalties}))
    write_result(out, Classifier(trained.encoder, head), trained, decision)
    finish(out, {"validation_loss": probe.validation_loss, "train_rows": len(train)})
    return Probed(probe, decision, len(train), len(validation))


def configuration(
    step: str, encoder_run: Path, store: Store, split: Split, train: Rows, more: dict[str, Any]
) -> dict[str, Any]:
    """What stands in `config.json` of a run that began with another run's encoder."""
    return {
        "step": step,
        "plan": dataclasses.asdict(split) | more,
        "encoder_run": encoder_run.resolve().name,
        "encoder_config": read_config(encoder_run) or {},
        "data": data_facts(store, train),
        "revision": revision(),
        "versions": versions(),
    }


def write_result(out: Path, classifier: Classifier, trained: TrainedEncoder, decision: Decision) -> None:
    """Encoder, head and decision of a run."""
    write_encoder(out, classifier.encoder, trained.record)
    write_head(out, classifier.head, SCORE_NAMES)
    write_decision(out, decision)
