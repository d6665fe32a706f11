"""The Serve application: Monitor replicas that pull, and the API beside them. `deploy/serve.yaml` names `build`.

Serve is told how many replicas there are and nothing about shards: replicas divide them among
themselves (`services.inference.ownership`), so scaling is changing a number.
"""

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application, Deployment

from services.inference.serving.api import Api
from services.inference.serving.monitor import STOP_S, Monitor

# A replica that is asked to leave ends its step, commits and gives its leases back.
MONITOR: Deployment = serve.deployment(
    name="Monitor",
    health_check_period_s=1,
    health_check_timeout_s=10,
    graceful_shutdown_wait_loop_s=0.1,
    graceful_shutdown_timeout_s=STOP_S + 5,
    ray_actor_options={"num_cpus": 1},
)(Monitor)
# Streams stay open: with Serve's default of five requests at a time a handful of screens would lock everybody out.
API: Deployment = serve.deployment(name="Api", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})(
    serve.ingress()(Api)
)


class Arguments(BaseModel):
    """What `args` in the config may say. Passwords belong into SELFMIS_REDIS_URL of the replicas' environment."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None  # a model folder, on every node; absent: the shipped one for `window.lead`
    redis_url: str | None = None
    settings: dict[str, dict[str, str | int | float | bool]] = {}

    def overrides(self) -> list[str]:
        """The settings as ``section.key=value``."""
        return [
            f"{section}.{key}={value}" for section, keys in self.settings.items() for key, value in keys.items()
        ]


def build(arguments: Arguments) -> Application:
    """The application for ``serve run deploy.app:build model=…`` and ``serve deploy deploy/serve.yaml``.

    Serve calls it with what `args` say and takes builders with exactly one parameter.
    """
    return bind(arguments, MONITOR)


def bind(arguments: Arguments, monitor: Deployment) -> Application:
    """The application with this deployment of the monitor: `MONITOR`, or one made of it by ``options``."""
    overrides = arguments.overrides()
    bound = monitor.bind(arguments.redis_url, arguments.model, overrides)
    return API.bind(arguments.redis_url, arguments.model, overrides, bound)
