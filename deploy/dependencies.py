"""`python -m deploy.dependencies`: docs/dependencies.md, version and licence of every locked package.

Licences are those that the installed packages state themselves. It says nothing about known weaknesses: for those
there is `pip-audit -r requirements.lock`, which asks a service on the internet.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

from shared.command import DONE, Parser, run
from shared.errors import SelfmisError

LOCK, PAGE = Path("requirements.lock"), Path("docs/dependencies.md")
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", re.MULTILINE)
_PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|Python-2\.0|Zlib|Unlicense|HPND|CC0|"
    r"public domain|CNRI-Python|BSL-1\.0)",
    re.IGNORECASE,
)
_BINDING = re.compile(
    r"\b(A?GPL|LGPL|MPL|EPL|CDDL|EUPL|SSPL|Proprietary|NVIDIA)|General Public|Mozilla", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Package:
    """A locked package. ``licence`` "" where it states none that can be read."""

    name: str
    version: str
    licence: str

    @property
    def permissive(self) -> bool:
        """Whether its licence asks for no more than to be named; a choice of several counts as the first named."""
        return bool(_PERMISSIVE.search(self.licence)) and not _BINDING.search(self.licence)


def locked(lock: str) -> list[tuple[str, str]]:
    """Name and version of every package in the text of a lock, in its order."""
    return _PINNED.findall(lock)


def licence_of(said: PackageMetadata) -> str:
    """The licence in a package's metadata: the expression, else the classifiers, else a short text."""
    if "License-Expression" in said:
        return said["License-Expression"]
    classifiers = [str(each) for each in said.get_all("Classifier") or ()]
    named = [each.rpartition("::")[2].strip() for each in classifiers if each.startswith("License ::")]
    named = [each for each in named if each != "OSI Approved"]
    if named:
        return "; ".join(named)
    text = said["License"].strip() if "License" in said else ""
    return text.splitlines()[0][:80] if text and text != "UNKNOWN" else ""


def packages(lock: str) -> list[Package]:
    """Every locked package with its licence; refuses where one is not installed."""
    found = []
    for name, version in locked(lock):
        try:
            found.append(Package(name, version, licence_of(metadata(name))))
        except PackageNotFoundError:
            raise SelfmisError(f"{name} is locked but not installed: run `make setup` first") from None
    return found


def page(found: Sequence[Package]) -> str:
    """The page."""
    others = [package for package in found if not package.permissive]
    lines = [
        "# Dependencies",
        "",
        f"The {len(found)} packages of `requirements.lock`, development included, with the licence each states.",
        "Made by `python -m deploy.dependencies`; a test holds it in step with the lock.",
        "",
        "Known weaknesses are not looked up here: `pip-audit -r requirements.lock` does, where the internet is.",
        "",
        f"Not permissive, or not stated in a way that can be read ({len(others)}):",
        "",
        *(f"- **{package.name}** {package.licence or '(not stated)'}" for package in others),
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {p.name} | {p.version} | {(p.licence or '(not stated)').replace('|', '/')} |" for p in found),
        "",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Write docs/dependencies.md; run in the repository's root, with what is locked installed."""
    Parser(prog="python -m deploy.dependencies", description=main.__doc__).parse_args(argv)
    try:
        found = packages(LOCK.read_text(encoding="utf-8"))
        PAGE.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise SelfmisError(f"{error.filename}: {error.strerror}; run this in the repository's root") from None
    print(f"{PAGE} names {len(found)} packages")
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
