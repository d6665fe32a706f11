"""How large an encoder is and how fast it runs; apart from the command because torch takes seconds to import."""

import time
from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks.report import Figures
from shared.artefact.graph import export_graph
from shared.artefact.manifest import CalibrationRecord
from shared.artefact.session import open_session
from shared.artefact.writing import scorer_of
from shared.encoder import HeadConfig, build, count_macs, count_parameters, names, new_head
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from shared.network import Classifier
from shared.signal import WINDOW_SAMPLES
from training.threads import torch_threads


def measure_all(chosen: list[str] | None, *, batch: int, threads: int, repeats: int) -> Figures:
    """The figures of the chosen encoders, each named for its encoder; None: of all. Refuses unknown names."""
    for name in chosen or ():
        if name not in names():
            raise SelfmisError(f"bench encoder: no encoder {name!r}; there are {', '.join(names())}")
    figures: dict[str, object] = {}
    with torch_threads(threads):
        for name in chosen or names():
            measured = measure(name, batch=batch, threads=threads, repeats=repeats)
            figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
    return figures


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
