"""Encoders are found by name, and another family needs no change elsewhere."""

from dataclasses import dataclass

import pytest
import torch

from shared.encoder import Config, Encoder, EncoderError, Family, Registry, build, names, registry


@dataclass(frozen=True, kw_only=True)
class PooledConfig(Config):
    dim: int = 4


class Pooled(Encoder):
    def __init__(self, config: PooledConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.dim
        self.layer = torch.nn.Linear(config.leads, config.dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.mean(-1))


POOLED = Family("pooled", PooledConfig, Pooled, {"pooled4": PooledConfig()})


def test_the_three_sizes_are_known() -> None:
    assert {"small", "mid", "full"} <= set(names())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(EncoderError, match="no encoder 'huge'; there are beat, small, mid, full"):
        build("huge")


def test_an_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(EncoderError, match=r"no encoder family 'vgg'; there are .*net1d"):
        registry().restore("vgg", {})


def test_another_family_joins_by_registering() -> None:
    wider = registry().register(POOLED)
    assert wider.build("pooled4", leads=2)(torch.zeros(3, 2, 100)).shape == (3, 4)
    assert "pooled4" not in registry().names()


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(EncoderError, match="two encoders are called 'pooled'"):
        Registry().register(POOLED, POOLED)


def test_an_encoder_tells_its_family_and_size() -> None:
    assert registry().describe(build("mid", leads=12)) == ("net1d", "mid")


def test_an_encoder_of_an_unregistered_family_is_refused() -> None:
    with pytest.raises(EncoderError, match="no registered family"):
        registry().describe(Pooled(PooledConfig()))


def test_a_restored_encoder_costs_no_memory_until_it_has_weights() -> None:
    encoder = build("small", leads=2)
    restored = registry().restore("net1d", encoder.config.to_json())
    assert all(p.is_meta for p in restored.parameters())
    restored.load_state_dict(encoder.state_dict(), assign=True)
    x = torch.randn(2, 2, 1000)
    assert torch.equal(restored.eval()(x), encoder.eval()(x))
