"""Dockerfile and compose file, read as a linter would: no container engine is needed, and none ran them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfmis.cli import find
from shared.settings import load
from tests.deploy.manifests import ROOT

DOCKER = ROOT / "deploy" / "docker"
Instruction = tuple[str, str]


def instructions(text: str) -> list[Instruction]:
    """(NAME, the rest) of a Dockerfile, continued lines joined, comments dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(n.upper(), rest.strip()) for n, _, rest in (line.partition(" ") for line in joined.splitlines()) if n]


def complaints(text: str) -> set[str]:
    """What a linter would say of a Dockerfile."""
    said, stages, found = set(), set(), instructions(text)
    for name, rest in found:
        if name == "FROM":
            image, _, stage = rest.partition(" AS ")
            if image not in stages and not re.search(r":\d+\.\d+\.\d+[\w.-]*$", image):
                said.add("base without an exact tag")
            stages.add(stage)
        if name == "ADD":
            said.add("ADD")
        if name == "RUN" and "apt-get" in rest:
            if "apt-get install" in rest and "--no-install-recommends" not in rest:
                said.add("recommended packages")
            if (
                not rest.rstrip().endswith("rm -rf /var/lib/apt/lists/*")
                and "rm -rf /var/lib/apt/lists/*" not in rest
            ):
                said.add("apt lists are left")
            if "apt-get upgrade" in rest or "sudo" in rest:
                said.add("upgrade or sudo")
        if name == "RUN" and re.search(r"pip install(?!.*(--constraint|-c |-r ))", rest):
            said.add("pip without the lock")
        if name in {"ENV", "ARG"} and re.search(r"(TOKEN|PASSWORD|SECRET)\w*=", rest):
            said.add("a secret in the image")
        if name in {"CMD", "ENTRYPOINT"} and not rest.startswith("["):
            said.add(f"{name} through a shell")
    users = [rest for name, rest in found if name == "USER"]
    last_stage = max(i for i, (name, _) in enumerate(found) if name == "FROM")
    if not any(name == "USER" for name, _ in found[last_stage:]) or users[-1].split(":")[0] in {"0", "root"}:
        said.add("root")
    if not re.fullmatch(r"\d+:\d+", users[-1] if users else ""):
        said.add("USER by name")
    if "HEALTHCHECK" not in {name for name, _ in found[last_stage:]}:
        said.add("no HEALTHCHECK")
    return said


GOOD = (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def test_the_dockerfile_is_without_complaint() -> None:
    assert complaints(GOOD) == set()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("python:3.11.13-slim-bookworm\n", "python:latest\n", "base without an exact tag"),
        ("COPY requirements.lock LICENSE ./", "ADD https://example.org/x /x", "ADD"),
        ("USER 10001:10001", "USER root", "root"),
        ("USER 10001:10001", "", "root"),
        ("--no-install-recommends wget", "wget", "recommended packages"),
        (" --constraint requirements.lock", "", "pip without the lock"),
        ("ENV PATH", "ENV API_TOKEN=x PATH", "a secret in the image"),
        ('CMD ["ingest", "gateway"]', "CMD selfmis", "CMD through a shell"),
        ("HEALTHCHECK", "LABEL", "no HEALTHCHECK"),
    ],
)
def test_a_slip_in_the_dockerfile_is_found(old: str, new: str, said: str) -> None:
    assert old in GOOD
    assert said in complaints(GOOD.replace(old, new))


def test_everything_the_image_copies_is_let_through_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for name, rest in instructions(GOOD)
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert "*" in ignored
    assert {source.split("/")[0] if source.startswith("selfmis") else source for source in copied} == let
    assert all((ROOT / source).exists() for source in let)


def test_the_image_has_the_packages_that_commands_import() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    packages |= {"training"} if (ROOT / "training").is_dir() else set()
    copied = {rest.split()[0] for name, rest in instructions(GOOD) if name == "COPY"}
    assert packages <= copied


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return read


def test_every_service_is_closed_down_and_bounded(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {
        "redis", "monitor", "gateway", "ingest", "webhook", "prometheus", "alertmanager", "grafana",
    }  # fmt: skip
    for name, service in compose["services"].items():
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in service, name
        assert not service.get("privileged"), name


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD|URL", key) and key != "HEALTH_URL":
                assert re.search(r"\$\{\w+:\?", value) or key.endswith("__FILE"), f"{name}: {key}"


def test_variables_are_settings_and_commands_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if service["image"].startswith("selfmis-monitor"):
            given = {k: str(v) for k, v in service["environment"].items()}
            load(environ=given | {"SELFMIS_GATEWAY_TOKEN": "0123456789abcdef", "SELFMIS_REDIS_URL": "redis://r"})
            assert ("env_file" in service) == (service["command"] in ([], ["webhook"]))  # tokens, and where to
            if service["command"]:
                find(service["command"])


def test_what_is_mounted_is_in_the_repository_or_made_as_the_comment_says(compose: dict[str, Any]) -> None:
    made = ("./secrets/",)
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not source.startswith(made):
                assert (DOCKER / source).exists(), f"{name}: {source}"
            elif not source.startswith("."):
                assert source in compose["volumes"], f"{name}: {source}"


def test_prometheus_scrapes_the_services_as_the_commented_file_scrapes_one_machine(
    compose: dict[str, Any],
) -> None:
    ours = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))
    hosts = {target.partition(":")[0] for job in ours["scrape_configs"] for target in targets(job)} - {"127.0.0.1"}
    assert hosts <= compose["services"].keys()
    commented = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    if not commented.exists():
        pytest.skip("deploy/prometheus/prometheus.yml is absent: nothing to compare with")
    theirs = yaml.safe_load(commented.read_text(encoding="utf-8"))
    for config in (ours, theirs):
        for job in config["scrape_configs"]:
            job.pop("authorization", None)
            job["ports"] = [target.partition(":")[2] for target in targets(job)]
            job.pop("static_configs", None)
            job.pop("dns_sd_configs", None)
        config["alerting"] = None
    assert ours == theirs


def test_what_only_a_profile_starts_is_a_target_only_where_it_runs(compose: dict[str, Any]) -> None:
    ours = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))
    always = {name for name, service in compose["services"].items() if "profiles" not in service} | {"127.0.0.1"}
    for job in ours["scrape_configs"]:
        fixed = {t.partition(":")[0] for each in job.get("static_configs", []) for t in each["targets"]}
        assert fixed <= always, job["job_name"]  # an absent one would be down for ever, and people be told


def targets(job: dict[str, Any]) -> list[str]:
    """host:port of all that a job scrapes."""
    found = [target for each in job.get("static_configs", []) for target in each["targets"]]
    named = [(name, each["port"]) for each in job.get("dns_sd_configs", []) for name in each["names"]]
    return found + [f"{name}:{port}" for name, port in named]


def test_the_python_of_the_image_is_one_that_we_support() -> None:
    (minor,) = set(re.findall(r"FROM python:3\.(\d+)\.", GOOD))
    assert int(minor) >= 11
    assert Path(DOCKER / "compose.yaml").exists()
