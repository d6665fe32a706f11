"""The program itself: Python, and every installed package against the lock."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from deploy.doctor.finding import Finding, fault, ok, skipped, warning

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
OLDEST = (3, 11)
# What must be alike on all nodes, or processes do not understand each other, or results differ in their last bits.
VITAL = ("ray", "redis", "numpy", "openvino", "onnxruntime", "torch")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)


def plain(name: str) -> str:
    """A package's name as packaging tools compare it.

    >>> plain("Foo_Bar.baz")
    'foo-bar-baz'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: str) -> dict[str, str]:
    """Versions by name, from the text of a lock."""
    return {plain(name): version for name, version in _PINNED.findall(lock)}


def installed() -> dict[str, str]:
    """Versions by name, of this Python."""
    return {plain(d.metadata["Name"]): d.version for d in distributions() if d.metadata["Name"]}


def judge_python(version: tuple[int, ...]) -> Finding:
    """Whether this Python will do."""
    said = f"Python {'.'.join(map(str, version))}"
    if version[:2] < OLDEST:
        return fault(
            "python", said, f"install Python {'.'.join(map(str, OLDEST))} or newer, and the program in it"
        )
    return ok("python", said)


def judge_packages(wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    """Installed versions against pinned ones. What is pinned and absent is vital or a developer's tool."""
    absent = [name for name in VITAL if name in wanted and name not in found]
    # A local build tag (+cpu) is another build of the same version.
    other = {
        name: f"{name} {found[name]} instead of {version}"
        for name, version in wanted.items()
        if name in found and found[name].partition("+")[0] != version
    }
    mend = "pip install -r requirements.lock, on every node"
    if absent:
        yield fault("packages", f"{', '.join(absent)} not installed", mend)
    bad = [said for name, said in other.items() if name in VITAL]
    if bad:
        yield fault("packages", "; ".join(bad), mend)
    rest = [said for name, said in other.items() if name not in VITAL]
    if rest:
        more = f" and {len(rest) - 5} more" if len(rest) > 5 else ""
        yield warning("packages", "; ".join(rest[:5]) + more, mend)
    if not absent and not other:
        yield ok("packages", f"{sum(name in found for name in wanted)} packages are as in the lock")


def examine_program(lock: Path) -> Iterable[Finding]:
    """Of this process."""
    yield judge_python(sys.version_info[:3])
    if not lock.is_file():
        yield skipped("packages", f"no {lock.name} beside the program, so versions are not compared")
        return
    yield from judge_packages(pinned(lock.read_text(encoding="utf-8")), installed())
