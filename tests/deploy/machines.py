"""Several machines on this one: network namespaces, each with an address of its own, behind one bridge.

What runs on a machine reaches the others over the bridge and by nothing else (Unix sockets and files apart, which
nobody of ours shares between machines). A machine can be killed, with all that runs on it, and its cable pulled.
Needs root and `ip`; only Linux has them.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from benchmarks.faults.service import Service
from shared.redis.local import process_exists

_PREFIX = "sm"
_RUN, _LINKS = Path("/run/netns"), Path("/sys/class/net")
Command = Callable[[], Sequence[str]]


class Machine:
    """One namespace. ``address``: its own, as the others reach it."""

    def __init__(self, space: str, cable: str, address: str, folder: Path) -> None:
        self.address = address
        self._space, self._cable, self._folder = space, cable, folder
        self.services: list[Service] = []

    def run(self, name: str, command: Command, environ: Mapping[str, str] | None = None) -> Service:
        """Start a program here; `Service.tick` starts it again when it has ended."""
        inside = ["ip", "netns", "exec", self._space]
        service = Service(name, lambda: [*inside, *command()], self._folder / f"{name}.log", environ)
        self.services.append(service)
        service.start()
        return service

    def titles(self, beginning: str) -> list[int]:
        """Processes here whose title begins so."""
        found = []
        for pid in _ip("netns", "pids", self._space).split():
            with suppress(psutil.NoSuchProcess):
                if "".join(psutil.Process(int(pid)).cmdline()[:1]).startswith(beginning):
                    found.append(int(pid))
        return found

    def kill(self) -> None:
        """Everything at once, as when the power goes. It stays off until `boot`."""
        for service in self.services:
            service.held = True
        _kill_all(self._space)

    def boot(self) -> None:
        """On again: what ran here is started when it is next looked after."""
        for service in self.services:
            service.held = False

    def cut(self) -> None:
        """Pull the cable: nothing comes and nothing goes, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """And in again."""
        _ip("link", "set", self._cable, "up")


class Network:
    """Enter it for an empty bridge; leave it, and nothing is left of it or of what ran behind it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._bridge = f"{_PREFIX}{os.getpid()}"
        self._net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 256}"
        self.machines: list[Machine] = []

    def __enter__(self) -> Self:
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
            self._stack.callback(_ip, "link", "del", self._bridge)
            _ip("addr", "add", f"{self._net}.1/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def machine(self, name: str) -> Machine:
        """One more. We ourselves reach it, as from the first address of the net."""
        number = 10 + len(self.machines)
        space, cable, address = f"{self._bridge}-{name}", f"{self._bridge}.{number}", f"{self._net}.{number}"
        _ip("netns", "add", space)
        self._stack.callback(_remove, space)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
        # A process that is dead but not yet taken note of would hold the space, and with it the cable.
        self._stack.callback(_ip, "link", "del", cable)
        _ip("link", "set", cable, "master", self._bridge, "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", space, "link", "set", device, "up")
        made = Machine(space, cable, address, self._folder)
        self._stack.callback(_stop, made)
        self.machines.append(made)
        return made


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """A `Network`; skips where there can be none."""
    _clear_away()
    try:
        with Network(folder) as probe:
            probe.machine("probe")
    except NoNetwork as why:
        pytest.skip(f"no network of several machines here: {why}")
    with Network(folder) as made:  # what goes wrong from here on is a failure
        yield made


class NoNetwork(Exception):
    """This machine, or this user, allows no namespaces."""


def _ip(*words: str) -> str:
    try:
        done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        raise NoNetwork("there is no program ip") from None
    if done.returncode:
        raise NoNetwork(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _stop(machine: Machine) -> None:
    machine.kill()
    for service in machine.services:
        service.stop()


def _kill_all(space: str) -> None:
    """Until nothing is left: what is killed may just have started something."""
    deadline = time.monotonic() + 20
    while pids := _ip("netns", "pids", space).split():
        assert time.monotonic() < deadline, f"{space}: {pids} do not end"
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.02)


def _remove(space: str) -> None:
    _kill_all(space)
    _ip("netns", "del", space)


def _clear_away() -> None:
    """What a killed run of the tests left behind."""
    for left in (*_RUN.glob(f"{_PREFIX}*-*"), *_LINKS.glob(f"{_PREFIX}*")):
        pid = re.split("[-.]", left.name.removeprefix(_PREFIX))[0]
        if pid.isdigit() and not process_exists(int(pid)):
            with suppress(NoNetwork):
                if left.parent == _RUN:
                    _remove(left.name)
                else:
                    _ip("link", "del", left.name)
