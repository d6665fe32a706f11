"""The Serve application: Monitor replicas that pull, and the API beside them. `deploy/serve.yaml` names `build`.

Serve is told how many replicas there are and nothing about shards: replicas divide them among
themselves (`services.inference.ownership`), so scaling is changing a number.
"""

from pydantic import BaseModel, ConfigDict
from ray.serve import Application

from services.inference.serving.api import Api
from services.inference.serving.monitor import Monitor


class Arguments(BaseModel):
    """What `args` in the config may say. Passwords belong into SELFMIS_REDIS_URL of the replicas' environment."""

    model_config = ConfigDict(extra="forbid")

    model: str
    redis_url: str | None = None
    settings: dict[str, dict[str, str | int | float | bool]] = {}

    def overrides(self) -> list[str]:
        """The settings as ``section.key=value``."""
        return [f"{section}.{key}={value}" for section, keys in self.settings.items() for key, value in keys.items()]


def build(arguments: Arguments) -> Application:
    """The application for ``serve run deploy.app:build model=…`` and ``serve deploy deploy/serve.yaml``."""
    overrides = arguments.overrides()
    monitor = Monitor.bind(arguments.redis_url, arguments.model, overrides)
    return Api.bind(arguments.redis_url, arguments.model, overrides, monitor)
