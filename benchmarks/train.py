"""`selfmis bench train`: what Ray Train costs over the same loop without it, and what more workers bring.

Everything is measured through the command itself, in one run on the same cores.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import json_argument, present
from shared.command import Parser, run
from shared.errors import SelfmisError


def main(argv: Sequence[str]) -> int:
    """Ray Train against the same loop in plain torch, on noise as data; takes some minutes.

    ray_over_plain: time of one Ray worker over that of a plain loop (goal: at most 1.05). workers_N_efficiency:
    records/s of N Ray workers, N times the batch, over those of N independent plain loops side by side (goal for
    two: at least 0.85), where a batch norm takes as many records together as in those loops (--norm-records);
    workers_N_whole_norms_efficiency: where it takes the whole, larger batch. store_cold, store_warm: reading
    alone, from disk and from memory. teacher_cache_gain: what a step of SelfMIS would cost if the teacher were
    asked anew in each, over what it costs.
    """
    parser = Parser(prog="selfmis bench train", description=main.__doc__)
    parser.add_argument("--encoder", default="small", help="default %(default)s")
    parser.add_argument(
        "--batch", type=int, default=64, help="records of each worker's step (default %(default)s)"
    )
    parser.add_argument(
        "--records", type=int, default=4096, help="in an epoch; PTB-XL's are 17,000 (default %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=int, default=4, help="of each run; the first one does not count (default %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="rounds, each of all runs; the best counts (default %(default)s)"
    )
    cores = os.cpu_count() or 2
    parser.add_argument(
        "--workers", type=int, default=max(2, cores), help="at most: 2, 4, 8 … (default: the cores, %(default)s)"
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="also draw records/s by workers")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    for name, low in (("workers", 2), ("batch", 2), ("epochs", 2), ("repeats", 1)):
        if getattr(chosen, name) < low:
            parser.error(f"--{name} must be at least {low}")
    if chosen.records < chosen.workers * chosen.batch:
        parser.error(f"--records must be at least {chosen.workers * chosen.batch}: a step of all workers")
    from benchmarks.training_runs import Bench, read_rates, write_noise  # noqa: PLC0415 - slow to import

    with tempfile.TemporaryDirectory(prefix="selfmis-bench-train-") as folder:
        bench = Bench(Path(folder), chosen.encoder, chosen.batch, chosen.epochs)
        write_noise(bench.store, chosen.records)
        figures = read_rates(bench.store, chosen.batch) | dict(
            bench.measure(chosen.repeats, counts(chosen.workers))
        )
    settings = {name: getattr(chosen, name) for name in ("encoder", "batch", "records", "epochs", "repeats")}
    present("Training, one thread a worker", {**settings, **figures}, chosen.json)
    if chosen.png is not None:
        from benchmarks.training_plot import scaling_png  # noqa: PLC0415 - slow to import

        try:
            chosen.png.write_bytes(scaling_png(figures))
        except OSError as error:
            raise SelfmisError(f"cannot write {chosen.png}: {error.strerror}") from None
    return 0


def counts(most: int) -> list[int]:
    """How many workers are measured: 2, 4, 8 … and the most.

    >>> counts(12)
    [2, 4, 8, 12]
    """
    return sorted({*(2**power for power in range(1, most.bit_length()) if 2**power <= most), most})


if __name__ == "__main__":
    raise SystemExit(run(main))
