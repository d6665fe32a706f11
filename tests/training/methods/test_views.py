import dataclasses
import math
from typing import Any

import pytest
import torch

from shared.encoder import build, names, registry
from shared.frames import LEADS
from training.methods import Batch, Chance, MethodError, Setup
from training.methods.one_lead import for_lead
from training.methods.views import View, ViewOptions, leads_without, placed, visible

ROWS = 40


def batch(windows: torch.Tensor, context: torch.Tensor | None = None) -> Batch:
    chance = Chance.of(torch.arange(len(windows)), 5)
    return Batch(windows=windows, rows=len(windows), first=0, chance=chance, context=context)


def view(lead: str = "II", **options: Any) -> View:
    chosen = ViewOptions(**options)
    inputs = 12 if chosen.any_lead else 1
    return View(chosen, Setup(build("small", leads=inputs), (), 0, lead=lead))


def test_by_default_a_student_is_shown_its_lead() -> None:
    windows = torch.randn(ROWS, 1, 1000)
    assert view().training(batch(windows)) is windows
    assert view().plain(windows) is windows


def test_a_student_of_any_lead_is_shown_one_at_its_place() -> None:
    windows = torch.randn(ROWS, 12, 1000)
    shown = view(any_lead=True).training(batch(windows))
    there = shown.abs().amax(dim=-1) > 0
    assert there.sum(dim=1).tolist() == [1] * ROWS
    assert len(set(there.float().argmax(dim=1).tolist())) > 8
    assert torch.allclose(shown[there], math.sqrt(12) * windows[there])


def test_in_use_it_is_shown_the_lead_of_its_plan() -> None:
    windows = torch.randn(3, 12, 1000)
    assert torch.equal(
        view("V2", any_lead=True).plain(windows), placed(windows[:, 7:8], torch.full((3,), LEADS.index("V2")))
    )


def test_a_virtual_lead_is_mixed_from_the_others_alone() -> None:
    context = torch.zeros(ROWS, 12, 1000)
    context[:, LEADS.index("II")] = torch.randn(ROWS, 1000)
    own = torch.nn.functional.normalize(torch.randn(ROWS, 1, 1000), dim=-1) * math.sqrt(1000)
    assert torch.allclose(view(virtual=0.5).training(batch(own, context)), own, atol=1e-3)


def test_a_virtual_lead_differs_by_about_its_size() -> None:
    own, context = torch.randn(ROWS, 1, 1000), torch.randn(ROWS, 12, 1000)
    added = view(virtual=0.5).training(batch(own, context))
    alike = torch.nn.functional.cosine_similarity(added, own, dim=-1)
    assert float(alike.mean()) == pytest.approx(1 / math.sqrt(1.25), abs=0.05)


def test_what_is_visible_is_as_loud_as_all_leads_together() -> None:
    windows = torch.ones(2, 12, 1000)
    shown = torch.zeros(2, 12, dtype=torch.bool)
    shown[0, :3], shown[1] = True, True
    assert visible(windows, shown).square().sum(dim=1).mean(dim=1).tolist() == pytest.approx([12, 12])


def test_a_hidden_lead_is_zeros() -> None:
    assert (leads_without("II").flatten() == 0).nonzero().tolist() == [[1]]
    assert leads_without(None).sum() == 12


def test_options_say_what_they_need() -> None:
    from training.methods import Needs

    assert ViewOptions(any_lead=True, virtual=0.3).needs(Needs()) == Needs(all_leads=True, one_of_twelve=True)
    assert ViewOptions(virtual=0.3).needs(Needs()) == Needs(context=True)


@pytest.mark.parametrize("lead", ["I", "AVL", "V6"])
def test_the_part_for_a_lead_gives_what_the_whole_gives_for_that_lead(lead: str) -> None:
    whole = build("small", leads=12, seed=3)
    with torch.no_grad():
        whole(torch.randn(16, 12, 1000))  # statistics of their own in the norms
        whole.eval()
        single = torch.randn(5, 1, 1000)
        expected = whole(placed(single, torch.full((5,), LEADS.index(lead))))
        found = for_lead(whole, lead)(single)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("family", [f for f in registry().families if f.sizes], ids=lambda family: family.name)
def test_every_family_can_be_cut_down_to_one_lead(family: Any) -> None:
    sizes = family.sizes
    smallest = min(sizes, key=lambda name: len(str(sizes[name].to_json())) + 10 * (name != "small"))
    assert for_lead(build(smallest, leads=12), "II").config == dataclasses.replace(sizes[smallest], leads=1)


def test_an_encoder_of_one_lead_has_no_part_for_a_lead() -> None:
    assert "small" in names()
    with pytest.raises(MethodError, match="cannot be cut down to one lead"):
        for_lead(build("small"), "I")
