import numpy as np
import pytest
import torch

from shared.signal import preprocess
from training.methods.chance import Chance
from training.methods.disturbances import DisturbanceOptions, blanked, cropped, disturbed, normalised, worn
from training.methods.options import MethodError

ROWS = 24
TIME = np.arange(1000) / 100


def beats(leads: int = 1) -> torch.Tensor:
    """Pre-processed windows of something that beats."""
    phases = np.linspace(0, 1, ROWS * leads)[:, None]
    waves = np.maximum(np.sin(2 * np.pi * (1.2 * TIME + phases)), 0) ** 8
    return torch.from_numpy(preprocess(waves.astype(np.float32))).reshape(ROWS, leads, 1000)


def chance(rows: int = ROWS) -> Chance:
    return Chance.of(torch.arange(rows), 7)


def test_by_default_nothing_is_disturbed() -> None:
    windows = beats()
    assert disturbed(windows, DisturbanceOptions(), chance()) is windows


@pytest.mark.parametrize(
    "options", [DisturbanceOptions(crop=0.5), DisturbanceOptions(wearable=0.5), DisturbanceOptions(blank=0.5)]
)
def test_a_row_suffers_the_same_whatever_batch_it_is_in(options: DisturbanceOptions) -> None:
    windows = beats(2)
    whole, part = (disturbed(windows[:n], options, chance(n)) for n in (ROWS, 3))
    assert torch.allclose(whole[:3], part, atol=1e-5)
    assert not torch.equal(whole, windows)


def test_a_crop_of_everything_is_the_window() -> None:
    assert torch.allclose(cropped(beats(), chance(), 1.0), beats(), atol=1e-4)


def test_a_crop_is_a_stretched_part() -> None:
    ramp = torch.linspace(0, 1, 1000).expand(ROWS, 1, 1000)
    found = cropped(ramp, chance(), 0.5)
    span = found[..., -1] - found[..., 0]
    assert float(span.min()) >= 0.499
    assert float(span.max()) < 1
    assert torch.allclose(found.diff(dim=-1), (span / 999)[..., None].expand(-1, -1, 999), atol=1e-5)


def test_a_blank_is_one_stretch_of_zeros_in_all_leads() -> None:
    found = blanked(torch.ones(ROWS, 2, 1000), chance(), 0.4)
    zeros = found[:, 0] == 0
    assert torch.equal(found[:, 0], found[:, 1])
    assert float(zeros.float().mean(dim=1).max()) < 0.402
    assert int((zeros.float().diff(dim=1) != 0).sum(dim=1).max()) <= 2


def test_a_worn_window_is_as_pre_processing_leaves_one() -> None:
    found = worn(beats(), chance(), 1.0)
    assert torch.allclose(found.square().mean(dim=-1), torch.ones(ROWS, 1), atol=1e-3)
    assert float(found.mean(dim=-1).abs().max()) < 1e-3


def test_a_worn_window_still_resembles_its_own() -> None:
    windows = beats()
    found = worn(windows, chance(), 0.3)
    alike = (normalised(windows) * found).mean(dim=-1)
    assert 0.2 < float(alike.median()) < 0.999


def test_what_does_not_happen_leaves_a_window_as_it_is() -> None:
    windows = beats()
    found = worn(windows, chance(), 0.1)
    untouched = (found == windows).all(dim=-1).flatten()
    assert 0 < int(untouched.sum()) < ROWS


@pytest.mark.parametrize(("name", "value"), [("crop", 0.0), ("blank", 1.0), ("wearable", 1.5)])
def test_what_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(MethodError, match=f"option {name} must be"):
        DisturbanceOptions(**{name: value})
