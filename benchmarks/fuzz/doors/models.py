"""Model folders: the manifest alone, and the whole folder as serving opens it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.bend import bent_bytes, bent_json, bent_text, bent_tree
from benchmarks.fuzz.door import Way
from benchmarks.fuzz.judge import Wrong
from benchmarks.fuzz.parts import chosen, join, split
from benchmarks.untrained import untrained
from shared.artefact import load
from shared.artefact.folder import GRAPH, MANIFEST, WEIGHTS
from shared.artefact.manifest import _sealed as sealed
from shared.artefact.manifest import read_manifest


@contextmanager
def manifest(folder: Path) -> Iterator[Way]:
    """`shared.artefact.manifest`: half of the cases are sealed anew, so that what they claim is read."""
    untrained(folder / "model")
    good = (folder / "model" / MANIFEST).read_bytes()

    def enter(case: bytes) -> None:
        found = read_manifest(case)
        if read_manifest(found.to_text().encode()) != found:
            raise Wrong("a manifest is not what it was when it is written again")

    yield Way(lambda _chance: good, bent_manifest, enter)


def bent_manifest(case: bytes, chance: Random) -> bytes:
    """A change of the tree, sealed anew, or of the text, which the seal then does not fit."""
    if chance.random() < 0.3:
        return bent_text(case, chance)
    try:
        body = json.loads(case)
        if not isinstance(body, dict):
            return bent_text(case, chance)
        body.pop("sha256", None)
        return sealed(bent_tree(body, chance)).encode()
    except (ValueError, RecursionError, TypeError, AttributeError):
        return bent_text(case, chance)


@contextmanager
def model(folder: Path) -> Iterator[Way]:
    """`shared.artefact`: load a folder, and where it is taken, its graph and its golden windows.

    A case is what changed of a good folder: a file's new bytes, with or without the manifest vouching for them.
    """
    home = folder / "model"
    untrained(home)
    good = {path.name: path.read_bytes() for path in home.iterdir()}
    small = {name: body for name, body in good.items() if name not in {GRAPH, WEIGHTS}}

    def bend(case: bytes, chance: Random) -> bytes:
        changes = split(case)
        name = chosen(small if chance.random() < 0.5 else good, chance)
        before = changes.get(name, good[name])
        if name == MANIFEST:
            changes[name] = bent_manifest(before, chance)
            return join(changes)
        # The weights lie in megabytes: what is bent is their beginning, where the structure is.
        head = 4096
        changes[name] = bent_bytes(before[:head], chance) + before[head:]
        if chance.random() < 0.7:
            changes[MANIFEST] = _vouched(changes.get(MANIFEST, good[MANIFEST]), name, changes[name])
        return join(changes)

    def enter(case: bytes) -> None:
        changes = {name: body for name, body in split(case).items() if name in good}
        for name, body in changes.items():
            (home / name).write_bytes(body)
        try:
            found = load(home, expect_lead="I")
            found.check_golden(found.session())
        finally:
            for name in changes:
                (home / name).write_bytes(good[name])

    yield Way(lambda _chance: b"", bend, enter)


def _vouched(text: bytes, name: str, body: bytes) -> bytes:
    try:
        said: Any = json.loads(text)
        said.pop("sha256", None)
        said["files"][name] = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
        return sealed(said).encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return bent_json(text, Random(len(body)))
