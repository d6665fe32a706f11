"""Who gets in, what they may do, how much they may ask, and what is said and logged about it."""

import hashlib
import logging
from pathlib import Path

import httpx
import pytest

from services.inference.api.access import Access
from services.inference.api.limits import Rates
from shared.errors import SelfmisError
from shared.sections import ApiSettings
from tests.services.inference.api.conftest import Monitored, served

VIEW, ACT = "view-token-0123456789", "act-token-0123456789"
TOKENS = (f"api.view_token={VIEW}", f"api.act_token={ACT}")


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_with_tokens_nothing_about_the_ward_is_told_without_one(monitored: Monitored) -> None:
    with served(monitored.app(*TOKENS)) as url, httpx.Client(base_url=url) as web:
        for path in ("/api/session", "/api/patients", "/api/alerts/stream", "/openapi.json", "/api/nothing"):
            for headers in ({}, bearing("wrong"), {"Authorization": f"Basic {ACT}"}, bearing(VIEW + "x")):
                said = web.get(path, headers=headers)
                assert said.status_code == 401, path
                assert said.headers["WWW-Authenticate"].startswith("Bearer")
                assert list(said.json()) == ["error"]
        assert web.get("/healthz").status_code == web.get("/readyz").status_code == 200


def test_a_viewer_views_and_only_who_may_act_acts(monitored: Monitored) -> None:
    with served(monitored.app(*TOKENS)) as url, httpx.Client(base_url=url) as web:
        assert web.get("/api/session", headers=bearing(VIEW)).json() == {
            "role": "view", "who_required": True, "auth": True
        }  # fmt: skip
        assert web.get("/api/session", headers=bearing(ACT)).json()["role"] == "act"
        assert web.get("/api/patients", headers=bearing(VIEW)).status_code == 200
        body = {"who": "x", "ceiling": "nonsense"}
        assert web.post("/api/patients/x/mute", headers=bearing(VIEW), json=body).status_code == 403
        assert web.post("/api/patients/x/mute", headers=bearing(ACT), json=body).status_code == 422
        assert web.get("/api/audit", headers=bearing(VIEW)).status_code == 403
        assert web.get("/api/audit", headers=bearing(ACT)).status_code == 200


def test_a_file_of_digests_lets_its_tokens_in(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    digest = hashlib.sha256(b"a token of somebody").hexdigest()
    file.write_text(f"# ward\n\nview {digest}  # the screen in the corridor\nact {digest[::-1]}\n")
    access = Access.of(ApiSettings(tokens_file=file))
    assert access.role("a token of somebody") == "view"
    assert access.role("another") is None


@pytest.mark.parametrize("line", ["view", "admin " + "0" * 64, "view " + "0" * 63, "view x y"])
def test_a_line_that_is_no_token_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(SelfmisError, match="line 2"):
        Access.of(ApiSettings(tokens_file=file))


def test_without_tokens_only_this_machine_is_an_address_to_listen_on() -> None:
    Access().check_address("127.0.0.1")
    for host in ("0.0.0.0", "::", "10.1.2.3", "ward.example"):  # noqa: S104 - refused, that is the point
        with pytest.raises(SelfmisError, match="open to everybody") as refusal:
            Access().check_address(host)
        assert "\n" not in str(refusal.value)
        Access.of(ApiSettings.model_validate({"act_token": ACT})).check_address(host)


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
def test_without_tokens_pages_of_others_are_refused(web: httpx.Client, headers: dict[str, str]) -> None:
    assert web.get("/api/patients", headers=headers).status_code == 403


def test_without_tokens_our_own_page_may_act(web: httpx.Client) -> None:
    own = {"Origin": f"http://{web.base_url.netloc.decode()}"}
    assert web.post("/api/patients/x/mute", json={}, headers=own).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/patients/nobody", 404),
        ("GET", "/api/patients/" + "x" * 400, 404),
        ("GET", "/api/patients/nobody/strip", 404),
        ("GET", "/api/patients/%00", 404),
        ("GET", "/api/patients?limit=0", 422),
        ("GET", "/api/patients?sort=nonsense", 422),
        ("GET", "/api/alerts?kind=nonsense", 422),
        ("GET", "/api/strips", 422),
        ("GET", "/api/commands/0/x", 422),
        ("GET", "/api/commands/99/1-1", 404),
        ("DELETE", "/api/patients", 405),
        ("POST", "/healthz", 405),
        ("GET", "/console/../access.py", 404),
        ("GET", "/console/__init__.py", 404),
    ],
)
def test_every_refusal_is_one_line_of_json_with_the_headers_that_browsers_need(
    web: httpx.Client, method: str, path: str, status: int
) -> None:
    said = web.request(method, path)
    assert said.status_code == status
    assert list(said.json()) == ["error"]
    assert "\n" not in said.json()["error"]
    assert "frame-ancestors 'none'" in said.headers["Content-Security-Policy"]
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["Cache-Control"] == "no-store"


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(web: httpx.Client) -> None:
    large = b'{"who": "' + b"x" * 200_000 + b'"}'
    assert web.post("/api/patients/x/admit", content=large).status_code == 413
    said = web.post("/api/patients/x/admit", content=iter([large]), headers={"Content-Type": "application/json"})
    assert said.status_code == 413
    assert "too large" in said.json()["error"]


def test_who_asks_too_often_is_told_to_wait(monitored: Monitored) -> None:
    with served(monitored.app("api.requests_per_s=5")) as url, httpx.Client(base_url=url) as web:
        statuses = [web.get("/healthz").status_code for _ in range(30)]
    assert statuses[:5] == [200] * 5
    assert 429 in statuses


def test_a_bucket_fills_again_and_forgets_the_oldest_caller() -> None:
    now = 0.0
    rates = Rates(1, clock=lambda: now)
    assert [rates.take("a") for _ in range(3)] == [True, True, False]
    now = 1.0
    assert rates.take("a")
    for other in range(10_000):
        rates.take(str(other))
    assert rates.take("a")


def test_a_fault_of_ours_is_a_line_without_what_was_sent(
    monitored: Monitored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("patient Jane Doe")

    monkeypatch.setattr("services.inference.api.sources.read_ward", broken)
    with served(monitored.app()) as url:
        said = httpx.get(f"{url}/api/patients")
    assert said.status_code == 500
    assert list(said.json()) == ["error"]
    assert "KeyError in broken" in caplog.text
    assert "Jane Doe" not in caplog.text + said.text


def test_nothing_that_is_logged_names_a_patient_or_a_token(
    monitored: Monitored, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with served(monitored.app(*TOKENS)) as url, httpx.Client(base_url=url, headers=bearing(ACT)) as web:
        names = [p["patient"] for p in web.get("/api/patients").json()["patients"]] + ["Jane Doe"]
        for name in names:
            web.get(f"/api/patients/{name}")
            web.get(f"/api/patients/{name}/trend")
            web.get(f"/api/strips?patient={name}")
            web.get(f"/api/alerts?patient={name}")
            web.post(f"/api/patients/{name}/mute", json={"who": "Dr. No", "types": ["x"]})
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore")))
    assert "GET /api/patients/{patient}/trend 200" in ours
    assert not [word for word in (*names, "Dr. No", VIEW, ACT) if word in ours]


def test_a_redis_that_is_away_is_a_503_of_one_line(monitored: Monitored) -> None:
    from services.inference.api.app import make_app
    from shared.redis.connection import connect
    from tests.services.inference.api.conftest import settings_of

    app = make_app(lambda: connect("redis://127.0.0.1:1"), settings_of(), monitored.folder, Access())
    with served(app) as url:
        for path in ("/api/patients", "/readyz", "/api/alerts/stream", "/api/strips/stream?patient=x"):
            said = httpx.get(url + path)
            assert said.status_code == 503, path
            assert "\n" not in said.json()["error"]
