"""`selfmis pretrain`: train an encoder, on this machine or on a Ray cluster.

Only the arguments: what they ask for is imported when they are understood, since torch takes seconds.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from shared.command import DONE, Parser, run
from training.folds import parse_folds
from training.pretrain.plan import Place, Plan


def main(argv: Sequence[str]) -> int:
    """Train an encoder by one of several methods and write a run folder with it.

    Interrupted or killed, the same command goes on where it was. Joins the Ray cluster of a submitted job or of
    RAY_ADDRESS, else starts Ray on this machine for as long as it takes.
    """
    plan, place, out = parsed(argv)
    from training.pretrain.progress import Lines  # noqa: PLC0415 - slow to import
    from training.pretrain.run import pretrain  # noqa: PLC0415 - slow to import

    print(pretrain(plan, place, out, Lines()))
    return DONE


def parsed(argv: Sequence[str]) -> tuple[Plan, Place, Path]:
    """The arguments, checked."""
    parser = Parser(prog="selfmis pretrain", description=main.__doc__)
    what = parser.add_argument_group("what to train")
    what.add_argument("--store", type=Path, required=True, metavar="DIR", help="made by `selfmis prepare`")
    what.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run folder")
    what.add_argument("--method", required=True, metavar="NAME", help="`selfmis methods` lists them")
    what.add_argument(
        "--with", dest="options", action="append", default=[], metavar="KEY=VALUE", help="an option of the method"
    )
    what.add_argument(
        "--encoder", default="small", metavar="SIZE", help="`selfmis bench encoder` shows them (default small)"
    )
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
        ("norm_records", "of a batch that a batch norm takes together, never parted among workers; 0: all"),
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


if __name__ == "__main__":
    raise SystemExit(run(main))
