"""Ways of training an encoder, by name. A new one is a module here with a `METHOD`; nothing else changes."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from training.methods.contract import (
    Batch,
    Method,
    MethodError,
    Needs,
    Options,
    Setup,
    Teacher,
    Trained,
    Truth,
    plain,
)

__all__ = [
    "Batch",
    "Method",
    "MethodError",
    "Needs",
    "Options",
    "Setup",
    "Teacher",
    "Trained",
    "Truth",
    "find",
    "methods",
    "plain",
]


@cache
def methods() -> tuple[Method[Any], ...]:
    """All methods, sorted by name."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    found = [module.METHOD for module in modules if hasattr(module, "METHOD")]
    return tuple(sorted(found, key=lambda method: method.name))


def find(name: str) -> Method[Any]:
    """The method of that name; an unknown one is a `MethodError` that lists the known ones."""
    for method in methods():
        if method.name == name:
            return method
    raise MethodError(f"no method {name!r:.60}; there are {', '.join(method.name for method in methods())}")
