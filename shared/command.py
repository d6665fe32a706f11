"""The edge of every command: errors become one line, Ctrl-C is quiet, exit codes mean something.

A command module has ``main(argv) -> int`` and ends with::

    if __name__ == "__main__":
        raise SystemExit(run(main))

so that ``selfmis NAME`` and ``python -m package.NAME`` are the same thing.
Exit codes: 0 done, 1 done but the answer is no, 2 could not be done, 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from shared.errors import SelfmisError
from shared.settings import Settings, load

Main = Callable[[Sequence[str]], int]

DONE, ANSWER_IS_NO, CANNOT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are one line, like every other error here."""

    def error(self, message: str) -> "None":  # type: ignore[override]  # argparse says NoReturn; raising is that
        name = self.prog.removeprefix("selfmis ")
        raise SelfmisError(f"{name}: {message} (see {self.prog} --help)")


def settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config FILE`` and ``--set SECTION.KEY=VALUE`` to a command."""
    group = parser.add_argument_group("settings (see `selfmis config`)")
    group.add_argument(
        "--config", metavar="FILE", help="settings file (TOML); default ./selfmis.toml if it exists"
    )
    group.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help="override one setting; repeatable",
    )


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The settings in force for a command that called `settings_arguments`."""
    return load(config=arguments.config, overrides=arguments.set).settings


def run(main: Main, argv: Sequence[str] | None = None) -> int:
    """Call ``main`` and turn what it raises into an exit code and at most one line on stderr."""
    try:
        code = main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SelfmisError as error:
        print(f"selfmis: {error}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) went away; point stdout elsewhere so that exit does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code
