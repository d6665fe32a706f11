"""`selfmis doctor`: looks a deployment over and says of each finding what to do."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml
from rich.console import Console

from deploy.doctor.finding import Examination, Finding, Grade, examine, fault, ok, skipped
from deploy.doctor.model import examine_model
from deploy.doctor.python import LOCK, examine_program
from deploy.doctor.redis import examine_redis
from deploy.doctor.ward import examine_ward, wait
from deploy.doctor.web import examine_api, examine_port, examine_ray
from shared.artefact import shipped
from shared.command import ANSWER_IS_NO, DONE, Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.redis.connection import Client, connect
from shared.redis.embedded import running
from shared.settings import Settings, load

SERVE = Path(__file__).resolve().parents[1] / "serve.yaml"
_MARKS = {
    Grade.OK: "[green]ok   [/]",
    Grade.SKIPPED: "[dim]--   [/]",
    Grade.WARNING: "[yellow]warn [/]",
    Grade.FAULT: "[red]FAULT[/]",
}


def main(argv: Sequence[str]) -> int:
    """Check program, Redis, layout, model, replicas, leases, lag, dead letters, ports, Ray and Serve.

    Exit code 1 if there is a fault (with --strict: or a warning). What cannot be reached from here is skipped, and
    one bad thing hides no other.
    """
    parser = Parser(prog="selfmis doctor", description=main.__doc__)
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="model folder; default: the one in deploy/serve.yaml, else the shipped one",
    )
    parser.add_argument("--api", default="http://127.0.0.1:8000", metavar="URL", help="default %(default)s")
    parser.add_argument(
        "--ray", default="http://127.0.0.1:8265", metavar="URL", help="dashboard (default %(default)s)"
    )
    parser.add_argument(
        "--watch",
        type=float,
        default=2.0,
        metavar="S",
        help="between two looks at the streams (default %(default)s)",
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 for warnings too")
    parser.add_argument("--json", metavar="FILE", help="also write the findings as JSON; - for stdout")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.watch <= 60:
        raise SelfmisError("doctor: --watch must be 0 to 60 seconds")
    console = Console(stderr=arguments.json == "-", highlight=False)
    found = []
    with ExitStack() as stack:
        settings, about = _settings(arguments)
        examinations = _examinations(settings, arguments, stack)
        for finding in examine([("settings", lambda: about), *examinations]):
            found.append(finding)
            _tell(console, finding)
    faults, warnings = (sum(f.grade is grade for f in found) for grade in (Grade.FAULT, Grade.WARNING))
    console.print(f"\n{faults} faults, {warnings} warnings, {len(found)} findings")
    if arguments.json is not None:
        _write(arguments.json, found)
    return ANSWER_IS_NO if faults or (arguments.strict and warnings) else DONE


def _settings(arguments: "object") -> tuple[Settings, list[Finding]]:
    """Those in force; where they are impossible the defaults, and a finding."""
    try:
        return settings_from(arguments), [ok("settings", "known and possible")]  # type: ignore[arg-type]  # a Namespace
    except SelfmisError as error:
        do = "mend it (selfmis config shows all); until then what follows is about the default settings"
        return load(environ={}).settings, [fault("settings", str(error), do)]


def _examinations(settings: Settings, arguments: "object", stack: ExitStack) -> Iterator[tuple[str, Examination]]:
    given = vars(arguments)
    shards, keep_s = settings.stream.shards, settings.ingest.keep_s
    yield "program", lambda: examine_program(LOCK)
    yield "redis", _with_redis(settings, stack, lambda client: examine_redis(client, shards, keep_s))
    yield (
        "ward",
        _with_redis(
            settings, stack, lambda client: examine_ward(client, shards, given["watch"], wait), again=True
        ),
    )
    yield "model", lambda: examine_model(given["model"] or _model_of(SERVE, settings), settings)
    gateway = f"http://{_local(settings.gateway.host)}:{settings.gateway.port}"
    yield "gateway", lambda: examine_port("gateway", gateway, "/healthz", '"ok"', "gateway.port")
    metrics = f"http://{_local(settings.ingest.metrics_host)}:{settings.ingest.metrics_port}"
    yield "ingest", lambda: examine_port("ingest", metrics, "/metrics", "selfmis_ingest_", "ingest.metrics_port")
    yield "api", lambda: examine_api(given["api"].rstrip("/"))
    yield "ray", lambda: examine_ray(given["ray"].rstrip("/"))


def _with_redis(
    settings: Settings, stack: ExitStack, look: Callable[[Client], Iterable[Finding]], *, again: bool = False
) -> Examination:
    """An examination of the Redis that the settings name. ``again``: that it cannot be had was said before."""

    def examination() -> Iterable[Finding]:
        try:
            client = stack.enter_context(connect(_redis_of(settings), timeout_s=settings.redis.timeout_s))
        except SelfmisError as error:
            if again:
                return [skipped("ward", "without Redis nothing is known of replicas, leases and lag")]
            return [
                fault("redis", str(error), "set SELFMIS_REDIS_URL to where it is, start it, or open the way to it")
            ]
        return look(client)

    return examination


def _redis_of(settings: Settings) -> str:
    """The Redis that is set, else the embedded one that runs."""
    if settings.redis.url is not None:
        return settings.redis.url
    server = running(settings.redis.data_dir, also=settings.redis.port)
    if server is None:
        raise SelfmisError(f"redis.url is unset, and no embedded Redis serves {settings.redis.data_dir}")
    return server.url


def _model_of(config: Path, settings: Settings) -> Path:
    """The model that a Serve config names, else the shipped one."""
    named = yaml.safe_load(config.read_text(encoding="utf-8"))["applications"][0]["args"].get("model")
    return Path(named) if named else shipped(settings.window.lead)


def _local(host: str) -> str:
    """Where this machine reaches what listens on ``host``."""
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared with, not bound to


def _tell(console: Console, finding: Finding) -> None:
    console.print(f"{_MARKS[finding.grade]}  {finding.check}: ", end="")
    console.print(finding.said, markup=False, soft_wrap=True)
    if finding.do:
        console.print(f"       -> {finding.do}", markup=False, soft_wrap=True)


def _write(where: str, found: Sequence[Finding]) -> None:
    listed = [{"check": f.check, "grade": f.grade.name.lower(), "said": f.said, "do": f.do} for f in found]
    worst = max(f.grade for f in found).name.lower()
    text = json.dumps({"worst": worst, "findings": listed}, indent=2)
    if where == "-":
        print(text)
        return
    try:
        Path(where).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SelfmisError(f"doctor: {where} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    raise SystemExit(run(main))
