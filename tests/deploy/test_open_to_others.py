"""Serve behind an address that others can reach: without a token the API does not start."""

import os

import httpx
import pytest
from ray import serve

from deploy.app import Arguments
from deploy.local import LocalError, launch, local_ray
from shared.artefact import Model
from tests.deploy.house import ROOT, SETTINGS, a_free_port

TOKEN = "a-token-of-the-ward"


def test_an_api_that_others_can_reach_needs_a_token(redis_url: str, model: Model) -> None:
    port = a_free_port()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    arguments = Arguments(model=str(model.folder), redis_url=redis_url, settings=SETTINGS)
    with local_ray(cpus=4, host="0.0.0.0", port=port, environ=environ):  # noqa: S104 - that is the point
        with pytest.raises(LocalError, match=r"Api: the API would be open to everybody on 0\.0\.0\.0: set "):
            launch(arguments, replicas=1)
        serve.delete("selfmis")
        launch(arguments.model_copy(update={"settings": {**SETTINGS, "api": {"act_token": TOKEN}}}), replicas=1)
        url = f"http://127.0.0.1:{port}/api/session"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).json()["role"] == "act"
