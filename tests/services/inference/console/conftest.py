"""A real ward behind a real browser: Redis, pull loop, API, devices (`bedside`), headless Chromium."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import Worker
from shared.artefact import Model
from shared.redis.connection import connect
from shared.redis.embedded import embedded
from shared.sections import EngineSettings
from shared.settings import load
from tests.services.inference.console.bedside import RATE, SETTINGS, House

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# When each alert came to be seen, by the page's clock, which is Redis' clock: both are this machine's.
WATCH = """
window.shownMs = {};
addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
  for (const li of document.querySelectorAll('#happened li')) {
    window.shownMs[`${li.dataset.alert}|${li.dataset.transition}`] ??= Date.now();
  }
}).observe(document.getElementById('happened'), { childList: true }));
"""


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, model: Model, beating: Callable[..., np.ndarray[Any, Any]]
) -> Iterator[House]:
    with (
        embedded(tmp_path_factory.mktemp("redis"), port=0, maxmemory_mb=256) as server,
        connect(server.url) as client,
    ):
        settings = load(environ={}, overrides=SETTINGS).settings
        worker = Worker(PullLoop(server.url, settings, "replica", open_engine(model, EngineSettings())))
        worker.start()
        house = House(client, server.url, model, beating(40.0, float(RATE)))
        try:
            yield house
        finally:
            house.close()
            worker.stop(within_s=20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"no browser on PATH ({', '.join(names)})")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page in a profile of its own; at the end none may have complained or shown a dialog of its own."""
    opened: list[Any] = []
    complaints: list[str] = []

    def open_page(port: int, place: str = "", *, width: int = 1280, height: int = 800) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height})
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.add_init_script(WATCH)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("console", lambda said: _note(said, complaints))
        page.on("request", lambda request: _only_ours(request.url, port, complaints))
        page.goto(f"http://127.0.0.1:{port}/{place}")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert complaints == []


def _note(said: Any, complaints: list[str]) -> None:
    # The browser itself reports answers such as 401 and refused connections; the page shows them to people.
    if said.type in {"error", "warning"} and not said.text.startswith("Failed to load resource"):
        complaints.append(f"{said.type}: {said.text}")


def _only_ours(url: str, port: int, complaints: list[str]) -> None:
    if not url.startswith(f"http://127.0.0.1:{port}/"):
        complaints.append(f"a request to somebody else: {url}")
