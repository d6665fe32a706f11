"""Encoders by name. A new family is one file in `shared.encoder.families` with a `FAMILY`; no other changes."""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from shared.encoder import families
from shared.encoder.contract import Config, Encoder, EncoderError, Family


@dataclass(frozen=True)
class Registry:
    """Families that are known; never changes: `register` gives a new one that knows more."""

    families: tuple[Family[Any], ...] = ()

    def register(self, *more: Family[Any]) -> "Registry":
        """This registry and ``more``; a family or size name that is taken is refused."""
        joined = (*self.families, *more)
        for taken in (_repeated(f.name for f in joined), _repeated(size for f in joined for size in f.sizes)):
            for name in taken:
                raise EncoderError(f"two encoders are called {name!r}; rename one of them")
        return Registry(joined)

    def names(self) -> tuple[str, ...]:
        """The sizes that `build` knows, in the order of their families."""
        return tuple(size for family in self.families for size in family.sizes)

    def family_of(self, name: str) -> Family[Any]:
        """The family that has a size of that name."""
        for family in self.families:
            if name in family.sizes:
                return family
        raise EncoderError(f"no encoder {name!r:.60}; there are {', '.join(self.names())}")

    def config(self, name: str, *, leads: int = 1) -> Config:
        """The configuration behind a size name, for that many leads."""
        sizes: Mapping[str, Config] = self.family_of(name).sizes
        return replace(sizes[name], leads=leads)

    def build(self, name: str, *, leads: int = 1, seed: int = 0) -> Encoder:
        """A fresh encoder of that size; equal seeds give equal weights."""
        return self.family_of(name).create(self.config(name, leads=leads), seed=seed)

    def describe(self, encoder: Encoder) -> tuple[str, str | None]:
        """The family an encoder belongs to and its size's name, if it has one."""
        for family in self.families:
            if type(encoder.config) is family.config_type:
                shape = replace(encoder.config, leads=1)
                return family.name, next(
                    (n for n, c in family.sizes.items() if replace(c, leads=1) == shape), None
                )
        raise EncoderError(f"no registered family has a {type(encoder.config).__name__}; register it first")

    def restore(self, family_name: str, config: Mapping[str, Any]) -> Encoder:
        """The encoder an artefact names, on torch's meta device: load its weights with ``assign=True``."""
        return self.family(family_name).restore(config)

    def family(self, name: str) -> Family[Any]:
        """The family of that name."""
        for family in self.families:
            if family.name == name:
                return family
        raise EncoderError(f"no encoder family {name!r:.60}; there are {', '.join(f.name for f in self.families)}")


@cache
def registry() -> Registry:
    """The families in `shared.encoder.families`, sorted by name."""
    modules = [
        importlib.import_module(f"{families.__name__}.{module.name}")
        for module in pkgutil.iter_modules(families.__path__)
    ]
    return Registry().register(*(module.FAMILY for module in modules))


def names() -> tuple[str, ...]:
    """The encoders there are."""
    return registry().names()


def config(name: str, *, leads: int = 1) -> Config:
    """See `Registry.config`."""
    return registry().config(name, leads=leads)


def build(name: str, *, leads: int = 1, seed: int = 0) -> Encoder:
    """A fresh encoder by name; an unknown name is an `EncoderError` that lists the known ones."""
    return registry().build(name, leads=leads, seed=seed)


def _repeated(values: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]  # add gives None
