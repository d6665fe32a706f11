"""Ways of training an encoder, by name. A new one is a module here with a `METHOD`; nothing else changes."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from training.methods.chance import Chance
from training.methods.contract import Batch, Method, Setup, Teacher, Trained, Truth
from training.methods.options import MethodError, Needs, Options, plain

__all__ = [
    "Batch",
    "Chance",
    "Method",
    "MethodError",
    "Needs",
    "Options",
    "Setup",
    "Teacher",
    "Trained",
    "Truth",
    "describe",
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


def describe() -> tuple[dict[str, Any], ...]:
    """What there is to know of every method, as JSON values; see `Method.describe`."""
    return tuple(method.describe() for method in methods())
