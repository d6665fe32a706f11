"""What `selfmis alarms streams` was asked to do, done: rules picked, judged, and written down."""

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.alarm_tuning import swept
from benchmarks.streams.judged import judged
from benchmarks.streams.page import page
from benchmarks.streams.recorded import recorded, streamable
from benchmarks.streams.scoring import ScoredStream, replay_of, scored
from benchmarks.streams.simulated import crowd, simulated
from benchmarks.streams.stream import Length, Stream
from services.inference.alarms.tuning import ReplayError, Result, Target, pick, rule_sets, trial
from services.inference.engine import Engine, open_engine
from shared.artefact import load, shipped
from shared.command import settings_from
from shared.errors import SelfmisError
from shared.sections import AlarmSettings
from shared.settings import Settings
from training.evaluate.data import opened
from training.evaluate.robustness import read_tapes
from training.export.facts import identity
from training.folds import parse_folds
from training.progress import Progress

SWEEP: dict[str, tuple[float | int, ...]] = {
    "low": (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7),
    "smoothing": (0.2, 0.4, 1.0),
    "on_windows": (2, 3),
    "of_windows": (3, 5),
}
FORMAT = 1
WELL = 5  # healthy simulated patients for each of another kind
RULES = ("low", "medium", "high", "off", "smoothing", "on_windows", "of_windows", "off_windows")


def answer(chosen: argparse.Namespace) -> None:
    """Do as the arguments say; refuses where no rules meet the target, since then there is nothing to ship."""
    settings = settings_from(chosen)
    model = load(chosen.model or shipped(settings.window.lead))
    engine = open_engine(model, settings.engine)
    length = Length(chosen.minutes * 60, chosen.minutes * 30)
    tapes = read_tapes(chosen.nstdb)
    tune, test = parse_folds(chosen.tune), parse_folds(chosen.test)
    found: dict[str, list[ScoredStream]] = {}
    with opened(chosen.data, sorted({*tune, *test})) as tested:
        store, lead = tested.store, model.manifest.lead
        for name, folds in (("tuned_on", tune), ("recorded", test)):
            rows = streamable(store, folds, lead)
            streams = recorded(store, rows, lead, tapes, length, seed=chosen.seed)
            found[name] = _scored(
                f"streams of fold {', '.join(map(str, folds))}", len(rows), streams, engine, settings
            )
    kinds = crowd(each=chosen.each, well=chosen.each * WELL)
    streams = simulated(lead, length, kinds, seed=chosen.seed)
    found["simulated"] = _scored("simulated streams", len(kinds), streams, engine, settings)
    best = _picked(found["tuned_on"], settings.alarm, chosen)
    figures = {
        "format": FORMAT,
        "model": identity(model.manifest),
        "streams": {
            "data": tested.name,
            "tune_folds": list(tune),
            "test_folds": list(test),
            "seconds": length.seconds,
            "onset_s": length.onset_s,
            "stride_s": settings.window.stride_s,
            "answer_s": chosen.answer_s,
            "seed": chosen.seed,
        },
        "target_false_alarms_per_patient_hour": chosen.max_false_per_hour,
        "rules": {name: getattr(best, name) for name in RULES},
        **{name: judged(done, best, answer_s=chosen.answer_s) for name, done in found.items()},
    }
    _write(figures, chosen)


def _scored(
    what: str, count: int, streams: Iterable[Stream], engine: Engine, settings: Settings
) -> list[ScoredStream]:
    done = []
    progress = Progress(what, count, "patients")
    for each in scored(streams, engine, stride_s=settings.window.stride_s):
        done.append(each)
        progress.advance(1)
    progress.close()
    return done


def _picked(streams: Sequence[ScoredStream], base: AlarmSettings, chosen: argparse.Namespace) -> AlarmSettings:
    replay = replay_of(streams)
    sweep = dict(swept(text) for text in chosen.sweep) or SWEEP
    possible = [settings for settings in rule_sets(base, sweep) if settings is not None]
    results: list[Result] = [
        trial(replay, settings, answer_s=chosen.answer_s)
        for settings in track(possible, "rules", console=Console(stderr=True), transient=True)
    ]
    best = pick(results, Target(chosen.max_false_per_hour))
    if best is None or not best.delays_s:
        raise ReplayError(
            f"none of {len(results)} rules finds anything with at most {chosen.max_false_per_hour:g} false alarms"
            " per patient-hour: allow more with --max-false-per-hour"
        )
    return best.settings


def _write(figures: dict[str, Any], chosen: argparse.Namespace) -> None:
    text = page(figures)
    print(text)
    if chosen.out is None:
        return
    try:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "streams.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        (chosen.out / "streams.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise SelfmisError(f"cannot write to {chosen.out}: {error.strerror}") from None
