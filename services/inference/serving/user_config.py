"""``user_config`` of a Serve config: what may change while replicas run, and the settings it comes to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import SelfmisError
from shared.settings import Settings
from shared.settings import load as load_settings


class ConfigRefused(SelfmisError):
    """A ``user_config`` that a replica cannot follow."""


class Changeable(BaseModel):
    """``user_config``: what may change while replicas run. What it leaves out is as ``args`` say."""

    model_config = ConfigDict(extra="forbid")

    alarm: dict[str, str | int | float | bool | None] = {}
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What is to be in force. ``model`` None: the one that ``args`` name."""

    settings: Settings
    model: str | None


def changed(config: Mapping[str, Any], overrides: Sequence[str]) -> Changed:
    """The settings of ``overrides`` (``section.key=value``) with those of a config over them.

    Refuses, in one line, what is no such config (`ConfigRefused`) or an impossible setting (`SettingsError`).
    """
    try:
        wanted = Changeable.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        raise ConfigRefused(f"user_config: {name}: {first['msg']} (it may hold alarm and model)") from None
    extra = [f"alarm.{key}={value}" for key, value in wanted.alarm.items() if value is not None]
    return Changed(load_settings(overrides=[*overrides, *extra]).settings, wanted.model)
