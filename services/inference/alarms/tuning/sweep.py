"""Which rules to try, and which of them to take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pydantic import ValidationError

from services.inference.alarms.tuning.replay import ReplayError
from services.inference.alarms.tuning.trial import Result
from shared.sections import AlarmSettings

Value = float | int


@dataclass(frozen=True, slots=True)
class Target:
    """The most sensitive rules among those with at most so many false alarms per patient-hour."""

    false_per_hour: float


def rule_sets(base: AlarmSettings, sweep: Mapping[str, Sequence[Value]]) -> Iterator[AlarmSettings | None]:
    """Every combination of the swept settings over ``base``; None where one is impossible.

    What is not swept gives way where it must: medium and high rise to low, ``off`` falls to 0.7 × low, and as many
    windows end an alarm as the rules need. An unknown setting is a `ReplayError`.
    """
    unknown = [name for name in sweep if name not in AlarmSettings.model_fields]
    if unknown:
        raise ReplayError(f"no alarm setting {unknown[0]!r}; `selfmis config` lists them (alarm.…)")
    for values in product(*sweep.values()):
        chosen = base.model_dump() | dict(zip(sweep, values, strict=True))
        for name, least in (("medium", "low"), ("high", "medium")):
            if name not in sweep:
                chosen[name] = max(chosen[name], chosen[least])
        if "off" not in sweep:
            chosen["off"] = min(chosen["off"], round(0.7 * chosen["low"], 6))
        if "off_windows" not in sweep:
            chosen["off_windows"] = max(chosen["off_windows"], chosen["of_windows"] - chosen["on_windows"] + 1)
        try:
            yield AlarmSettings.model_validate(chosen)
        except ValidationError:
            yield None


def pick(results: Sequence[Result], target: Target) -> Result | None:
    """The result that meets the target best; None if none does.

    Of equally sensitive ones the faster, then the one with fewer false alarms, with less burden, the first.
    """
    fit = [r for r in results if r.false_per_hour <= target.false_per_hour and r.sensitivity is not None]
    return min(fit, key=_rank, default=None)


def _rank(result: Result) -> tuple[float, float, float, float]:
    delay = result.delay_s(0.5)
    return (
        -(result.sensitivity or 0.0),
        float("inf") if delay is None else delay,
        result.false_per_hour,
        result.burden,
    )
