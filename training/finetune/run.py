"""A fine-tuning from start to end: refuse what cannot be, start from the probe, go on, write the run folder."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

from shared.network import Classifier
from training import runs
from training.classifier import device_of, ten_scores
from training.decision import Rule, decide
from training.finetune.loop import CHECKPOINT, Task, finetune
from training.finetune.plan import FinetuneError, Tuning
from training.pretrain.progress import Lines, Progress
from training.probe.asked import new_run, split_of
from training.probe.embeddings import FOLDER
from training.probe.run import configuration, fit_head, write_result
from training.probe.selection import Split, select
from training.store import Store


def asked(chosen: argparse.Namespace, tuning: Tuning) -> str:
    """Do what the arguments ask for; gives one line about it."""
    new_run(chosen.out, chosen.run)
    return finetune_run(
        chosen.run,
        Store(chosen.store),
        chosen.out,
        split_of(chosen),
        tuning,
        rule=Rule(chosen.specificity),
        from_probe=chosen.from_probe,
        cache=chosen.cache or chosen.run / FOLDER,
        device=device_of(chosen.device),
        show=Lines(),
    )


def finetune_run(
    run: Path,
    store: Store,
    out: Path,
    split: Split,
    tuning: Tuning,
    *,
    rule: Rule,
    from_probe: bool,
    cache: Path | None,
    device: str,
    show: Callable[[Progress], None],
) -> str:
    """Fine-tune the encoder of ``run`` and write ``out``, a run folder; gives one line about it.

    Goes on after the last epoch that ended. Refuses an ``out`` that holds another run. ``DONE`` is written last.
    """
    trained = runs.load_encoder(run)
    train, validation = select(store, split, trained.record.leads)
    learnt = None if from_probe or not runs.has_head(run) else runs.load_head(run)
    more = dataclasses.asdict(tuning) | {"from_probe": from_probe}
    # A folder's name may stand for other weights by now: their hashes say which these are.
    weights = {"encoder": trained.weights_sha256, "head": learnt and learnt.weights_sha256}
    described = runs.as_json(
        {**configuration("finetune", run, store, split, train, more), "weights_sha256": weights}
    )
    _refuse_another(out, described)
    runs.write_config(out, described)
    if learnt is not None:
        head = ten_scores(learnt, run)
    else:
        head, _, _ = fit_head(trained, store, train, validation, cache=cache, device=device)
    classifier = Classifier(trained.encoder, head)
    task = Task(store, trained.record.leads, train, validation, split.seed)
    position, logits = finetune(classifier, task, tuning, folder=out, device=device, show=show)
    classifier.cpu()
    decision = decide(
        logits, store.labels(validation), store.patients[validation], folds=split.validate, rule=rule
    )
    runs.write_history(out, position.history)
    write_result(out, classifier, trained, decision)
    kept = position.best_epoch or 0
    (out / CHECKPOINT).unlink(missing_ok=True)
    runs.finish(out, {"epochs": position.epoch, "kept_epoch": kept, "validation": position.history[kept]})
    loss = position.history[kept]["validation_loss"]
    return (
        f"{out}: {position.epoch} epochs on {len(train):,} records, epoch {kept} kept, validation loss {loss:.4f}"
    )


def _refuse_another(out: Path, described: dict[str, object]) -> None:
    there = runs.read_config(out)
    if there is None:
        return
    for section in ("step", "plan", "encoder_run", "weights_sha256", "data"):
        if there.get(section) != described[section]:
            raise FinetuneError(
                f"{out} holds another run, with another {section}: give another --out, or remove it"
            )
