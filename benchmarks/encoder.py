"""`selfmis bench encoder`: how large each encoder is, and what it does per second on this machine."""

from collections.abc import Sequence

from benchmarks.report import json_argument, present
from shared.command import Parser, run


def main(argv: Sequence[str]) -> int:
    """Parameters, multiply-accumulates per window, and windows per second forward and in training (best repeat).

    `graph_windows_per_s` is the whole exported graph, pre-processing included, in ONNX Runtime; the others are
    torch, the encoder and its head alone.
    """
    parser = Parser(prog="selfmis bench encoder", description=main.__doc__)
    parser.add_argument("--encoder", metavar="NAME", action="append", help="default: all; repeatable")
    parser.add_argument("--batch", type=int, default=64, help="windows in a batch (default 64)")
    parser.add_argument("--threads", type=int, default=1, help="threads (default 1)")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many is taken (default 5)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    for name in ("batch", "threads", "repeats"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    from benchmarks.encoder_speed import measure_all  # noqa: PLC0415 - brings torch: seconds that `--help` needs not

    figures: dict[str, object] = {"batch": arguments.batch, "threads": arguments.threads}
    figures |= measure_all(
        arguments.encoder, batch=arguments.batch, threads=arguments.threads, repeats=arguments.repeats
    )
    present("Encoders, one lead, float32", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
