"""`selfmis pretrain`: train an encoder, on this machine or on a Ray cluster."""

import argparse
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from shared.command import DONE, Parser, run
from shared.encoder import names
from shared.frames import LEADS
from training import runs
from training.cluster import cluster
from training.folds import parse_folds
from training.methods import methods
from training.pretrain.dataset import Dataset, open_dataset
from training.pretrain.embeddings import of_teacher
from training.pretrain.finished import write_results
from training.pretrain.loop import build_trained, train
from training.pretrain.plan import Place, Plan, PlanError
from training.pretrain.progress import Lines, Progress
from training.pretrain.state import Position, pack
from training.pretrain.world import World
from training.revision import revision, versions
from training.threads import torch_threads


def main(argv: Sequence[str]) -> int:
    """Train an encoder by one of several methods and write a run folder with it.

    Interrupted or killed, the same command goes on where it was. Joins the Ray cluster of a submitted job or of
    RAY_ADDRESS, else starts Ray on this machine for as long as it takes.
    """
    plan, place, out = parsed(argv)
    print(pretrain(plan, place, out, Lines()))
    return DONE


def pretrain(plan: Plan, place: Place, out: Path, show: Callable[[Progress], None]) -> str:
    """Do the plan, or what is left of it, and write the run folder ``out``; gives one line about it.

    Refuses, before anything is trained, a store without the records, a teacher of other leads, and an ``out`` that
    holds another run. ``show`` is told how far it is.
    """
    data = open_dataset(plan)
    if plan.batch < place.workers[1]:
        raise PlanError(f"a batch of {plan.batch} is too small for {place.workers[1]} workers")
    teacher = None if plan.teacher is None else runs.load_encoder(plan.teacher, leads=LEADS)
    described = {
        "plan": plan.to_json(),
        "data": data.fingerprint(),
        "teacher": None if plan.teacher is None or teacher is None
        else dataclasses.asdict(runs.teacher_record(plan.teacher, teacher)),
    }  # fmt: skip
    described = runs.as_json(described)
    if _begun(out, described) and runs.is_done(out):
        return f"{out} is complete; remove it to train again"
    runs.write_config(out, {**described, "place": place.to_json(), "revision": revision(), "versions": versions()})
    state = _state(plan, place, out, data, _kept(out, show))
    return f"{out}: {write_results(out, plan, data, teacher, state)}"


def parsed(argv: Sequence[str]) -> tuple[Plan, Place, Path]:
    """The arguments, checked."""
    parser = Parser(
        prog="selfmis pretrain", description=main.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_argument_group("what to train")
    what.add_argument("--store", type=Path, required=True, metavar="DIR", help="made by `selfmis prepare`")
    what.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder")
    what.add_argument("--method", required=True, help="\n".join(f"{m.name:<13} {m.summary}" for m in methods()))
    what.add_argument(
        "--with", dest="options", action="append", default=[], metavar="KEY=VALUE", help="an option of the method"
    )
    what.add_argument("--encoder", default="small", help=f"{', '.join(names())} (default small)")
    what.add_argument("--lead", default="I", help="the student's lead (default I)")
    what.add_argument("--teacher", type=Path, metavar="RUN", help="run folder of the frozen twelve-lead teacher")
    what.add_argument("--folds", type=folds, default=folds("1-8"), help="trained on (default 1-8)")
    what.add_argument("--validate", type=folds, default=folds("9"), help="validated on (default 9; none)")
    what.add_argument("--source", action="append", default=[], metavar="NAME", help="of the store; repeatable")
    what.add_argument(
        "--statements", type=int, metavar="N", help="also learn every statement with N or more positives"
    )
    what.add_argument(
        "--labels", type=float, default=1.0, metavar="SHARE", help="of the labelled patients, 0.01 … 1 (default 1)"
    )
    how = parser.add_argument_group("how")
    defaults = {field.name: field.default for field in dataclasses.fields(Plan)}
    for name, about in (
        ("epochs", "passes over the training rows"),
        ("batch", "records in a batch, all workers together"),
        ("lr", "learning rate at its top"),
        ("schedule", "cosine or exponential fall"),
        ("final_lr", "share of lr at the end"),
        ("warmup", "share of all steps"),
        ("weight_decay", "of AdamW"),
        ("clip", "largest norm of the gradient"),
        ("ema", "keep a moving average of the weights that forgets so slowly, such as 0.999; 0: the weights"),
        ("seed", "of weights, order and chance"),
        ("keep", "weights of the last or the best epoch"),
        ("checkpoint_every", "steps, beside the end of each epoch"),
    ):
        default = defaults[name]
        how.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"{about} (default {default})"
        )
    where = parser.add_argument_group("where")
    where.add_argument("--workers", type=workers, default=(1, 1), help="N, or FEWEST:MOST (default 1)")
    where.add_argument(
        "--threads-per-worker", type=int, default=1, metavar="N", help="processors each (default 1)"
    )
    where.add_argument("--device", default="auto", help="auto, cpu or cuda, a GPU a worker (default auto)")
    where.add_argument("--storage", metavar="URL", help="of checkpoints; default OUT/checkpoints")
    where.add_argument(
        "--cache", type=Path, metavar="DIR", help="of teacher embeddings; default TEACHER/embeddings"
    )
    where.add_argument(
        "--failures", type=int, default=3, metavar="N", help="resumes by itself so often (default 3)"
    )
    where.add_argument("--plain", action="store_true", help="one worker in this process, without Ray")
    given = vars(parser.parse_args(argv))
    out: Path = given.pop("out").resolve()
    place = Place(
        workers=given.pop("workers"),
        threads=given.pop("threads_per_worker"),
        device=given.pop("device"),
        storage=given.pop("storage"),
        cache=_absolute(given.pop("cache")),
        failures=given.pop("failures"),
        plain=given.pop("plain"),
    )
    given["store"] = given["store"].resolve()
    given["teacher"] = _absolute(given["teacher"])
    given["options"], given["sources"] = tuple(given["options"]), tuple(given.pop("source"))
    return Plan(**given), place, out


def folds(text: str) -> tuple[int, ...]:
    """Folds as typed, or ``none``."""
    return () if text == "none" else parse_folds(text)


def workers(text: str) -> tuple[int, int]:
    """``4`` or ``1:4``."""
    fewest, colon, most = text.partition(":")
    try:
        return int(fewest), int(most if colon else fewest)
    except ValueError:
        raise argparse.ArgumentTypeError(f"write workers as N or FEWEST:MOST, not {text!r:.60}") from None


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()


def _begun(out: Path, described: dict[str, Any]) -> bool:
    """Whether ``out`` holds this very run; another one is refused, by the first thing that differs."""
    there = runs.read_config(out)
    if there is None:
        if out.exists() and any(out.iterdir()):
            raise PlanError(f"{out} is not empty and no run folder: give another --out")
        return False
    for section, values in described.items():
        old = there.get(section)
        if old == values:
            continue
        pairs = ((values or {}), (old if isinstance(old, dict) else {}))
        key = next(k for k in {**pairs[0], **pairs[1]} if pairs[0].get(k) != pairs[1].get(k))
        raise PlanError(
            f"{out} holds another run: its {section}'s {key} is {pairs[1].get(key)!r:.60}, not"
            f" {pairs[0].get(key)!r:.60}; give another --out, or remove it"
        )
    return True


def _state(plan: Plan, place: Place, out: Path, data: Dataset, show: Callable[[Progress], None]) -> bytes:
    if not plan.recipe().needs.training:
        return pack(build_trained(plan, data.outputs, None), None, Position(), {})
    if place.plain:
        return _plain(plan, place, out, data, show)
    # Imported late: Ray takes a second, and refusals should not.
    from training.pretrain.on_ray import fit  # noqa: PLC0415 - slow to import

    name = (
        "checkpoints"
        if place.storage is None
        else f"{out.name}-{hashlib.sha256(str(out).encode()).hexdigest()[:8]}"
    )
    with cluster():
        return fit(plan, place, storage=place.storage or str(out), name=name, show=show)


def _plain(
    plan: Plan,
    place: Place,
    out: Path,
    data: Dataset,
    show: Callable[[Progress], None],
) -> bytes:
    if place.device == "cuda" and not torch.cuda.is_available():
        raise PlanError("this machine has no GPU that torch can use; leave --device away, or say --device cpu")
    cuda = place.device != "cpu" and torch.cuda.is_available()
    folder = out / "checkpoints"
    folder.mkdir(exist_ok=True)
    world = World(torch.device("cuda" if cuda else "cpu"), folder=folder, show=show)
    with torch_threads(place.threads):
        return train(plan, data, world, teacher=of_teacher(plan, place.cache, data, world))


def _kept(out: Path, show: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Shows progress, and writes each epoch's line as it comes: at the end, the history is written as a whole."""

    def shown(progress: Progress) -> None:
        show(progress)
        record = progress.record
        if record is not None:
            before = [epoch for epoch in runs.read_history(out) if epoch["epoch"] < record["epoch"]]
            runs.write_history(out, [*before, record])

    return shown


if __name__ == "__main__":
    raise SystemExit(run(main))
