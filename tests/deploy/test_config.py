"""The config files of ours, without a Ray: they are what Serve and the application take."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema

from deploy.app import Arguments, build
from deploy.local import complaint
from services.inference.serving.user_config import Changeable
from shared.settings import load
from tests.deploy.house import ROOT

FILES = ("serve.yaml", "serve-autoscaling.yaml")


def config(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / name).read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("name", FILES)
def test_a_config_is_valid_and_names_our_deployments_and_the_builder(name: str) -> None:
    (application,) = ServeDeploySchema.model_validate(config(name)).applications
    assert application.import_path == f"{build.__module__}:{build.__name__}"
    assert {deployment.name for deployment in application.deployments} == {"Monitor", "Api"}


@pytest.mark.parametrize("name", FILES)
def test_the_arguments_of_a_config_build_the_application_and_their_settings_are_possible(name: str) -> None:
    arguments = Arguments.model_validate(config(name)["applications"][0]["args"])
    load(environ={}, overrides=arguments.overrides())
    build(arguments)
    for deployment in config(name)["applications"][0]["deployments"]:
        Changeable.model_validate(deployment.get("user_config", {}))


@pytest.mark.parametrize("name", FILES)
def test_access_logs_stay_off_and_the_address_is_loopback(name: str) -> None:
    assert config(name)["logging_config"]["enable_access_log"] is False
    assert config(name)["http_options"]["host"] == "127.0.0.1"


def test_every_knob_of_the_serve_config_is_commented() -> None:
    lines = (ROOT / "deploy" / "serve.yaml").read_text(encoding="utf-8").splitlines()
    knobs = [line for line in lines if ":" in line and not line.lstrip().startswith("#")]
    bare = [line.strip() for line in knobs if "#" not in line]
    groups = [line for line in bare if line.endswith(":")]
    assert set(bare) - set(groups) == {
        "- name: selfmis",
        "import_path: deploy.app:build",
        "- name: Monitor",
        "- name: Api",
    }
    assert len(knobs) - len(bare) > 20


def test_an_argument_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="modle"):
        Arguments.model_validate({"model": "m", "modle": "n"})


def test_of_a_long_complaint_the_line_that_helps_is_told() -> None:
    text = "It failed.\nTraceback:\n  File x\nshared.artefact.errors.ArtefactError: model a: no such folder\n"
    assert complaint(text) == "model a: no such folder"
    assert complaint("a\n b") == "a b"
