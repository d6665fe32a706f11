"""The console's page and its files, as they lie in this package: at ``/`` and below ``/console/``."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
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

    app.mount("/console", _Files(directory=folder, check_dir=False))


class _Files(StaticFiles):
    def lookup_path(self, path: str) -> "tuple[str, object]":  # type: ignore[override]  # starlette names os.stat_result
        if path.endswith(".py") or "__pycache__" in path:
            return "", None
        return super().lookup_path(path)

    def is_not_modified(self, response_headers, request_headers):  # type: ignore[no-untyped-def]
        response_headers["cache-control"] = "no-cache"
        return super().is_not_modified(response_headers, request_headers)
