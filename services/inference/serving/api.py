"""The `Api` replica: the HTTP application behind Serve's proxy. Stateless; any replica answers."""

import logging
from collections.abc import Sequence
from typing import Any

from ray.serve.context import _get_global_client  # Serve tells a replica nowhere else what its proxy listens on
from ray.serve.handle import DeploymentHandle

from services.inference.api.access import Access
from services.inference.api.app import make_app
from shared.artefact import shipped
from shared.errors import SelfmisError
from shared.redis.connection import Client, connect
from shared.settings import load as load_settings


class Api:
    """One replica. Holds the monitor's handle only so that Serve deploys both as one application.

    Refuses to start (one line) where anybody could reach it and no token is set.
    """

    def __init__(
        self, url: str | None, model: str | None, overrides: Sequence[str], monitor: DeploymentHandle[Any]
    ) -> None:
        self._monitor = monitor
        self._settings = load_settings(overrides=overrides).settings
        self._model = model or str(shipped(self._settings.window.lead))
        self._url = url or self._settings.redis.url
        if self._url is None:
            raise SelfmisError("an Api needs a Redis: set redis.url (SELFMIS_REDIS_URL)")
        self._access = Access.of(self._settings.api)
        host = _proxy_host()
        if host is not None:
            self._access.check_address(host)
        _log_with_serve()

    def __serve_build_asgi_app__(self) -> Any:
        """The application; its connection is made at the first request that needs one."""
        url, timeout_s = self._url or "", self._settings.redis.timeout_s

        def connected() -> Client:
            return connect(url, timeout_s=timeout_s)

        return make_app(connected, self._settings, self._model, self._access)


def _log_with_serve() -> None:
    """What the API logs (a line a request, without patients) goes where Serve's own lines go, at its level."""
    serve, ours = logging.getLogger("ray.serve"), logging.getLogger("services.inference.api")
    ours.setLevel(serve.getEffectiveLevel())
    ours.handlers = list(serve.handlers)
    ours.propagate = False


def _proxy_host() -> str | None:
    """The address that Serve's proxies listen on; None where there are none."""
    client = _get_global_client()
    if client is None:
        raise SelfmisError("an Api runs in Ray Serve only: nothing else tells it what its proxy listens on")
    host = client.http_config.host
    return None if host is None else str(host)
