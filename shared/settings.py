"""The one settings object: typed, validated, and able to say where each value came from.

Weight, heaviest first: command line (``--set section.key=value``), environment
(``SELFMIS_SECTION_KEY``), a TOML file (``--config``, ``SELFMIS_CONFIG`` or
``./selfmis.toml``), the defaults below. Anything unknown or impossible is one
line of `SettingsError` before anything starts.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

from pydantic import (
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shared.errors import SelfmisError
from shared.sections import (
    AlarmSettings,
    ApiSettings,
    EngineSettings,
    GatewaySettings,
    IngestSettings,
    MonitorSettings,
    RedisSettings,
    Section,
    StreamSettings,
    WatchSettings,
    WebhookSettings,
    WindowSettings,
)

ENV_PREFIX = "SELFMIS_"
CONFIG_VARIABLE = "SELFMIS_CONFIG"
DEFAULT_FILE = Path("selfmis.toml")
# Read by us but not settings of the product.
OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, "SELFMIS_REVISION", "SELFMIS_TEST_DATA"})


class SettingsError(SelfmisError):
    """A setting is unknown or impossible."""


class Settings(BaseSettings):
    """All settings. Build it with `load`, which knows the sources and words the errors."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )
    redis: RedisSettings = RedisSettings()
    stream: StreamSettings = StreamSettings()
    window: WindowSettings = WindowSettings()
    ingest: IngestSettings = IngestSettings()
    engine: EngineSettings = EngineSettings()
    monitor: MonitorSettings = MonitorSettings()
    gateway: GatewaySettings = GatewaySettings()
    api: ApiSettings = ApiSettings()
    webhook: WebhookSettings = WebhookSettings()
    alarm: AlarmSettings = AlarmSettings()
    watch: WatchSettings = WatchSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` reads the sources one by one, to know which of them gave each value.
        return (init_settings,)


@dataclass(frozen=True)
class Loaded:
    """The settings in force and, for each ``section.key``, the source that gave it."""

    settings: Settings
    origin: Mapping[str, str]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """(``section.key``, value as shown to people, origin, description), in order of definition."""
        rows = []
        for section, section_field in Settings.model_fields.items():
            values = getattr(self.settings, section)
            for key, field in section_type(section_field.annotation).model_fields.items():
                name = f"{section}.{key}"
                origin = self.origin.get(name, "default")
                rows.append((name, shown(getattr(values, key)), origin, field.description or ""))
        return rows


def section_type(annotation: Any) -> type[Section]:
    """The section class behind a field of `Settings`."""
    assert isinstance(annotation, type)  # noqa: S101 - a fact of this module, for the type checker
    assert issubclass(annotation, Section)  # noqa: S101 - for the type checker
    return annotation


def shown(value: object) -> str:
    """A value for people: secrets and passwords inside URLs are hidden."""
    if value is None:
        return "(unset)"
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else "(empty)"
    text = str(value)
    return _masked(text) if "://" in text else text


def _masked(url: str) -> str:
    # Not urlsplit: a password that was not percent-encoded may hold anything, and must not show either.
    scheme, _, rest = url.partition("://")
    user_info, at, place = rest.rpartition("@")
    if ":" in user_info:
        user_info = user_info.partition(":")[0] + ":********"
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1********", f"{scheme}://{user_info}{at}{place}")


def load(
    *,
    config: str | Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read every source, refuse what is unknown or impossible, and remember where each value came from."""
    environ = os.environ if environ is None else environ
    merged: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    for where, values in (
        _from_file(config, environ),
        _from_environment(environ),
        _from_overrides(overrides),
    ):
        for section, entries in values.items():
            for key, value in entries.items():
                merged.setdefault(section, {})[key] = value
                origin[f"{section}.{key}"] = where.format(section=section.upper(), key=key.upper())
    try:
        return Loaded(Settings.model_validate(merged), origin)
    except ValidationError as error:
        raise SettingsError(_one_line(error, origin)) from None


_Values = dict[str, dict[str, Any]]


def _known() -> dict[str, tuple[str, ...]]:
    return {
        section: tuple(section_type(field.annotation).model_fields)
        for section, field in Settings.model_fields.items()
    }


def _names() -> list[str]:
    return [f"{section}.{key}" for section, keys in _known().items() for key in keys]


def _secrets() -> set[str]:
    """The settings whose value is never shown, not even a wrong one."""
    return {
        f"{section}.{key}"
        for section, field in Settings.model_fields.items()
        for key, entry in section_type(field.annotation).model_fields.items()
        if SecretStr in (entry.annotation, *get_args(entry.annotation))
    }


def _unknown(name: str, where: str, known: Sequence[str]) -> SettingsError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `selfmis config` lists all settings"
    return SettingsError(f"unknown setting {name} in {where}{hint}")


def _from_file(config: str | Path | None, environ: Mapping[str, str]) -> tuple[str, _Values]:
    asked = config if config is not None else environ.get(CONFIG_VARIABLE)
    path = Path(asked) if asked else DEFAULT_FILE
    if not asked and not path.exists():
        return "", {}
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=_readable(path))()
    except (ValueError, RecursionError) as error:  # TOML's own, bytes that are no text, numbers without end
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from None
    for section, entries in values.items():
        if section not in _known():
            raise _unknown(section, f"file {path}", list(_known()))
        if not isinstance(entries, dict):
            raise SettingsError(f"{section} in file {path} must be a table: write [{section}] above its keys")
        for key in entries:
            if key not in _known()[section]:
                raise _unknown(f"{section}.{key}", f"file {path}", _names())
    return f"file {path}", values


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise SettingsError(f"settings file {path} cannot be read: {error.strerror}") from None
    return path


class _Environment(EnvSettingsSource):
    """The environment source over a mapping that the caller hands in."""

    environ: ClassVar[Mapping[str, str]] = {}

    def _load_env_vars(self) -> Mapping[str, str | None]:
        # Names count as written: a lower-case one is somebody else's variable, and no check of ours has seen it.
        return {name.lower(): value for name, value in self.environ.items() if name.startswith(ENV_PREFIX)}


def _from_environment(environ: Mapping[str, str]) -> tuple[str, _Values]:
    variables = [f"{ENV_PREFIX}{name.replace('.', '_').upper()}" for name in _names()]
    for name in environ:
        if name.startswith(ENV_PREFIX) and name not in OTHER_VARIABLES and name not in variables:
            raise _unknown(name, "the environment", variables)
    source = type("_Bound", (_Environment,), {"environ": environ})
    return "environment " + ENV_PREFIX + "{section}_{key}", source(Settings)()


def _from_overrides(overrides: Sequence[str]) -> tuple[str, _Values]:
    values: _Values = {}
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise SettingsError(f"--set {override}: write it as SECTION.KEY=VALUE")
        if name not in _names():
            raise _unknown(name, "--set", _names())
        section, _, key = name.partition(".")
        values.setdefault(section, {})[key] = value
    return "command line", values


def _one_line(error: ValidationError, origin: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    message = first["msg"].removeprefix("Value error, ")
    if len(first["loc"]) == 1:  # settings that do not fit each other
        return f"settings of {name}: {message}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    value = "********" if name in _secrets() else shown(str(first["input"]))
    return f"{name} = {value!r} from {origin.get(name, 'default')}: {message}{more}"
