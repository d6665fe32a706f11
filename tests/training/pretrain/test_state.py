import pytest
import torch
from torch import nn

from training.pretrain.state import Position, StateError, pack, unpack


def trained(width: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(width, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, width)).sum().backward()
    optimiser.step()
    return model, optimiser


def test_everything_comes_back_as_it_was_packed() -> None:
    model, optimiser = trained()
    position = Position(2, 7, {"loss": 0.1 + 0.2}, 3.5, [{"epoch": 1, "validation": {"score": None}}], 1)
    state = unpack(pack(model, optimiser, position, {"weight": torch.ones(2)}))
    other, fresh = trained()
    state.into_model(other)
    state.into_optimiser(fresh)
    assert state.position == position
    assert torch.equal(state.final["weight"], torch.ones(2))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    before, after = (o.state_dict()["state"] for o in (optimiser, fresh))
    assert all(torch.equal(before[i][name], after[i][name]) for i in before for name in before[i])


def test_a_checkpoint_of_another_shape_is_one_line() -> None:
    state = unpack(pack(*trained(3), Position(), {}))
    with pytest.raises(StateError, match="does not fit this run") as refused:
        state.into_model(nn.Linear(4, 2))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_checkpoint_that_was_cut_short_is_refused(keep: int) -> None:
    with pytest.raises(StateError, match="damaged or not ours"):
        unpack(pack(*trained(), Position(), {})[:keep])
