"""Net1D keeps the contract of an encoder, at every size."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.encoder import EncoderError, build, config, count_macs, count_parameters, names
from shared.encoder.families.net1d import Net1D, Net1DConfig

TINY = Net1DConfig(stem_width=8, stem_kernel=7, widths=(8, 16), depths=(1, 2), kernel=4, group_width=4)
SIZES = ("small", "mid", "full")


def windows(n: int, leads: int = 1, samples: int = 1000, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, leads, samples, generator=torch.Generator().manual_seed(seed))


def by_hand(shape: Net1DConfig, samples: int) -> tuple[int, int]:
    """Parameters and MACs from the published recipe, written out a second time."""
    length = -(-samples // 2)
    parameters = shape.leads * shape.stem_width * shape.stem_kernel + 2 * shape.stem_width
    macs = shape.leads * shape.stem_width * shape.stem_kernel * length
    widths = (shape.stem_width, *shape.widths)
    for (before, width), depth in zip(pairwise(widths), shape.depths, strict=True):
        for block in range(depth):
            width_in = before if block == 0 else width
            out = -(-length // 2) if block == 0 else length
            narrow = width // shape.squeeze
            reduce, grouped, expand = width_in * width, width * shape.group_width * shape.kernel, width * width
            parameters += reduce + grouped + expand + 3 * 2 * width + 2 * width * narrow + narrow + width
            macs += reduce * length + (grouped + expand) * out + 2 * width * narrow
            length = out
    return parameters, macs


@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("size", SIZES)
def test_sizes_count_as_computed_by_hand(size: str, leads: int) -> None:
    shape = config(size, leads=leads)
    assert isinstance(shape, Net1DConfig)
    encoder = build(size, leads=leads)
    assert (count_parameters(encoder), count_macs(encoder, (leads, 1000))) == by_hand(shape, 1000)


@pytest.mark.parametrize(
    ("size", "parameters", "macs"),
    [("small", 449_888, 5_996_224), ("mid", 1_800_384, 35_968_768), ("full", 30_621_776, 236_785_664)],
)
def test_sizes_are_what_the_documentation_says(size: str, parameters: int, macs: int) -> None:
    encoder = build(size)
    assert (count_parameters(encoder), count_macs(encoder, (1, 1000))) == (parameters, macs)


def test_the_full_size_is_the_published_one() -> None:
    assert count_parameters(build("full", leads=12)) == pytest.approx(30.7e6, rel=0.01)


@pytest.mark.parametrize("leads", [1, 2, 12])
@pytest.mark.parametrize("size", ["small", "mid"])
def test_any_batch_of_windows_becomes_embeddings(size: str, leads: int) -> None:
    encoder = build(size, leads=leads).eval()
    for n in (1, 3):
        assert encoder(windows(n, leads)).shape == (n, encoder.dim)


@given(samples=st.integers(1, 70), kernel=st.integers(2, 9), stem_kernel=st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_any_length_and_kernel_fit_the_shortcut(samples: int, kernel: int, stem_kernel: int) -> None:
    shape = Net1DConfig(
        stem_width=4, stem_kernel=stem_kernel, widths=(4, 7), depths=(1, 2), kernel=kernel, group_width=1
    )
    assert Net1D(shape).eval()(windows(2, 1, samples)).shape == (2, 7)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_reach_every_parameter(size: str) -> None:
    encoder = build(size)
    encoder(windows(4)).square().mean().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_a_few_steps_learn_eight_windows_by_heart() -> None:
    torch.manual_seed(0)
    encoder = build("small")
    head = torch.nn.Linear(encoder.dim, 1)
    x, y = windows(8), torch.tensor([0.0, 1] * 4).unsqueeze(1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    losses = []
    for _ in range(25):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(encoder(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    one, same, other = (build("small", seed=seed)(windows(2)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("size", SIZES)
def test_an_untrained_encoder_tells_windows_apart(size: str) -> None:
    with torch.no_grad():
        embeddings = build(size).eval()(windows(8))
    assert 0.01 < embeddings.std(dim=0).mean() < 100


def test_building_leaves_the_generator_of_torch_alone() -> None:
    before = torch.random.get_rng_state()
    build("small", seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


@given(st.permutations(range(6)))
@settings(max_examples=10, deadline=None)
def test_permuting_rows_permutes_embeddings(order: list[int]) -> None:
    encoder = build("small").eval()
    x = windows(6)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x[order]), encoder(x)[order], rtol=0, atol=1e-6)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    encoder = build("small").eval()
    x = windows(5)
    with torch.no_grad():
        alone = torch.cat([encoder(row.unsqueeze(0)) for row in x])
        x_loud = x.clone()
        x_loud[1:] *= 1000
        torch.testing.assert_close(encoder(x), alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(encoder(x_loud)[0], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", names())
def test_a_configuration_survives_json(size: str) -> None:
    import json

    shape = config(size, leads=3)
    assert type(shape).from_json(json.loads(json.dumps(shape.to_json()))) == shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leads": 0}, "leads must be 1 to 12"),
        ({"leads": True}, "leads must be 1 to 12"),
        ({"widths": (16, 8)}, "widths must not shrink"),
        ({"widths": (16,)}, "1 widths but 2 depths"),
        ({"widths": (), "depths": ()}, "number of stages"),
        ({"widths": (16, "x")}, "width must be"),
        ({"widths": (16, 10**9)}, "width must be"),
        ({"widths": 16}, "widths must be a list"),
        ({"depths": (0, 1)}, "depth must be"),
        ({"kernel": 1}, "kernel must be"),
        ({"kernel": 3.5}, "kernel must be"),
        ({"group_width": 5}, "no multiple of group_width"),
        ({"squeeze": 0}, "squeeze must be"),
        ({"stem_width": 1}, "width must be"),
        ({"colour": 1}, "unknown 'colour'"),
    ],
)
def test_an_impossible_configuration_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        Net1DConfig.from_json(TINY.to_json() | change)


def test_a_missing_entry_is_refused() -> None:
    with pytest.raises(EncoderError, match="missing 'leads'"):
        Net1DConfig.from_json({k: v for k, v in TINY.to_json().items() if k != "leads"})


def test_weights_go_through_safetensors_and_back() -> None:
    from safetensors.torch import load, save

    trained = build("small", seed=1)
    trained(windows(8))  # moves the running statistics of the norms
    fresh = build("small", seed=2)
    fresh.load_state_dict(load(save(trained.state_dict())), strict=True)
    x = windows(3)
    assert torch.equal(fresh.eval()(x), trained.eval()(x))
