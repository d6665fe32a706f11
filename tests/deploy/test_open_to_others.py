"""Serve as the config file leaves it, behind an address that others can reach: the shipped model, and tokens."""

import os

import httpx
import pytest
from ray import serve

from deploy.app import Arguments
from deploy.local import LocalError, launch, local_ray
from shared.artefact import load, shipped
from shared.ports import free_port
from tests.deploy.house import FAIL_AT_ONCE, ROOT, SETTINGS

TOKEN = "a-token-of-the-ward"


def test_an_api_that_others_can_reach_needs_a_token_but_no_model_of_ones_own(redis_url: str) -> None:
    port = free_port()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **FAIL_AT_ONCE}
    arguments = Arguments(redis_url=redis_url, settings=SETTINGS)
    with local_ray(cpus=4, host="0.0.0.0", port=port, environ=environ):  # noqa: S104 - that is the point
        with pytest.raises(LocalError, match=r"Api: the API would be open to everybody on 0\.0\.0\.0: set "):
            launch(arguments, replicas=1)
        serve.delete("selfmis")
        launch(arguments.model_copy(update={"settings": {**SETTINGS, "api": {"act_token": TOKEN}}}), replicas=1)
        url, known = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{url}/api/session").status_code == 401
        assert httpx.get(f"{url}/api/session", headers=known).json()["role"] == "act"
        metrics = httpx.get(f"{url}/metrics", headers=known).text
    manifest = load(shipped("I")).manifest
    (told,) = [line for line in metrics.splitlines() if line.startswith("selfmis_model_info{")]
    assert f'name="{manifest.name}"' in told
    assert f'version="{manifest.version}"' in told
