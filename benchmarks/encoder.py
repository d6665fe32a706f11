"""`selfmis bench encoder`: how large each encoder is, and what it does per second on this machine."""

import time
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from benchmarks.report import Figures, json_argument, present
from shared.artefact.graph import export_graph
from shared.artefact.manifest import CalibrationRecord
from shared.artefact.session import open_session
from shared.artefact.writing import scorer_of
from shared.command import Parser, run
from shared.encoder import HeadConfig, build, count_macs, count_parameters, names, new_head
from shared.labels import SCORE_NAMES
from shared.network import Classifier
from shared.signal import WINDOW_SAMPLES


def main(argv: Sequence[str]) -> int:
    """Parameters, multiply-accumulates per window, and windows per second forward and in training (best repeat).

    `graph_windows_per_s` is the whole exported graph, pre-processing included, in ONNX Runtime; the others are
    torch, the encoder and its head alone.
    """
    parser = Parser(prog="selfmis bench encoder", description=main.__doc__)
    parser.add_argument("--encoder", choices=names(), action="append", help="default: all; repeatable")
    parser.add_argument("--batch", type=int, default=64, help="windows in a batch (default 64)")
    parser.add_argument("--threads", type=int, default=1, help="threads (default 1)")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many is taken (default 5)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    for name in ("batch", "threads", "repeats"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    figures: dict[str, object] = {"batch": arguments.batch, "threads": arguments.threads}
    before = torch.get_num_threads()
    torch.set_num_threads(arguments.threads)
    try:
        for name in arguments.encoder or names():
            measured = measure(name, batch=arguments.batch, threads=arguments.threads, repeats=arguments.repeats)
            figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
    finally:
        torch.set_num_threads(before)
    present("Encoders, one lead, float32", figures, arguments.json)
    return 0


def measure(name: str, *, batch: int, threads: int, repeats: int) -> Figures:
    """The figures of one encoder; ``threads`` is for ONNX Runtime, torch's are set by the caller."""
    encoder = build(name)
    classifier = Classifier(encoder, new_head(encoder.dim, HeadConfig()))
    windows = torch.randn(batch, 1, WINDOW_SAMPLES, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(batch, len(SCORE_NAMES))
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-4)

    def forward() -> None:
        with torch.inference_mode():
            classifier(windows)

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(classifier(windows), labels)
        torch.autograd.backward(loss)
        optimizer.step()

    graph = open_session(export_graph(scorer_of(classifier, CalibrationRecord())), threads=threads)
    millivolts = windows[:, 0].numpy()
    figures: dict[str, object] = {
        "parameters": count_parameters(encoder),
        "macs": count_macs(encoder, (1, WINDOW_SAMPLES)),
        "train_windows_per_s": batch / _best_s(step, repeats),
    }
    classifier.eval()
    figures["forward_windows_per_s"] = batch / _best_s(forward, repeats)
    figures["graph_windows_per_s"] = batch / _best_s(lambda: graph(millivolts), repeats)
    return figures


def _best_s(work: Callable[[], object], repeats: int) -> float:
    work()  # the first call allocates and chooses kernels
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    raise SystemExit(run(main))
