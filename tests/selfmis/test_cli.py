"""The command-line program, as a person at a terminal meets it."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from selfmis.cli import COMMANDS, _main
from shared.artefact import load, shipped
from shared.command import run

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SELFMIS_")}


def selfmis(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfmis", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=CLEAN | environ, cwd=ROOT, check=False
    )


HELPED = """
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(SystemExit):
        importlib.import_module(name).main(["--help"])
print(*sys.modules)
"""


def test_without_a_command_the_commands_are_listed() -> None:
    shown = selfmis()
    assert shown.returncode == 0
    assert all(f"  {command.name}" in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name: str = command.name  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as ended:
        run(_main, [*name.split(), "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: selfmis {name}")


def test_help_does_not_wait_for_what_takes_seconds_to_import() -> None:
    modules = [command.module for command in COMMANDS]
    python = subprocess.run(
        [sys.executable, "-c", HELPED, *modules], capture_output=True, text=True, cwd=ROOT, check=True
    )
    imported = set(python.stdout.splitlines()[-1].split())
    assert imported & {"torch", "ray", "pandas", "scipy.stats"} == set()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_also_a_module(command: object) -> None:
    module = import_module(command.module)  # type: ignore[attr-defined]
    assert callable(module.main)
    home = Path(module.__file__ or "")
    texts = [path.read_text(encoding="utf-8") for path in (home, home.with_name("__main__.py")) if path.exists()]
    assert any("SystemExit(run(main))" in text for text in texts)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["confg"], "selfmis: no command 'confg'; did you mean config?\n"),
        (["bench"], "selfmis: bench needs one of: "),
        (["bench", "codek"], "selfmis: bench needs one of: "),
        (
            ["config", "--colour"],
            "selfmis: config: unrecognized arguments: --colour (see selfmis config --help)\n",
        ),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    refused = selfmis(*arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith(line)
    assert refused.stderr.count("\n") == 1


def test_config_prints_every_setting_and_its_origin() -> None:
    shown = selfmis("config", "--json", "--set", "stream.shards=4", SELFMIS_WINDOW_LEAD="II")
    settings = json.loads(shown.stdout)
    assert settings["stream.shards"] == {"value": "4", "from": "command line"}
    assert settings["window.lead"] == {"value": "II", "from": "environment SELFMIS_WINDOW_LEAD"}
    assert settings["redis.url"]["from"] == "default"


def test_config_shows_the_alarm_rules_of_the_model_where_nobody_has_set_others() -> None:
    settings = json.loads(selfmis("config", "--json", "--set", "alarm.on_windows=2").stdout)
    rules = load(shipped("I")).manifest.alarm
    assert rules is not None
    assert settings["alarm.low"] == {"value": str(rules.low), "from": "model small-lead-i"}
    assert settings["alarm.on_windows"] == {"value": "2", "from": "command line"}
    assert settings["alarm.stream_lost_s"]["from"] == "default"
    other = selfmis("config", "--json", "--model", str(shipped("II")), SELFMIS_WINDOW_LEAD="II")
    assert json.loads(other.stdout)["alarm.low"]["from"] == "model small-lead-ii"
    refused = selfmis("config", "--model", str(shipped("II")))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "lead I is wanted" in refused.stderr


def test_a_wrong_setting_stops_a_command_before_it_starts() -> None:
    refused = selfmis("config", SELFMIS_STREAM_SHARDS="lots")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "SELFMIS_STREAM_SHARDS" in refused.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m selfmis config | true"
    shown = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, env=CLEAN, cwd=ROOT, check=False
    )
    assert shown.stderr == ""


def test_listing_the_commands_imports_nothing_heavy() -> None:
    heavy = "('torch', 'ray', 'redis', 'wfdb', 'numpy')"
    code = f"import sys, selfmis.cli; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert shown.stdout.strip() == "[]"
