"""The part of a twelve-input encoder that reads one lead: an encoder of its own, equal where the rest is zeros.

The first layer of an encoder sums over its leads, each with weights of its own; so the weights of one lead are all
that there is to keep, and which lead it is has become a matter of which weights were kept.
"""

import math

import torch
from torch import Tensor

from shared.encoder import Encoder, registry
from shared.frames import LEADS
from training.methods.options import MethodError


def for_lead(encoder: Encoder, lead: str) -> Encoder:
    """``encoder`` of one input, which gives for ``x`` what the whole gives where ``x`` was placed on ``lead``.

    See `training.methods.views.placed`. Refuses an encoder that does not read twelve leads by one layer.
    """
    single, name = _single(encoder)
    at = LEADS.index(lead)
    state = {key: tensor.detach().clone() for key, tensor in encoder.state_dict().items()}
    state[name] = (state[name][:, at : at + 1] * math.sqrt(len(LEADS))).contiguous()
    single.load_state_dict(state, assign=True)
    return single.eval()


def start_alike(encoder: Encoder) -> None:
    """Give all leads the weights of the first: what one lead teaches is then of use to all from the start."""
    weight: Tensor = encoder.get_parameter(_single(encoder)[1])
    with torch.no_grad():
        weight.copy_(weight[:, :1].expand_as(weight))


def _single(encoder: Encoder) -> tuple[Encoder, str]:
    """The same encoder for one lead, without weights, and the name of the weights that differ."""
    family, _ = registry().describe(encoder)
    single = registry().restore(family, {**encoder.config.to_json(), "leads": 1})
    wanted = single.state_dict()
    differ = [name for name, tensor in encoder.state_dict().items() if tensor.shape != wanted[name].shape]
    if len(differ) != 1:
        raise MethodError(f"the encoder cannot be cut down to one lead: {len(differ)} layers read them")
    shape, one = encoder.state_dict()[differ[0]].shape, wanted[differ[0]].shape
    if len(shape) < 2 or shape[1] != len(LEADS) or one[1] != 1:
        raise MethodError(f"the encoder cannot be cut down to one lead: {differ[0]} is no sum over leads")
    return single, differ[0]
