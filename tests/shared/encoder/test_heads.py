"""Heads turn embeddings into scores or points on the sphere."""

import pytest
import torch

from shared.encoder import EncoderError, HeadConfig, Projection, count_parameters, new_head
from shared.labels import SCORE_NAMES


def test_a_linear_head_is_a_probe_with_one_output_per_score() -> None:
    head = new_head(32, HeadConfig())
    assert head(torch.zeros(3, 32)).shape == (3, len(SCORE_NAMES))
    assert count_parameters(head) == 32 * 10 + 10


def test_an_mlp_head_has_one_hidden_layer() -> None:
    head = new_head(32, HeadConfig(kind="mlp", hidden=8, outputs=5))
    assert head(torch.zeros(3, 32)).shape == (3, 5)
    assert count_parameters(head) == 32 * 8 + 8 + 8 * 5 + 5


def test_dropout_acts_in_training_only() -> None:
    head = new_head(64, HeadConfig(dropout=0.5))
    x = torch.ones(1, 64)
    assert torch.equal(head.eval()(x), head.eval()(x))
    torch.manual_seed(0)
    assert not torch.equal(head.train()(x), head(x))


def test_equal_seeds_give_equal_heads() -> None:
    one, same = (new_head(8, HeadConfig(), seed=4).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], same[name]) for name in one)


@pytest.mark.parametrize("hidden", [None, 24])
def test_a_projection_lies_on_the_unit_sphere(hidden: int | None) -> None:
    points = Projection(16, 8, hidden=hidden)(torch.randn(5, 16))
    torch.testing.assert_close(points.norm(dim=-1), torch.ones(5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "forest"}, "kind must be"),
        ({"kind": ["linear"]}, "kind must be"),
        ({"outputs": 0}, "outputs"),
        ({"hidden": 10**9}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": float("nan")}, "dropout"),
        ({"dropout": "0.1"}, "dropout"),
        ({"extra": 1}, "unknown 'extra'"),
    ],
)
def test_an_impossible_head_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        HeadConfig.from_json(HeadConfig().to_json() | change)


def test_an_impossible_projection_is_refused() -> None:
    with pytest.raises(EncoderError, match="projection to"):
        Projection(16, 0)
