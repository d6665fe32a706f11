"""What answers on this machine's ports: the API, the gateway, ingest, and Ray's dashboard with Serve behind it."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from deploy.doctor.finding import Finding, fault, ok, skipped, warning

TIMEOUT_S = 3.0
RAY_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of a variable, not a token


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` None: nobody listens, or not in time; ``said`` then says why."""

    status: int | None
    said: str

    def json(self) -> Any:
        """The body, None if it is none."""
        try:
            return json.loads(self.said)
        except ValueError:
            return None


def get(url: str, token: str | None = None) -> Answer:
    """One request; never raises for what the other side does."""
    if not url.startswith(("http://", "https://")):
        return Answer(None, "no http address")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http is all that comes here
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310 - see above
            return Answer(reply.status, reply.read(1 << 22).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read(1 << 16).decode(errors="replace"))
    except (urllib.error.URLError, OSError, ValueError) as error:
        return Answer(None, str(getattr(error, "reason", error)))


def examine_port(check: str, url: str, path: str, mark: str, setting: str) -> Iterable[Finding]:
    """A place where one of ours would listen. ``mark``: what its answer to ``path`` holds."""
    answer = get(url + path)
    if answer.status is None:
        yield skipped(check, f"nobody answers at {url} ({answer.said})")
    elif mark in answer.said:
        yield ok(check, f"answers at {url}")
    else:
        yield fault(
            check,
            f"somebody else answers at {url} (status {answer.status})",
            f"end that program, or set {setting} to another port",
        )


def examine_api(url: str) -> Iterable[Finding]:
    """Whether the API answers and every shard has an owner."""
    alive = get(f"{url}/healthz")
    if alive.status is None:
        yield skipped("api", f"nobody answers at {url} ({alive.said}); name it with --api")
        return
    told = alive.json()
    if alive.status != 200 or not isinstance(told, dict) or "ok" not in told:
        yield fault(
            "api",
            f"{url}/healthz answers {alive.status}, not as ours does",
            "name the API with --api, or deploy it",
        )
        return
    ready = get(f"{url}/readyz")
    if ready.status == 200:
        yield ok("api", f"ready at {url}")
    else:
        yield fault("api", f"{url}/readyz answers {ready.status}: {ready.said[:120]}", "see leases and replicas")


def judge_serve(told: Mapping[str, Any]) -> Iterable[Finding]:
    """What Serve's REST API says of its applications."""
    applications = told.get("applications") or {}
    if not applications:
        yield warning("serve", "Ray runs, but Serve has no application", "serve deploy deploy/serve.yaml")
    for name, application in applications.items():
        unwell = {
            each: f"{deployment.get('status')} {deployment.get('message', '')}".strip()
            for each, deployment in (application.get("deployments") or {}).items()
            if deployment.get("status") != "HEALTHY"
        }
        status = application.get("status")
        if status == "RUNNING" and not unwell:
            yield ok("serve", f"{name} runs, {len(application.get('deployments') or {})} deployments are healthy")
        elif status in {"DEPLOYING", "RUNNING"}:
            said = "; ".join(f"{each} {why}" for each, why in unwell.items()) or "not all replicas are there yet"
            yield warning(
                "serve", f"{name}: {status}: {said[:300]}", "serve status; wait while it deploys, else its log"
            )
        else:
            said = " ".join(str(application.get("message", "")).split())[-300:]
            yield fault(
                "serve", f"{name}: {status}: {said}", "serve status says more; mend the config, deploy it again"
            )


def examine_ray(url: str) -> Iterable[Finding]:
    """Ray's dashboard, where it can be reached."""
    token = os.environ.get(RAY_TOKEN)
    found = get(f"{url}/api/version", token)
    if found.status is None:
        yield skipped("ray", f"no dashboard at {url} ({found.said}); name it with --ray")
        return
    if found.status in {401, 403}:
        yield skipped("ray", f"the dashboard at {url} asks for a token: set {RAY_TOKEN}")
        return
    told = found.json()
    theirs = told.get("ray_version") if isinstance(told, dict) else None
    ours = version("ray")
    if theirs is None:
        yield fault("ray", f"{url} is no Ray dashboard (status {found.status})", "name it with --ray")
        return
    if theirs != ours:
        yield fault(
            "ray", f"the cluster runs Ray {theirs}, this machine has {ours}", "install the lock on all nodes"
        )
    else:
        yield ok("ray", f"Ray {theirs} at {url}")
    serve = get(f"{url}/api/serve/applications/", token)
    told = serve.json()
    if serve.status == 200 and isinstance(told, dict):
        yield from judge_serve(told)
    else:
        yield skipped("serve", f"Serve's API answers {serve.status}")
