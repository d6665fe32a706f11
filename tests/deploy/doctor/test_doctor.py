"""The program, the model, the ports, and the command as a whole."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.doctor.command import main
from deploy.doctor.finding import Finding, Grade, examine, ok
from deploy.doctor.model import examine_model
from deploy.doctor.python import judge_packages, judge_python, pinned
from deploy.doctor.web import examine_api, examine_port, examine_ray, judge_serve
from shared.errors import SelfmisError
from shared.ports import free_port
from shared.settings import load

NOBODY = "http://127.0.0.1:1"
Serve = Callable[[dict[str, tuple[int, Any]]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A real HTTP server with these answers by path; its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: dict[str, tuple[int, Any]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.get(self.path, (404, "nothing here"))
                raw = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def grades(findings: Any) -> list[Grade]:
    return [finding.grade for finding in findings]


def test_an_examination_that_breaks_off_hides_no_other() -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("by nought")

    def refused() -> list[Finding]:
        raise SelfmisError("not like this")

    found = list(examine([("a", broken), ("b", refused), ("c", lambda: [ok("c", "fine")])]))
    assert grades(found) == [Grade.FAULT, Grade.FAULT, Grade.OK]
    assert "ZeroDivisionError" in found[0].said


def test_what_is_not_well_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="what to do"):
        Finding("a", Grade.FAULT, "bad")


def test_an_old_python_is_a_fault() -> None:
    assert judge_python((3, 10, 4)).grade is Grade.FAULT
    assert judge_python((3, 14, 0)).grade is Grade.OK


LOCKED = {"ray": "2.60.0", "numpy": "2.1", "rich": "14.0", "ruff": "0.9"}


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"ray": "2.60.0", "numpy": "2.1+local", "rich": "14.0"}, [Grade.OK]),  # ruff is a developer's
        ({"ray": "2.59.0", "numpy": "2.1", "rich": "14.0"}, [Grade.FAULT]),
        ({"numpy": "2.1", "rich": "14.0"}, [Grade.FAULT]),
        ({"ray": "2.60.0", "numpy": "2.1", "rich": "13.0"}, [Grade.WARNING]),
        ({"ray": "2.59.0", "rich": "13.0"}, [Grade.FAULT, Grade.FAULT, Grade.WARNING]),
    ],
)
def test_packages_are_held_against_the_lock(installed: dict[str, str], expected: list[Grade]) -> None:
    assert grades(judge_packages(LOCKED, installed)) == expected


def test_a_lock_is_read_with_extras_and_comments() -> None:
    assert pinned("# a\nRay[serve,train]==2.60.0\n    # via x\nfoo_bar==1.0 ; python_version > '3'\n") == {
        "ray": "2.60.0",
        "foo-bar": "1.0",
    }


def test_a_good_model_is_well_and_a_damaged_one_is_named(untrained: Path, tmp_path: Path) -> None:
    settings = load(environ={}, overrides=["engine.runtime=onnxruntime", "engine.precision=fp32"]).settings
    folder = shutil.copytree(untrained, tmp_path / "model")
    assert grades(examine_model(folder, settings)) == [Grade.OK, Grade.OK]
    with (folder / "model.onnx").open("ab") as graph:
        graph.write(b"x")
    (found,) = examine_model(folder, settings)
    assert (found.grade, "model.onnx" in found.said) == (Grade.FAULT, True)


def test_a_model_for_another_lead_is_refused(untrained: Path) -> None:
    (found,) = examine_model(untrained, load(environ={}, overrides=["window.lead=II"]).settings)
    assert found.grade is Grade.FAULT


def test_a_port_of_ours_that_somebody_else_has_is_a_fault(serve: Serve) -> None:
    (theirs,) = examine_port("gateway", serve({"/healthz": (200, "hello")}), "/healthz", '"ok"', "gateway.port")
    assert (theirs.grade, "gateway.port" in theirs.do) == (Grade.FAULT, True)
    (ours,) = examine_port("gateway", serve({"/healthz": (200, {"ok": True})}), "/healthz", '"ok"', "gateway.port")
    assert ours.grade is Grade.OK
    (nobody,) = examine_port("gateway", NOBODY, "/healthz", '"ok"', "gateway.port")
    assert nobody.grade is Grade.SKIPPED


@pytest.mark.parametrize(
    ("answers", "grade"),
    [
        ({"/healthz": (200, {"ok": True}), "/readyz": (200, {"ready": True})}, Grade.OK),
        ({"/healthz": (200, {"ok": True}), "/readyz": (503, {"ready": False})}, Grade.FAULT),
        ({"/healthz": (200, "<html>")}, Grade.FAULT),
    ],
)
def test_the_api_is_well_when_it_is_ready(serve: Serve, answers: Any, grade: Grade) -> None:
    (found,) = examine_api(serve(answers))
    assert found.grade is grade


def application(status: str, *deployments: str) -> Any:
    listed = {f"d{number}": {"status": each} for number, each in enumerate(deployments)}
    return {"applications": {"selfmis": {"status": status, "message": "why", "deployments": listed}}}


@pytest.mark.parametrize(
    ("told", "grade"),
    [
        (application("RUNNING", "HEALTHY", "HEALTHY"), Grade.OK),
        (application("RUNNING", "HEALTHY", "UPDATING"), Grade.WARNING),
        (application("DEPLOYING"), Grade.WARNING),
        (application("DEPLOY_FAILED", "UNHEALTHY"), Grade.FAULT),
        ({"applications": {}}, Grade.WARNING),
    ],
)
def test_serve_is_judged_by_its_applications(told: Any, grade: Grade) -> None:
    assert grades(judge_serve(told)) == [grade]


def test_another_ray_than_ours_is_a_fault(serve: Serve) -> None:
    url = serve(
        {"/api/version": (200, {"ray_version": "1.0"}), "/api/serve/applications/": (200, application("RUNNING"))}
    )
    assert grades(examine_ray(url)) == [Grade.FAULT, Grade.OK]


def test_a_dashboard_that_wants_a_token_is_skipped_and_says_so(serve: Serve) -> None:
    (found,) = examine_ray(serve({"/api/version": (401, "token")}))
    assert (found.grade, "RAY_AUTH_TOKEN" in found.said) == (Grade.SKIPPED, True)


def arguments(*more: str) -> list[str]:
    free = free_port()
    ports = [f"--set=gateway.port={free}", f"--set=ingest.metrics_port={free}"]
    return [*ports, "--api", NOBODY, "--ray", NOBODY, "--watch", "0", "--model", "absent", *more]


def test_the_command_tells_all_and_its_exit_code_is_the_verdict(redis_url: str, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    assert main([*arguments("--json", str(told)), "--set", f"redis.url={redis_url}"]) == 1  # nobody scores
    found = json.loads(told.read_text(encoding="utf-8"))
    by_check = {each["check"]: each["grade"] for each in found["findings"]}
    assert found["worst"] == "fault"
    assert (by_check["replicas"], by_check["layout"], by_check["model"]) == ("fault", "ok", "skipped")
    assert {"python", "packages", "settings", "redis memory", "gateway", "ingest", "api", "ray"} <= by_check.keys()


def test_impossible_settings_and_an_absent_redis_hide_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments("--json", "-"), "--set", "alarm.low=7"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    by_check = {each["check"]: each["grade"] for each in found}
    assert (by_check["settings"], by_check["redis"], by_check["ward"]) == ("fault", "fault", "skipped")
    assert "python" in by_check
