"""The Kubernetes manifests against the schemas of their kinds and against what we promise of them."""

import os
import re
import shlex
import shutil
import subprocess
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from deploy.app import Arguments
from selfmis.cli import find
from shared.settings import load
from tests.deploy.manifests import (
    KUBERNETES,
    KUSTOMIZE,
    ROOT,
    ROOTS,
    all_pods,
    documents,
    faults,
    matches,
    named,
    pods,
    rendered,
    resource_files,
)

FILES = [str(path.relative_to(KUBERNETES)) for path in resource_files()]


@pytest.mark.parametrize("file", FILES)
def test_a_file_holds_what_the_schemas_of_its_kinds_allow(file: str) -> None:
    assert [fault for document in documents(KUBERNETES / file) for fault in faults(document)] == []


def test_every_file_is_used_and_every_file_used_is_there() -> None:
    used = set()
    for kustomization in KUBERNETES.rglob(KUSTOMIZE):
        (said,) = documents(kustomization)
        listed = said.get("resources", []) + said.get("components", [])
        listed += [patch["path"] for patch in said.get("patches", [])]
        listed += [file for each in said.get("configMapGenerator", []) for file in each["files"]]
        used |= {(kustomization.parent / each).resolve() for each in listed} | {kustomization}
    files = {path for path in KUBERNETES.rglob("*") if path.is_file()}
    assert {path for path in used if not path.exists()} == set()
    assert files - used == set()


@pytest.mark.parametrize("root", ROOTS)
def test_what_kustomize_makes_is_what_the_schemas_allow(root: str) -> None:
    assert [fault for document in rendered(root) for fault in faults(document)] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: spec.update(rayClusterConfg={}), "rayClusterConfg"),
        (lambda spec: spec["rayClusterConfig"]["headGroupSpec"].update(rayStartParams={"num-cpus": 0}), "string"),
        (lambda spec: spec["rayClusterConfig"]["workerGroupSpecs"][0].pop("maxReplicas"), "maxReplicas"),
        (lambda spec: container_of(spec)["resources"]["limits"].update(memory="4Gb"), "4Gb"),
        (lambda spec: container_of(spec)["securityContext"].update(runAsNonroot=True), "runAsNonroot"),
    ],
)
def test_a_slip_of_the_pen_is_found(change: Any, said: str) -> None:
    (service,) = documents(KUBERNETES / "base" / "rayservice.yaml")
    broken = deepcopy(service)
    change(broken["spec"])
    found = faults(broken)  # more than one where YAML's anchors repeat what was changed
    assert found
    assert all(said in fault for fault in found)


def container_of(spec: Any) -> Any:
    return spec["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("file", FILES)
def test_every_pod_is_restricted(file: str) -> None:
    for document in documents(KUBERNETES / file):
        for place, pod in pods(document):
            spec = pod["spec"]
            assert spec["automountServiceAccountToken"] is False, place
            security = spec["securityContext"]
            assert security["runAsNonRoot"] is True, place
            assert security["runAsUser"] > 0, place
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}, place
            assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, place
            allowed = {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}
            assert all(volume.keys() <= allowed | {"name"} for volume in spec.get("volumes", [])), place
            for container in spec["containers"] + spec.get("initContainers", []):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, place
                assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), place
                requested, limit = (container["resources"][w]["memory"] for w in ("requests", "limits"))
                if container["name"].startswith(("ray", "redis")):  # what is killed for memory costs most
                    assert requested == limit, place


@pytest.mark.parametrize("root", ROOTS)
def test_every_image_has_a_version(root: str) -> None:
    images = [container["image"] for _, pod in all_pods(root) for container in pod["spec"]["containers"]]
    assert images
    assert [image for image in images if not re.search(r":\d", image)] == []


def test_every_server_of_ours_is_probed() -> None:
    """Ray's pods are probed too: the operator puts in probes that know Ray."""
    probed = 0
    for file in FILES:
        for document in documents(KUBERNETES / file):
            if document["kind"] in {"Deployment", "StatefulSet"}:
                for container in document["spec"]["template"]["spec"]["containers"]:
                    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
                    probed += 1
    assert probed == 4


@pytest.mark.parametrize("file", FILES)
def test_no_secret_is_written_down(file: str) -> None:
    for document in documents(KUBERNETES / file):
        assert document["kind"] != "Secret"
        for place, pod in pods(document):
            for variable in (v for c in pod["spec"]["containers"] for v in c.get("env", [])):
                if re.search("URL|TOKEN|PASSWORD|SECRET", variable["name"]):
                    assert set(variable["valueFrom"]) == {"secretKeyRef"}, place


@pytest.mark.parametrize("file", FILES)
def test_every_variable_is_a_setting_and_every_command_exists(file: str) -> None:
    example = {"url": "redis://h:1", "gateway": "0123456789abcdef", "api": "0123456789abcdef"}
    example |= {"receivers": "https://pager.example/a https://other.example/b", "secret": "0123456789abcdef"}
    for document in documents(KUBERNETES / file):
        for _, pod in pods(document):
            for container in pod["spec"]["containers"]:
                variables = {
                    v["name"]: v["value"] if "value" in v else example[v["valueFrom"]["secretKeyRef"]["key"]]
                    for v in container.get("env", [])
                }
                load(environ=variables)
                if container["image"] == "selfmis-monitor" and "args" in container:
                    find(container["args"])


@pytest.mark.parametrize("root", ROOTS)
def test_nobody_is_reached_who_is_not_named(root: str) -> None:
    closed = named(root, "NetworkPolicy", "default-deny")["spec"]
    assert closed["podSelector"] == {}
    assert "Ingress" in closed["policyTypes"]
    assert closed.keys() == {"podSelector", "policyTypes"}


@pytest.mark.parametrize("root", ROOTS)
def test_selectors_select_and_ports_are_open(root: str) -> None:
    everything = [(pod["metadata"]["labels"], pod["spec"]["containers"]) for _, pod in all_pods(root)]
    for document in rendered(root):
        name, spec = f"{document['kind']}/{document['metadata']['name']}", document.get("spec", {})
        if document["kind"] == "NetworkPolicy":
            selector, rules = spec["podSelector"], spec.get("ingress", [])
        elif document["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
            selector, rules = spec["selector"], []
        elif document["kind"] == "Service":
            selector, rules = {"matchLabels": spec["selector"]}, []
        else:
            continue
        selected = [containers for labels, containers in everything if matches(selector, labels)]
        assert selected, f"{name} selects nothing"
        ports = {p["containerPort"] for containers in selected for c in containers for p in c["ports"]}
        asked = {port["port"] for rule in rules for port in rule.get("ports", [])}
        assert asked <= ports | ABSENT.get(root, set()), name


# Prometheus is let to all of ours; in this overlay nobody simulates.
ABSENT = {"overlays/ha": {9108}}


@pytest.mark.parametrize("overlay", ["redis", "ha"])
def test_the_webhook_reaches_redis_and_receivers_and_nobody_reaches_it_but_prometheus(overlay: str) -> None:
    to_redis = {
        "redis": KUBERNETES / "components" / "redis" / "network-policies.yaml",
        "ha": KUBERNETES / "overlays" / "ha" / "redis-egress.yaml",
    }
    (webhook, _) = documents(KUBERNETES / "components" / "webhook" / "webhook.yaml")
    labels = webhook["spec"]["template"]["metadata"]["labels"]
    policies = [
        *documents(to_redis[overlay]),
        *documents(KUBERNETES / "components" / "webhook" / "network-policies.yaml"),
        *documents(KUBERNETES / "base" / "network-policies.yaml"),
    ]
    mine = [policy["spec"] for policy in policies if matches(policy["spec"]["podSelector"], labels)]
    out = {port["port"] for spec in mine for rule in spec.get("egress", []) for port in rule["ports"]}
    into = [rule for spec in mine for rule in spec.get("ingress", [])]
    assert out == {53, 443, 6379}
    assert [port["port"] for rule in into for port in rule["ports"]] == [9109]


@pytest.mark.parametrize("file", ["base/serve.yaml", "overlays/ha/serve.yaml"])
def test_the_serve_config_differs_from_the_commented_one_in_what_it_says_only(file: str) -> None:
    (ours,), (commented,) = documents(KUBERNETES / file), documents(ROOT / "deploy" / "serve.yaml")
    (application,) = ServeDeploySchema.model_validate(ours).applications
    load(environ={}, overrides=Arguments.model_validate(application.args).overrides())
    for config in (ours, commented):
        config["http_options"]["host"] = "any"
        arguments = config["applications"][0]["args"]
        arguments["model"], arguments["settings"]["stream"]["shards"] = "any", 0
        for deployment in config["applications"][0]["deployments"]:
            deployment["num_replicas"] = 0
    assert ours == commented


@pytest.mark.parametrize("root", ["overlays/small", "overlays/ha"])
def test_the_service_runs_the_serve_config_with_room_for_its_replicas(root: str) -> None:
    spec = named(root, "RayService", "selfmis")["spec"]
    config = yaml.safe_load(spec["serveConfigV2"])
    monitor = config["applications"][0]["deployments"][0]
    (group,) = spec["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert monitor["num_replicas"] <= group["minReplicas"] * int(container["resources"]["limits"]["cpu"])
    assert monitor["num_replicas"] <= config["applications"][0]["args"]["settings"]["stream"]["shards"]


@pytest.mark.parametrize("root", ["overlays/small", "overlays/ha"])
def test_whoever_pins_the_number_of_shards_pins_that_of_the_monitor(root: str) -> None:
    config = yaml.safe_load(named(root, "RayService", "selfmis")["spec"]["serveConfigV2"])
    shards = config["applications"][0]["args"]["settings"]["stream"]["shards"]
    others = [each for each in rendered(root) if each["kind"] == "Deployment"]
    assert {each["metadata"]["name"] for each in others} >= {"selfmis-gateway"}
    for each in others:
        (container,) = each["spec"]["template"]["spec"]["containers"]
        environ = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
        assert load(environ=environ).settings.stream.shards == shards, each["metadata"]["name"]


def test_a_model_of_ones_own_is_mounted_where_every_ray_pod_sees_it(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is absent: what kustomize makes of the component is not tested")
    here = {name: os.path.relpath(KUBERNETES / name, tmp_path.resolve()) for name in ("base", "components/model")}
    wanted = {"resources": [here["base"]], "components": [here["components/model"]]}
    (tmp_path / KUSTOMIZE).write_text(yaml.safe_dump(wanted), encoding="utf-8")
    made = subprocess.run(
        [kubectl, "kustomize", str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    (service,) = [d for d in yaml.safe_load_all(made.stdout) if d["kind"] == "RayService"]
    assert faults(service) == []
    found = [pod["spec"] for _, pod in pods(service)]
    assert len(found) == 2
    for spec in found:
        assert "models" in {volume["name"] for volume in spec["volumes"]}
        (container,) = spec["containers"]
        assert {"name": "models", "mountPath": "/models", "readOnly": True} in container["volumeMounts"]


def test_ray_on_kubernetes_is_the_ray_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    (version,) = re.findall(r"^ray\[?[\w,]*\]?==([\d.]+)", lock, re.MULTILINE)
    said = re.findall(r"rayVersion: ([\d.]+)", "".join(p.read_text() for p in KUBERNETES.rglob("*.yaml")))
    assert set(said) == {version}


def test_the_training_job_says_what_the_command_understands() -> None:
    (job,) = documents(KUBERNETES / "training" / "rayjob.yaml")
    python, flag, module, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (python, flag) == ("python", "-m")
    assert find_spec(module) is not None
    source = (ROOT / "training" / "pretrain" / "command.py").read_text(encoding="utf-8")
    options = [word for word in arguments if word.startswith("--")]
    assert options
    assert [option for option in options if f'"{option}"' not in source] == []
    environment = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    said = yaml.safe_load((ROOT / "deploy" / "ray" / "training.yaml").read_text(encoding="utf-8"))["env_vars"]
    assert environment.items() <= said.items()


def test_the_simulated_ward_is_the_commented_one() -> None:
    (ward,) = [d for d in rendered("overlays/small") if d["metadata"]["name"].startswith("selfmis-ward")]
    assert ward["data"] == {"ward.yaml": (ROOT / "deploy" / "scenarios" / "ward.yaml").read_text("utf-8")}
    (volume,) = [
        volume["configMap"]["name"]
        for volume in named("overlays/small", "Deployment", "selfmis-ingest")["spec"]["template"]["spec"][
            "volumes"
        ]
        if "configMap" in volume
    ]
    assert volume == ward["metadata"]["name"]
