"""The real API in a process that a test can kill: `python api_process.py PORT REDIS MODEL SETTING…`."""

import sys

import uvicorn

from services.inference.api.access import Access
from services.inference.api.app import make_app
from shared.redis.connection import connect
from shared.settings import load

port, url, model, *overrides = sys.argv[1:]
settings = load(environ={}, overrides=overrides).settings
app = make_app(lambda: connect(url, timeout_s=5), settings, model, Access.of(settings.api))
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", timeout_graceful_shutdown=1)
