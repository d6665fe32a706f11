"""XResNet and S4 keep the contract of an encoder, as Net1D does."""

import numpy as np
import onnxruntime
import pytest
import torch

from shared.artefact.graph import export_graph
from shared.encoder import (
    EncoderError,
    HeadConfig,
    build,
    config,
    count_macs,
    count_parameters,
    new_head,
    registry,
)
from shared.encoder.families.s4 import LongFilter
from shared.labels import SCORE_NAMES
from shared.network import Calibration, Classifier, Preprocessing, Scorer

SIZES = ("xresnet1d18", "s4")


def windows(n: int, leads: int = 1, samples: int = 1000, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, leads, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("size", "parameters", "macs"),
    [("xresnet1d18", 345_504, 46_262_400), ("s4", 127_104, 115_200_000)],
)
def test_sizes_are_what_the_documentation_says(size: str, parameters: int, macs: int) -> None:
    encoder = build(size)
    assert (count_parameters(encoder), count_macs(encoder, (1, 1000))) == (parameters, macs)


@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("size", SIZES)
def test_any_batch_of_windows_becomes_embeddings(size: str, leads: int) -> None:
    encoder = build(size, leads=leads).eval()
    for n, samples in ((1, 1000), (3, 500)):
        x = windows(n, leads, samples)
        assert encoder(x).shape == (n, encoder.dim)
        assert torch.allclose(encoder.features(x).mean(dim=-1), encoder(x))


@pytest.mark.parametrize("size", SIZES)
def test_gradients_reach_every_parameter(size: str) -> None:
    encoder = build(size)
    encoder(windows(4)).square().mean().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


@pytest.mark.parametrize("size", SIZES)
def test_a_few_steps_learn_eight_windows_by_heart(size: str) -> None:
    torch.manual_seed(0)
    encoder = build(size)
    head = torch.nn.Linear(encoder.dim, 1)
    x, y = windows(8, samples=400), torch.tensor([0.0, 1] * 4).unsqueeze(1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    losses = []
    for _ in range(25):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(encoder(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("size", SIZES)
def test_a_row_does_not_depend_on_its_neighbours(size: str) -> None:
    encoder = build(size).eval()
    x = windows(4)
    loud = x.clone()
    loud[1:] *= 1000
    with torch.no_grad():
        torch.testing.assert_close(encoder(loud)[0], encoder(x)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_an_untrained_encoder_tells_windows_apart(size: str) -> None:
    with torch.no_grad():
        embeddings = build(size).eval()(windows(8))
    assert 0.01 < embeddings.std(dim=0).mean() < 100


@pytest.mark.parametrize("size", SIZES)
def test_it_is_restored_from_what_it_says_of_itself(size: str) -> None:
    encoder = build(size, leads=2, seed=1)
    family, name = registry().describe(encoder)
    restored = registry().restore(family, encoder.config.to_json())
    restored.load_state_dict(encoder.state_dict(), assign=True)
    assert name == size
    assert torch.equal(restored.eval()(windows(2, 2)), encoder.eval()(windows(2, 2)))


# An export takes seconds, and XResNet has no layer that Net1D's does not have.
@pytest.mark.parametrize("size", [pytest.param("xresnet1d18", marks=pytest.mark.full), "s4"])
def test_the_exported_graph_scores_as_torch_does(size: str) -> None:
    encoder = build(size, seed=2)
    for _ in range(3):
        encoder(windows(8))  # moves the statistics of the norms
    classifier = Classifier(encoder, new_head(encoder.dim, HeadConfig()))
    ones = [1.0] * len(SCORE_NAMES)
    scorer = Scorer(Preprocessing(), classifier, Calibration(ones, [0.0] * len(SCORE_NAMES))).eval()
    session = onnxruntime.InferenceSession(export_graph(scorer), providers=["CPUExecutionProvider"])
    x = windows(3)[:, 0]
    with torch.no_grad():
        expected = scorer(x).numpy()
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 17, 250])
def test_both_ways_of_filtering_are_one(steps: int) -> None:
    torch.manual_seed(0)
    layer = LongFilter(3, 4).double()
    x = torch.randn(2, 3, steps, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer.by_fft(x), layer.by_matrices(x))


def test_a_filter_answers_an_impulse_with_its_kernels() -> None:
    torch.manual_seed(0)
    layer = LongFilter(2, 3)
    impulse = torch.zeros(1, 2, 9)
    impulse[..., 4] = 1
    with torch.no_grad():
        forwards, backwards = layer.kernels(9)
        answer = layer.by_fft(impulse)[0]
    torch.testing.assert_close(answer[:, 5:], forwards[:, 1:5], rtol=0, atol=1e-6)
    torch.testing.assert_close(answer[:, :4], backwards[:, 1:5].flip(-1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "change", "message"),
    [
        ("xresnet1d18", {"kernel": 4}, "kernel must be odd"),
        ("xresnet1d18", {"depths": [1]}, "4 widths but 1 depths"),
        ("xresnet1d18", {"stem": 3}, "stem must be a list"),
        ("xresnet1d18", {"widths": [0, 1, 1, 1]}, "width must be"),
        ("s4", {"poles": 0}, "poles must be"),
        ("s4", {"stride": 13}, "stem_kernel must be 13 to 64"),
        ("s4", {"width": "96"}, "width must be"),
    ],
)
def test_an_impossible_configuration_is_refused(size: str, change: dict[str, object], message: str) -> None:
    shape = config(size)
    with pytest.raises(EncoderError, match=message):
        type(shape).from_json(shape.to_json() | change)
