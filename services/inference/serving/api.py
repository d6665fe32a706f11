"""The `Api` replica: the HTTP application behind Serve's proxy. Stateless; any replica answers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ray.serve.handle import DeploymentHandle

from services.inference.api.app import make_app
from shared.artefact import Manifest, verify
from shared.connection import Client, connect
from shared.errors import SelfmisError
from shared.settings import load as load_settings


class Api:
    """One replica. Holds the monitor's handle only so that Serve deploys both as one application."""

    def __init__(
        self, url: str | None, model: str, overrides: Sequence[str], monitor: DeploymentHandle[Any]
    ) -> None:
        self._monitor = monitor
        self._model = model
        self._settings = load_settings(overrides=overrides).settings
        self._url = url or self._settings.redis.url
        if self._url is None:
            raise SelfmisError("an Api needs a Redis: set redis.url (SELFMIS_REDIS_URL)")

    def __serve_build_asgi_app__(self) -> Any:
        """The application; its connection is made at the first request that needs one."""
        url, timeout_s, folder = self._url or "", self._settings.redis.timeout_s, self._model

        @lru_cache(maxsize=1)
        def client() -> Client:
            return connect(url, timeout_s=timeout_s)

        @lru_cache(maxsize=1)
        def manifest() -> Manifest:
            return verify(folder)

        return make_app(client, self._settings.stream.shards, manifest)
