"""One run of some sources into Redis, from settings to summary: what `ingest run` and `ingest replay` share."""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from types import FrameType

from prometheus_client import CollectorRegistry
from redis.exceptions import OutOfMemoryError

from services.ingest import runs
from services.ingest.faults import Absences, Faults, Network
from services.ingest.feed import Feed, Slot, spread
from services.ingest.metrics import LatenessHistogram, SenderCollector
from services.ingest.outbox import Ticket
from services.ingest.progress import LiveLine
from services.ingest.runner import Progress, Runner
from services.ingest.runs import Run, RunError
from services.ingest.schedule import Pace, Schedule
from services.ingest.sender import Sender
from services.ingest.source import Source
from shared.metrics_port import served
from shared.pinning import pin
from shared.redis.connection import Client, connect, explained, master_infos
from shared.settings import Settings

log = logging.getLogger(__name__)

FLUSH_S = 10.0
# A run begins a moment from now: its ground truth must be written and its feeds be sorted before the first frame.
READY_US = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What to stream and how. ``digest`` tells whether a restarted source streams the same as before.

    ``begin_over_s``: the sources begin spread over this time; None: over one frame. ``absences``: see `Network`.
    """

    name: str
    digest: str
    sources: tuple[Source, ...]
    speed: float = 1.0
    duration_s: float | None = None
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    new_run: bool = False
    begin_over_s: float | None = None
    absences: Absences = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended."""

    run: Run
    resumed: bool
    ended: bool
    complete: bool
    patients: int
    frames_confirmed: int
    frames_dropped: int
    frames_sent_again: int
    network_lost: int
    seconds: float
    lateness_p50_s: float | None
    lateness_p99_s: float | None

    def figures(self) -> dict[str, object]:
        """For programs: one flat object."""
        said = asdict(self)
        said["run"] = str(self.run.run)
        return said

    def line(self) -> str:
        """For people."""
        end = "reached its end" if self.ended else "stopped"
        rate = self.frames_confirmed / self.seconds if self.seconds else 0.0
        text = (
            f"{end} after {self.seconds:.0f} s: {self.patients:,} patients,"
            f" {self.frames_confirmed:,} frames in Redis ({rate:,.0f}/s),"
            f" {self.frames_dropped:,} dropped, {self.frames_sent_again:,} sent again"
        )
        if self.network_lost:
            text += f", {self.network_lost:,} lost by the simulated network"
        return text if self.complete else f"{text}; NOT all frames were confirmed by Redis: see the warnings above"


def slots(run: Run, sources: Sequence[Source], over_s: float | None) -> list[Slot]:
    """Session and start of each source's patients; a function of the run, so a restart finds the same."""
    return [
        Slot(run.run, run.origin_us + spread(number, over_s or source.roster.frame_seconds))
        for number, source in enumerate(sources)
    ]


def stream(
    plan: Plan,
    settings: Settings,
    url: str,
    *,
    stop: threading.Event,
    live: bool = True,
    began: Callable[[Run, Sequence[Slot]], None] = lambda _run, _slots: None,
    clock: Callable[[], float] = time.time,
) -> Summary:
    """Run the plan until its end or ``stop``; ``began`` learns the run before the first frame is sent.

    Resumes the last run of the same name if it was alive lately and streamed the same. Raises
    `SelfmisError` for what keeps a run from starting; later troubles with Redis are waited out.
    """
    shards = settings.stream.shards
    met: set[str] = set()
    with explained(url), connect(url, timeout_s=settings.redis.timeout_s, on_connect=met.add) as client:
        master_infos(client)  # each master of a cluster is met
        asked = frozenset(met)
        pin(client, shards)
        last = None if plan.new_run else runs.stored(client, plan.name)
        now_us = int(clock() * 1e6)
        resumed = runs.resumable(last, plan.digest, now_us, settings.ingest.resume_within_s)
        if resumed and last is not None:
            run = last.resumed(now_us, plan.speed)
        else:
            patients = sum(len(source.roster) for source in plan.sources)
            run = Run.begin(plan.digest, now_us + READY_US * patients, plan.speed)
        with suppress(OutOfMemoryError):  # upkeep stores it once there is room, which it makes by trimming
            runs.store(client, plan.name, replace(run, seen_us=now_us))
        starts = slots(run, plan.sources, plan.begin_over_s)
        feeds = [Feed(source, slot, shards) for source, slot in zip(plan.sources, starts, strict=True)]
        first = runs.start_frames(client, feeds, run, shards) if resumed else [0] * len(feeds)
    if resumed:
        log.info("going on with the run that was cut short %.0f s ago", (now_us - run.seen_us) / 1e6)
    began(run, starts)

    progress = Progress(sum(len(feed) for feed in feeds), confirmed_us=run.confirmed_us)
    registry = CollectorRegistry()
    histogram = LatenessHistogram(registry)

    def confirmed(ticket: Ticket, now_s: float) -> None:
        progress.note(ticket, now_s)
        histogram.note(ticket, now_s)

    def remember(client: Client) -> None:
        state = replace(run, confirmed_us=progress.confirmed_us, seen_us=int(clock() * 1e6))
        runs.store(client, plan.name, state)

    sender = Sender(url, settings, shards=shards, on_confirm=confirmed, on_upkeep=remember, clock=clock)
    registry.register(SenderCollector(sender, lambda: progress.patients))
    network = Network(plan.faults, plan.seed, plan.absences)
    stop_us = math.inf if plan.duration_s is None else run.origin_us + plan.duration_s * 1e6
    runner = Runner(
        feeds,
        Schedule(feeds, first, stop_us),
        Pace(run.paced_us, run.paced_at_us, plan.speed),
        network,
        sender,
        progress=progress,
        stop=stop,
        clock=clock,
    )
    begun = time.monotonic()
    with served(
        registry, settings.ingest.metrics_host, settings.ingest.metrics_port, setting="ingest.metrics_port"
    ):
        sender.start()
        try:
            if not asked == met == sender.met:
                # It may have forgotten what it was just asked: how far the windows are, and so what is to be sent.
                raise RunError("Redis was started anew while this run was about to begin: start it again")
            with LiveLine(progress, sender) if live else nullcontext():
                ended = _walk(runner, sender, stop)
                complete = runner.finish(FLUSH_S)
        finally:
            sender.close()
            for source in plan.sources:
                source.close()
    if complete:
        with explained(url), connect(url, timeout_s=settings.redis.timeout_s) as client:
            if ended:
                runs.forget(client, plan.name)  # what reached its end begins anew next time
            else:
                remember(client)
    tally = sender.tally
    return Summary(
        run=run,
        resumed=resumed,
        ended=ended,
        complete=complete,
        patients=progress.patients,
        frames_confirmed=tally.frames_confirmed,
        frames_dropped=tally.frames_dropped,
        frames_sent_again=tally.frames_sent_again,
        network_lost=network.lost,
        seconds=time.monotonic() - begun,
        lateness_p50_s=progress.lateness.quantile_s(0.5),
        lateness_p99_s=progress.lateness.quantile_s(0.99),
    )


def _walk(runner: Runner, sender: Sender, stop: threading.Event) -> bool:
    """Run the runner in a thread of its own, so that a wish to stop frees it even where it waits for room."""
    outcome: Future[bool] = Future()

    def walk() -> None:
        try:
            outcome.set_result(runner.run())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            outcome.set_exception(error)

    thread = threading.Thread(target=walk, name="ingest-runner")
    thread.start()
    while not stop.is_set():
        thread.join(0.2)
        if not thread.is_alive():
            break
    if stop.is_set():
        sender.refuse()
    thread.join()
    return outcome.result()


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts as usual."""
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        log.info("stopping on signal %d: sending what is left", number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
