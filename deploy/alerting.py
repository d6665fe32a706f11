"""Prometheus and Alertmanager beside a monitor: with the files of deploy/, our addresses in the place of theirs.

For the demo, where they are installed. They listen on loopback and end with whoever started them, even by SIGKILL
(see `shared.keeper`, which keeps any command).
"""

import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.errors import SelfmisError
from shared.keeper import kept
from shared.ports import HOST
from shared.redis.local import taken_by
from shared.sections import WatchSettings

FILES = Path(__file__).resolve().parent
PROMETHEUS, ALERTMANAGER = FILES / "prometheus" / "prometheus.yml", FILES / "alertmanager" / "alertmanager.yml"
# Debian calls Alertmanager by another name than its makers.
NAMES = {"Prometheus": ("prometheus",), "Alertmanager": ("prometheus-alertmanager", "alertmanager")}
READY_WITHIN_S = 30.0
LOG = "log"


class AlertingError(SelfmisError):
    """Prometheus or Alertmanager cannot be started."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """What runs, and where; None what does not. ``missing``: a line on each that was wanted and does not."""

    prometheus: str | None
    alertmanager: str | None
    missing: tuple[str, ...]


def prometheus_config(
    targets: Mapping[str, str], *, own: str, alertmanager: str | None, every: str | None = None
) -> dict[str, Any]:
    """`deploy/prometheus/prometheus.yml` for other addresses. ``targets``: of the jobs that there are; others go.

    ``own``: Prometheus' address. ``every``: how often to scrape and evaluate, if not as the file says.
    """
    config: dict[str, Any] = yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))
    wanted = {**targets, "prometheus": own}
    config["scrape_configs"] = [
        {**job, "static_configs": [{"targets": [wanted[job["job_name"]]]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in wanted
    ]
    config["rule_files"] = [str(PROMETHEUS.parent / pattern) for pattern in config["rule_files"]]
    if alertmanager is None:
        del config["alerting"]
    else:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    if every is not None:
        config["global"] |= {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    return config


def alertmanager_config(webhook_url: str | None) -> dict[str, Any]:
    """`deploy/alertmanager/alertmanager.yml` with one address for all its webhooks, or without any."""
    config: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    for receiver in config["receivers"]:
        hooks = receiver.pop("webhook_configs")
        if webhook_url is not None:
            receiver["webhook_configs"] = [{**hook, "url": webhook_url} for hook in hooks]
    return config


@contextmanager
def alerting(
    folder: Path, watch: WatchSettings, targets: Mapping[str, str], *, every: str | None = None
) -> Iterator[Alerting]:
    """Both of them while the block runs, as far as they are installed and their ports are free.

    What cannot be started is told, not raised: a ward is watched without them, too. Their configuration, data and
    logs are in ``folder``. Costs about two seconds.
    """
    missing: list[str] = []
    with ExitStack() as stack:

        def started(what: str, port: int, config: dict[str, Any], *options: str) -> str | None:
            if not port:
                return None
            try:
                return stack.enter_context(_running(what, port, folder / what.lower(), config, options))
            except AlertingError as error:
                missing.append(str(error))
                return None

        webhook = watch.webhook_url.get_secret_value() if watch.webhook_url is not None else None
        manager = started(
            "Alertmanager",
            watch.alertmanager_port,
            alertmanager_config(webhook),
            "--cluster.listen-address=",  # alone: it needs no peers, and no second port
            "--storage.path={data}",
        )
        own = f"{HOST}:{watch.prometheus_port}"
        scraper = started(
            "Prometheus",
            watch.prometheus_port,
            prometheus_config(targets, own=own, alertmanager=manager, every=every),
            "--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=1d",
            # It looks for Alertmanager only after five seconds; what fires before would be told a minute later.
            "--rules.alert.resend-delay=5s",
        )
        yield Alerting(_url(scraper), _url(manager), tuple(missing))


def _url(address: str | None) -> str | None:
    return None if address is None else f"http://{address}"


@contextmanager
def _running(
    what: str, port: int, folder: Path, config: dict[str, Any], options: tuple[str, ...]
) -> Iterator[str]:
    """One of them; gives its address once it is ready."""
    key = f"watch.{what.lower()}_port"
    executable = next((path for name in NAMES[what] if (path := shutil.which(name))), None)
    if executable is None:
        raise AlertingError(f"no {what}: {' or '.join(NAMES[what])} is not on the PATH")
    who = taken_by(port)
    if who is not None:
        raise AlertingError(f"no {what}: port {port} is taken by {who}; set {key} (0: none)")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # a webhook's address may be a secret
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [executable, f"--config.file={file}", f"--web.listen-address={HOST}:{port}"]
    command += [option.format(data=folder / "data") for option in options]
    with (folder / LOG).open("wb") as log:
        # A session of its own: Ctrl-C in the terminal is for us, who stop it in order.
        keeper = subprocess.Popen(
            kept(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(what, keeper, port, folder / LOG)
        yield f"{HOST}:{port}"
    finally:
        keeper.terminate()
        keeper.wait()


def _wait(what: str, keeper: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _ready(port):
        if keeper.poll() is not None:
            raise AlertingError(f"no {what}: it ended at once and says {_complaint(log)!r} ({log})")
        if time.monotonic() > deadline:
            raise AlertingError(f"no {what}: not ready within {READY_WITHIN_S:.0f} s; its log is {log}")
        time.sleep(0.05)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _complaint(log: Path) -> str:
    """The last line that is an error, else the last one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    return next((line for line in reversed(lines) if "level=error" in line), lines[-1])[-200:]
