"""The console's page and its files, as they lie in this package: at ``/`` and below ``/console/``."""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from services.inference.api.errors import Refused

FOLDER = Path(__file__).resolve().parent.parent / "console"


def mount(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve them; only what a browser is to load, no source code."""

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        """The console."""
        index = folder / "index.html"
        if not index.is_file():
            raise Refused(404, "this installation has no console")
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    if folder.is_dir():
        app.mount("/console", _Files(directory=folder))


class _Files(StaticFiles):
    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        if path.endswith((".py", ".pyc")):
            return "", None
        return super().lookup_path(path)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        # Asked about every time, so that page and scripts are of one version; unchanged ones cost no transfer.
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        return answer
