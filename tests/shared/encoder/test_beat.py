"""The encoder of the mean beat: it finds beats, averages them, and sees nothing of when they came."""

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.synthetic import case, simulate
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
from shared.encoder.families.beat import BEFORE, SAMPLES, _greatest, mean_beat
from shared.labels import SCORE_NAMES
from shared.network import Calibration, Classifier, Preprocessing, Scorer
from shared.signal import preprocess
from training.methods.one_lead import for_lead
from training.methods.views import placed


def pulse(width: float = 1.5) -> torch.Tensor:
    """A beat: a sharp wave on its place in `SAMPLES`, and a slow one behind it."""
    time = torch.arange(SAMPLES) - BEFORE
    sharp = torch.exp(-0.5 * (time / width) ** 2)
    return sharp + 0.2 * torch.exp(-0.5 * ((time - 28) / 6) ** 2)


def beating(at: list[int], shapes: list[torch.Tensor] | None = None, samples: int = 1000) -> torch.Tensor:
    """A window (1 × 1 × samples) with beats whose sharpest points are at those samples."""
    window = torch.zeros(samples + 2 * SAMPLES)
    for i, place in enumerate(at):
        start = SAMPLES + place - BEFORE
        window[start : start + SAMPLES] += pulse() if shapes is None else shapes[i]
    return window[None, None, SAMPLES:-SAMPLES]


def recorded(n: int = 6) -> torch.Tensor:
    """Pre-processed windows of simulated patients (n × 1 × 1000)."""
    kinds = ("NORM", "IMI", "AFIB", "AMI", "PVC", "LVH")
    strips = np.stack([simulate(case(kinds[i % 6], 5, i), 500, 1000) for i in range(n)])
    return torch.from_numpy(preprocess(strips.astype(np.float32)))[:, None]


def test_its_size_is_what_the_documentation_says() -> None:
    encoder = build("beat")
    assert (count_parameters(encoder), count_macs(encoder, (1, 1000))) == (183_368, 2_079_744)


def test_the_mean_of_equal_beats_is_that_beat() -> None:
    torch.testing.assert_close(mean_beat(beating([100, 250, 400, 550, 700]))[0, 0], pulse(), rtol=0, atol=1e-5)


@given(st.lists(st.integers(100, 150), min_size=9, max_size=9), st.integers(60, 120))
def test_when_beats_come_makes_no_difference(intervals: list[int], first: int) -> None:
    places = [first + sum(intervals[:i]) for i in range(len(intervals))]
    found = mean_beat(beating([p for p in places if p < 1000 - SAMPLES]))
    torch.testing.assert_close(found[0, 0], pulse(), rtol=0, atol=1e-4)


def test_one_strange_beat_among_others_hardly_counts() -> None:
    strange = -1.5 * pulse(width=5)
    shapes = [pulse()] * 6
    shapes[3] = strange
    mean = mean_beat(beating([80, 220, 360, 500, 640, 780], shapes))[0, 0]
    assert (mean - pulse()).abs().max() < 0.02


def test_a_beat_that_is_not_wholly_there_is_left_out() -> None:
    torch.testing.assert_close(mean_beat(beating([10, 200, 400, 600, 990]))[0, 0], pulse(), rtol=0, atol=1e-5)


def test_a_flat_window_has_a_beat_of_zeros_and_an_embedding() -> None:
    flat = torch.zeros(2, 1, 1000)
    assert torch.equal(mean_beat(flat), torch.zeros(2, 1, SAMPLES))
    assert torch.isfinite(build("beat").eval()(flat)).all()


def test_leads_are_cut_at_the_same_moments() -> None:
    one = beating([100, 250, 400, 550, 700])
    both = torch.cat([one, -0.5 * one], dim=1)
    mean = mean_beat(both)
    torch.testing.assert_close(mean[:, 1], -0.5 * mean[:, 0])


@pytest.mark.parametrize("samples", [200, 333, 1000])
def test_windows_of_two_seconds_or_more_become_embeddings(samples: int) -> None:
    encoder = build("beat", leads=2).eval()
    assert encoder(torch.randn(3, 2, samples)).shape == (3, encoder.dim)


def test_shorter_windows_are_refused() -> None:
    with pytest.raises(EncoderError, match="200 samples or more, not 199"):
        build("beat")(torch.randn(1, 1, 199))


def test_gradients_reach_every_parameter_and_the_window() -> None:
    encoder, x = build("beat"), recorded().requires_grad_()
    encoder(x).square().mean().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []
    assert x.grad is not None
    assert x.grad.abs().max() > 0


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    encoder, x = build("beat").eval(), recorded()
    with torch.no_grad():
        torch.testing.assert_close(encoder(x)[2], encoder(x[2:3])[0], rtol=0, atol=1e-6)


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=8))
def test_the_place_of_the_greatest_is_the_first_of_several(rows: list[list[int]]) -> None:
    assert _greatest(torch.tensor(rows).float()).tolist() == [row.index(max(row)) for row in rows]


def test_what_comes_after_the_features_folds_into_a_head() -> None:
    encoder, x = build("beat", leads=2, seed=1).eval(), recorded(4).reshape(2, 2, 1000)
    head = torch.nn.Linear(encoder.dim, 3)
    ending = encoder.ending_in(head.weight.detach().double(), head.bias.detach().double())
    with torch.no_grad():
        torch.testing.assert_close(ending(encoder.shown(x)), head(encoder(x)), rtol=0, atol=1e-5)


def test_louder_windows_look_the_same() -> None:
    encoder, x = build("beat").eval(), recorded()
    with torch.no_grad():
        torch.testing.assert_close(encoder(7 * x), encoder(x), rtol=0, atol=1e-2)


def test_the_part_that_reads_one_lead_equals_the_whole() -> None:
    whole, x = build("beat", leads=12).eval(), recorded()
    single = for_lead(whole, "V2")
    with torch.no_grad():
        torch.testing.assert_close(whole(placed(x, torch.full((6,), 7))), single(x), rtol=0, atol=1e-4)


def test_it_is_restored_from_what_it_says_of_itself() -> None:
    encoder = build("beat", leads=2, seed=1)
    family, name = registry().describe(encoder)
    restored = registry().restore(family, encoder.config.to_json())
    restored.load_state_dict(encoder.state_dict(), assign=True)
    x = recorded(4).reshape(2, 2, 1000)
    assert name == "beat"
    assert torch.equal(restored.eval()(x), encoder.eval()(x))


def test_the_exported_graph_scores_as_torch_does_in_any_batch() -> None:
    encoder = build("beat", seed=2)
    for _ in range(3):
        encoder(recorded())  # moves the statistics of the norms
    classifier = Classifier(encoder, new_head(encoder.dim, HeadConfig()))
    ones = [1.0] * len(SCORE_NAMES)
    scorer = Scorer(Preprocessing(), classifier, Calibration(ones, [0.0] * len(SCORE_NAMES))).eval()
    session = onnxruntime.InferenceSession(export_graph(scorer), providers=["CPUExecutionProvider"])
    x = torch.cat([recorded()[:, 0], torch.zeros(1, 1000)])
    with torch.no_grad():
        expected = scorer(x).numpy()
    name = session.get_inputs()[0].name
    for rows in (slice(0, 7), slice(3, 4), slice(5, 7)):
        np.testing.assert_allclose(
            session.run(None, {name: x[rows].numpy()})[0], expected[rows], rtol=0, atol=1e-4
        )


def test_in_the_exported_graph_a_window_has_the_same_bits_in_any_batch() -> None:
    classifier = Classifier(build("beat", seed=2), new_head(192, HeadConfig()))
    ones = [1.0] * len(SCORE_NAMES)
    scorer = Scorer(Preprocessing(), classifier, Calibration(ones, [0.0] * len(SCORE_NAMES))).eval()
    session = onnxruntime.InferenceSession(export_graph(scorer), providers=["CPUExecutionProvider"])
    x, name = recorded(12)[:, 0].numpy(), session.get_inputs()[0].name
    (together,) = session.run(None, {name: x})
    for size in (1, 4, 6):
        parts = [session.run(None, {name: x[i : i + size]})[0] for i in range(0, 12, size)]
        assert np.array_equal(np.concatenate(parts).view(np.uint32), together.view(np.uint32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": 4}, "kernel must be odd"),
        ({"widths": 3}, "widths must be a list"),
        ({"widths": []}, "number of widths"),
        ({"widths": [0]}, "width must be"),
        ({"points": 0}, "points must be"),
        ({"dim": 0}, "dim must be"),
    ],
)
def test_an_impossible_configuration_is_refused(change: dict[str, object], message: str) -> None:
    shape = config("beat")
    with pytest.raises(EncoderError, match=message):
        type(shape).from_json(shape.to_json() | change)
