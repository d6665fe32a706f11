"""What a student is shown of a record: its lead, disturbed or mixed with others, or any one lead of the twelve."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.frames import LEADS
from training.methods.contract import Batch, Setup, required
from training.methods.disturbances import DisturbanceOptions, disturbed, normalised
from training.methods.one_lead import start_alike
from training.methods.options import MethodError, Needs, within


@dataclass(frozen=True, kw_only=True)
class ViewOptions(DisturbanceOptions):
    """What a student is shown while it learns; its own lead and nothing else, by default."""

    virtual: float = 0.0
    """Virtual leads: a random mixture of the record's other leads is added, about this large; the lead is 1."""
    any_lead: bool = False
    """One student for every single lead: each row shows a lead drawn at random, and the encoder knows which."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "virtual", 0, 2)

    def needs(self, base: Needs) -> Needs:
        """All leads, if others than the student's are to be shown or mixed in."""
        base = super().needs(base)
        mixes = self.virtual > 0 and not self.any_lead
        return dataclasses.replace(
            base,
            all_leads=base.all_leads or self.any_lead,
            one_of_twelve=base.one_of_twelve or self.any_lead,
            context=base.context or mixes,
        )


class View:
    """From a batch to what the encoder reads."""

    def __init__(self, options: ViewOptions, setup: Setup) -> None:
        self.options = options
        self.lead = LEADS.index(setup.lead)
        inputs = setup.encoder.config.leads
        if inputs != (len(LEADS) if options.any_lead else 1):
            raise MethodError(f"the student's encoder has {inputs} inputs: it cannot be shown one lead")
        if options.any_lead:
            start_alike(setup.encoder)

    def training(self, batch: Batch) -> Tensor:
        """The share's windows while the encoder learns."""
        windows, options = batch.windows, self.options
        which = torch.full((len(windows),), self.lead, device=windows.device)
        if options.any_lead:
            which = batch.chance.below(len(LEADS))
            shown = windows[torch.arange(len(windows), device=windows.device), which][:, None]
        else:
            shown = windows
        if options.virtual > 0:
            others = windows if options.any_lead else required(batch.context, "context")
            shown = normalised(shown + _mixture(others, which, batch, options.virtual))
        shown = disturbed(shown, options, batch.chance)
        return placed(shown, which) if options.any_lead else shown

    def plain(self, windows: Tensor) -> Tensor:
        """The windows as the finished encoder will see them: the student's lead, undisturbed."""
        if not self.options.any_lead:
            return windows
        which = torch.full((len(windows),), self.lead, device=windows.device)
        return placed(windows[:, self.lead : self.lead + 1], which)


def placed(single: Tensor, which: Tensor) -> Tensor:
    """One lead a row (n × 1 × samples) on input ``which`` (n) of twelve, as loud as twelve; the rest is zeros."""
    place = torch.nn.functional.one_hot(which, len(LEADS)).to(single)
    return math.sqrt(len(LEADS)) * place[:, :, None] * single


def visible(windows: Tensor, shown: Tensor) -> Tensor:
    """All twelve leads, but those that are not ``shown`` (n × 12) zeros and the rest as loud as all together."""
    loudness = (len(LEADS) / shown.sum(dim=1, keepdim=True)).sqrt()
    return windows * (shown * loudness)[:, :, None]


def leads_without(hidden: str | None) -> Tensor:
    """Ones (12 × 1) for the leads that are shown, zero for the hidden one, which then looks like a flat lead."""
    return torch.tensor([[0.0 if lead == hidden else 1.0] for lead in LEADS])


def _mixture(others: Tensor, own: Tensor, batch: Batch, size: float) -> Tensor:
    """A random sum of all leads but the ``own`` one of each row (n × 1 × samples)."""
    weights = batch.chance.normal(len(LEADS)) * (size / math.sqrt(len(LEADS) - 1))
    weights = weights * (1 - torch.nn.functional.one_hot(own, len(LEADS)))
    return torch.einsum("nl,nls->ns", weights, others)[:, None]
