"""The alarm rules that were picked for a model, and how they meet the settings of whoever runs it."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from shared.sections import AlarmSettings
from shared.settings import Settings, SettingsError


class AlarmRules(BaseModel):
    """Of `AlarmSettings` what depends on the model: its scores decide which rules are good.

    Picked together (`selfmis alarms streams`), on records that the model did not learn from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    low: float
    medium: float
    high: float
    off: float
    smoothing: float
    on_windows: int
    of_windows: int
    off_windows: int

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            AlarmSettings.model_validate(self.model_dump())
        except ValidationError as error:
            raise ValueError(_first(error)) from None
        return self


def under(settings: Settings, rules: AlarmRules | None) -> Settings:
    """``settings`` with a model's rules in the place of the defaults; what somebody has set stays as it is.

    Refuses, in one line, settings that do not fit the rules of the model beside them.
    """
    if rules is None:
        return settings
    said = settings.alarm.model_dump(include=settings.alarm.model_fields_set)
    try:
        alarm = AlarmSettings.model_validate(rules.model_dump() | said)
    except ValidationError as error:
        names = ", ".join(sorted(f"alarm.{name}" for name in said if name in AlarmRules.model_fields))
        raise SettingsError(
            f"{names}: does not fit the rules of the model beside it ({_first(error)}): set those, too"
        ) from None
    return settings.model_copy(update={"alarm": alarm})


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
