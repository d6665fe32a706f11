"""What may happen to a recording and leaves its meaning as it is: crops, blanks, and the troubles of wearables.

All of it works on pre-processed windows, many at once, with chance that belongs to each row.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.signal import NORMALISE_FLOOR_MV, RATE_HZ, bandpass_matrix
from training.methods.chance import Chance
from training.methods.options import Options, within

_TROUBLES = 6


@dataclass(frozen=True, kw_only=True)
class DisturbanceOptions(Options):
    """How the windows that an encoder is trained on are disturbed; not at all, by default.

    Crops and blanks are the augmentations found best for contrasting ECGs in arXiv 2103.12676.
    """

    crop: float = 1.0
    """A window may lose all but this share of its time; the rest is stretched to its length. 1: none is lost."""
    blank: float = 0.0
    """A stretch of up to this share of a window becomes zeros."""
    wearable: float = 0.0
    """How likely each of a wearable's troubles is: muscle noise, wander, a shifting electrode, changing gain, a
    clock that is off, lost packets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "crop", 0.1, 1)
        within(self, "blank", 0, 0.9)
        within(self, "wearable", 0, 1)


def disturbed(windows: Tensor, options: DisturbanceOptions, chance: Chance) -> Tensor:
    """The windows (n × leads × samples) as the options say; all leads of a row suffer at the same moments."""
    if options.crop < 1:
        windows = cropped(windows, chance, options.crop)
    if options.wearable > 0:
        windows = worn(windows, chance, options.wearable)
    if options.blank > 0:
        windows = blanked(windows, chance, options.blank)
    return windows


def cropped(windows: Tensor, chance: Chance, least: float) -> Tensor:
    """A part of each window, at least ``least`` of it, stretched to the whole length."""
    samples = windows.shape[-1]
    kept = chance.between(least, 1)
    start = chance.uniform() * (1 - kept)
    places = torch.linspace(0, 1, samples, device=windows.device)
    return _read_at(windows, (start[:, None] + kept[:, None] * places) * (samples - 1))


def blanked(windows: Tensor, chance: Chance, most: float) -> Tensor:
    """Zeros in a stretch of each window, up to ``most`` of it."""
    return windows * ~_stretch(windows.shape[-1], chance, most)[:, None]


def worn(windows: Tensor, chance: Chance, probability: float) -> Tensor:
    """The windows as a wearable might have sent them, pre-processed again; undisturbed rows stay as they are."""
    _, leads, samples = windows.shape
    happens = (chance.uniform(_TROUBLES) < probability)[:, :, None, None].unbind(dim=1)
    noise, wander, motion, gain, clock, loss = happens
    time = torch.arange(samples, device=windows.device) / RATE_HZ
    length = samples / RATE_HZ

    worse = windows
    slow = _wave(chance, time, 0.02, 0.3)[:, None]
    worse = torch.where(gain, worse * (1 + chance.between(0, 0.4)[:, None, None] * slow), worse)
    decibel = chance.between(6, 24)[:, None, None]
    worse = torch.where(noise, worse + chance.normal(leads, samples) * 10 ** (-decibel / 20), worse)
    drift = _wave(chance, time, 0.1, 0.5) + _wave(chance, time, 0.3, 1.0)
    worse = torch.where(wander, worse + (chance.between(0.2, 3)[:, None] * drift)[:, None], worse)
    since = time - chance.between(0, length)[:, None]
    step = (since >= 0) * torch.exp(-since.clamp(min=0) / chance.between(0.1, 1)[:, None])
    size = chance.between(1, 5) * torch.where(chance.uniform() < 0.5, -1.0, 1.0)
    worse = torch.where(motion, worse + (size[:, None] * step)[:, None], worse)
    middle = (samples - 1) / 2
    rate = chance.between(0.98, 1.02)[:, None]
    numbers = torch.arange(samples, device=windows.device)
    places = (middle + (numbers - middle) * rate).clamp(0, samples - 1)
    worse = torch.where(clock, _read_at(worse, places), worse)
    worse = torch.where(loss, _bridged(worse, _stretch(samples, chance, 0.1)), worse)

    with torch.autocast(windows.device.type, enabled=False):  # a filter in eight bits would be noise of its own
        again = normalised((worse - worse[..., :1]).float() @ _matrix(windows.device))
    return torch.where(sum(happens) > 0, again, windows)  # type: ignore[arg-type]  # a sum of tensors is one


def normalised(windows: Tensor) -> Tensor:
    """Each lead's root mean square is one, as after pre-processing; what is flat becomes zeros."""
    power = windows.square().mean(dim=-1, keepdim=True)
    return windows / (power + NORMALISE_FLOOR_MV**2).sqrt()


@functools.cache
def _matrix(device: torch.device) -> Tensor:
    """The band-pass, once on each device."""
    return torch.tensor(bandpass_matrix(), device=device)


def _wave(chance: Chance, time: Tensor, slowest_hz: float, fastest_hz: float) -> Tensor:
    """A sine (rows × samples) of some frequency and phase for each row."""
    rate, phase = chance.between(slowest_hz, fastest_hz)[:, None], chance.uniform()[:, None]
    return (2 * math.pi * (rate * time + phase)).sin()


def _stretch(samples: int, chance: Chance, most: float) -> Tensor:
    """Where (rows × samples) a stretch of up to ``most`` of the window is."""
    share = chance.uniform() * most
    start = (chance.uniform() * (1 - share))[:, None] * samples
    numbers = torch.arange(samples, device=start.device)
    return (numbers >= start) & (numbers < start + share[:, None] * samples)


def _bridged(windows: Tensor, missing: Tensor) -> Tensor:
    """A straight line over what is missing, as serving draws it where packets were lost."""
    samples = windows.shape[-1]
    numbers = torch.arange(samples, device=windows.device)
    before = torch.where(missing, -1, numbers).cummax(dim=1).values
    after = torch.where(missing, samples, numbers).flip(1).cummin(dim=1).values.flip(1)
    before, after = before.where(before >= 0, after), after.where(after < samples, before)
    share = (numbers - before) / (after - before).clamp(min=1)
    left, right = (
        windows.gather(2, at.clamp(0, samples - 1)[:, None].expand_as(windows)) for at in (before, after)
    )
    return left + share[:, None] * (right - left)


def _read_at(windows: Tensor, places: Tensor) -> Tensor:
    """The windows read at fractional places (rows × samples), in straight lines between samples."""
    left = places.floor().to(torch.int64).clamp(0, windows.shape[-1] - 2)
    share = (places - left)[:, None]
    first, second = (windows.gather(2, at[:, None].expand_as(windows)) for at in (left, left + 1))
    return first + share * (second - first)
