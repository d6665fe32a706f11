"""`selfmis alarms burden`: what a model's alarms come to on hand-held recordings of another device (CinC 2017).

Nobody recorded there is known to have had an infarct (which nobody looked for either), so every alarm counts as
false. Each recording of 9 to 61 s is one patient, played over and over, its ends joined at a beat, until so many
minutes have passed; windows, quality gate, model and rules are the monitor's, the rules those that the model
carries where the settings say nothing. Kinds: normal rhythm, atrial fibrillation, other rhythm, noisy; and, since
such a device is held either way round, all that are not noisy by which way up the lead seems to be.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import handheld
from benchmarks.report import write_json
from benchmarks.streams.judged import judged
from benchmarks.streams.scoring import ScoredStream, scored
from benchmarks.streams.stream import Floats, Stream, looped
from services.inference.engine import open_engine
from shared.artefact import load, shipped, under
from shared.command import DONE, Parser, run, settings_arguments, settings_from
from shared.quality import is_upside_down, upside_down
from shared.sections import AlarmSettings
from shared.signal import device_samples, resample
from training.progress import Progress

KINDS = {"N": "normal rhythm", "A": "atrial fibrillation", "O": "other rhythm", "~": "noisy"}
ALL, UPRIGHT, INVERTED = "all", "seemingly upright", "seemingly upside down"


def main(argv: Sequence[str]) -> int:
    """The command."""
    chosen = arguments(argv)
    settings = settings_from(chosen)
    model = load(chosen.model or shipped("I"), expect_lead="I")
    engine = open_engine(model, settings.engine)
    rules = under(settings, model.manifest.alarm).alarm
    done: list[ScoredStream] = []
    turned: dict[str, bool] = {}
    too_short = 0
    progress = Progress("burden", sum(1 for _ in (chosen.cinc2017).glob("*.hea")) // chosen.every, "recordings")
    for name, label, signal, rate_mhz in handheld(chosen.cinc2017, chosen.every):
        progress.advance(1)
        if len(signal) < device_samples(rate_mhz):
            too_short += 1
            continue
        turned[name] = _turned(signal, rate_mhz)
        stream = Stream(name, KINDS[label], rate_mhz, looped(signal, rate_mhz, chosen.minutes * 60))
        done += scored([stream], engine, stride_s=settings.window.stride_s)
    progress.close()
    figures = {
        "model": f"{model.manifest.name}:{model.manifest.version}",
        "minutes": chosen.minutes,
        "too_short": too_short,
        "rules": rules.model_dump(include={"low", "off", "smoothing", "on_windows", "of_windows", "off_windows"}),
        "kinds": dict(burdens(done, turned, rules, answer_s=chosen.answer_s)),
    }
    print(page(figures))
    if chosen.json is not None:
        write_json(figures, chosen.json)
    return DONE


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(
        prog="selfmis alarms burden", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="for lead I; default: the shipped one"
    )
    parser.add_argument("--cinc2017", type=Path, required=True, metavar="DIR", help="folder of cinc2017")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each patient (%(default)g)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th recording alone (1)")
    parser.add_argument(
        "--answer-s", type=float, default=60.0, metavar="S",
        help="an alarm is acknowledged after this (%(default)g)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="also write the figures as one JSON object; - for stdout")
    settings_arguments(parser)
    chosen = parser.parse_args(argv)
    if not 1 <= chosen.minutes <= 600 or chosen.every < 1:
        parser.error("--minutes is 1 to 600, --every 1 or more")
    if not 0 <= chosen.answer_s < 1e7:
        parser.error("--answer-s must not be negative")
    return chosen


def burdens(
    streams: Sequence[ScoredStream], turned: dict[str, bool], rules: AlarmSettings, *, answer_s: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of all, of each kind that is there, and of those that are not noisy by polarity: gate, any-MI and alarms."""
    noisy = KINDS["~"]
    groups: list[tuple[str, Iterable[ScoredStream]]] = [(ALL, streams)]
    groups += [(kind, [each for each in streams if each.kind == kind]) for kind in KINDS.values()]
    for title, want in ((UPRIGHT, False), (INVERTED, True)):
        groups.append((title, [s for s in streams if s.kind != noisy and turned[s.patient] == want]))
    for title, members in groups:
        some = list(members)
        if some:
            yield title, _burden(some, rules, answer_s)


def _burden(streams: Sequence[ScoredStream], rules: AlarmSettings, answer_s: float) -> dict[str, Any]:
    found = judged(streams, rules, answer_s=answer_s)
    scores = np.concatenate([stream.scores[stream.assessable, -1] for stream in streams])
    return {
        "patients": found["patients"],
        "patient_hours": found["patient_hours"],
        "windows": int(sum(len(stream.end_s) for stream in streams)),
        "passed": found["assessable"],
        "any_mi": float(np.median(scores)) if len(scores) else None,
        "alarms": found["false_alarms"],
        "alarm_patients": found["false_alarm_patients"],
        "alarms_per_patient_hour": found["false_alarms_per_patient_hour"],
        "alarm_minutes_per_patient_day": found["alarm_minutes_per_patient_day"],
    }


def _turned(signal: Floats, rate_mhz: int) -> bool:
    """Whether a recording's own windows, together, look upside down."""
    size = device_samples(rate_mhz)
    windows = np.lib.stride_tricks.sliding_window_view(signal, size)[:: size // 2]
    odds = upside_down(resample(np.ascontiguousarray(windows), rate_mhz), "I")
    return bool(is_upside_down(odds.mean(), "I"))


def page(figures: dict[str, Any]) -> str:
    """A table in Markdown."""
    rules = ", ".join(f"`{name}` {value:g}" for name, value in figures["rules"].items())
    columns = (
        "recordings", "patients (hours)", "windows that pass the gate", "median any-MI", "alarms",
        "patients with one", "alarms per patient-hour", "minutes in alarm per patient-day",
    )  # fmt: skip
    lines = [f"{figures['model']}, {figures['minutes']:g} minutes each; rules {rules}.", ""]
    lines += [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    for kind, each in figures["kinds"].items():
        any_mi = "–" if each["any_mi"] is None else f"{each['any_mi']:.2f}"
        lines.append(
            f"| {kind} | {each['patients']} ({each['patient_hours']:.0f}) | {each['passed']:.1%} | {any_mi}"
            f" | {each['alarms']} | {each['alarm_patients'] / each['patients']:.1%}"
            f" | {each['alarms_per_patient_hour']:.2f} | {each['alarm_minutes_per_patient_day']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(run(main))
