"""The figures of a model on streams, as a page."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.streams.simulated import EVOLUTION
from shared.labels import MI_CODES

_TITLES = {
    "tuned_on": "recordings, where the rules were picked",
    "recorded": "other recordings",
    "simulated": "simulated patients",
}


def page(figures: Mapping[str, Any]) -> str:
    """Markdown."""
    return "\n".join(_lines(figures)) + "\n"


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    model, streams = figures["model"], figures["streams"]
    tune, test = (", ".join(map(str, streams[name])) for name in ("tune_folds", "test_folds"))
    minutes, onset = streams["seconds"] / 60, streams["onset_s"] / 60
    yield f"# {model['name']} {model['version']} on streams"
    yield ""
    yield "Research use only, not a medical device. Made by `selfmis alarms streams`."
    yield ""
    yield (
        f"Each stream is one patient for {minutes:g} minutes on lead {model['lead']}, a window every"
        f" {streams['stride_s']:g} s. **Recordings** (fold {tune} to pick rules, fold {test} to judge them; those"
        " in millivolts): a ten-second record is played over and over, with a bout of recorded noise every five"
        f" minutes. A patient with an infarct is somebody else without one for the first {onset:g} minutes, since"
        " no record has an onset: time to detection is how soon the change was noticed. **Simulated** patients"
        f" were never trained on; their infarcts begin after {onset:g} minutes and evolve {EVOLUTION:g} times as"
        f" fast as in nature. Every alarm is acknowledged after {streams['answer_s']:g} s. A record that always"
        " looks ill alarms once a stream, so false alarms per hour would be fewer on longer streams of the same"
        " people; the share of patients would not."
    )
    yield ""
    rules = ", ".join(f"`{name}` {value:g}" for name, value in figures["rules"].items())
    allowed = figures["target_false_alarms_per_patient_hour"]
    yield f"Rules picked (the most sensitive with at most {allowed:g} false alarms per patient-hour): {rules}."
    yield ""
    yield "| | " + " | ".join(_TITLES.values()) + " |"
    yield "|---|" + "---|" * len(_TITLES)
    for title, cell in _ROWS:
        yield f"| {title} | " + " | ".join(cell(figures[name]) for name in _TITLES) + " |"
    for name in ("recorded", "simulated"):
        yield from _kinds(_TITLES[name], figures[name]["kinds"])
    yield ""
    yield from _apart(figures["recorded"]["kinds"], figures["simulated"]["kinds"])


def _sensitivity(found: Mapping[str, Any]) -> str:
    if not found["episodes"]:
        return "–"
    interval = f"{found['sensitivity_low']:.2f} … {found['sensitivity_high']:.2f}"
    return f"{found['sensitivity']:.2f} ({interval})"


_ROWS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("patients (hours watched)", lambda f: f"{f['patients']:,} ({f['patient_hours']:.1f})"),
    ("windows that pass the quality gate", lambda f: f"{f['assessable']:.1%}"),
    ("infarcts, detected", lambda f: f"{f['episodes']:,}, {f['detected']:,}"),
    ("sensitivity (95 %)", _sensitivity),
    ("time to detection, median (90th percentile)", lambda f: (
        f"{_seconds(f['time_to_detection_s_median'])} ({_seconds(f['time_to_detection_s_p90'])})"
    )),
    ("false alarms per patient-hour", lambda f: f"{f['false_alarms_per_patient_hour']:.2f}"),
    ("patients with a false alarm", lambda f: f"{f['false_alarm_patients'] / f['patients']:.1%}"),
    ("minutes in alarm per patient-day", lambda f: f"{f['alarm_minutes_per_patient_day']:.0f}"),
)  # fmt: skip


def _kinds(title: str, kinds: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {title[0].upper()}{title[1:]}, kind by kind"
    yield ""
    yield "| kind | patients | detected | missed | false alarms (patients) | median s | median any-MI |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, found in kinds.items():
        ill = found["episodes"] > 0
        detected = f"{found['detected']} | {found['episodes'] - found['detected']}" if ill else "– | –"
        yield (
            f"| {name} | {found['patients']} | {detected}"
            f" | {found['false_alarms']} ({found['false_alarm_patients']})"
            f" | {_seconds(found['time_to_detection_s_median'])} | {_share(found['any_mi'])} |"
        )


def _apart(recorded: Mapping[str, Any], simulated: Mapping[str, Any]) -> Iterator[str]:
    """Where the model sees simulator and recordings differently."""
    yield "## Where simulator and recordings differ"
    yield ""
    yield (
        "The simulator was frozen before this model was scored on it;"
        " [simulator.md](simulator.md#how-real-it-looks) lays its waves beside real ones."
        " As the model sees it (median any-MI, recorded against simulated):"
    )
    yield ""
    both = [name for name in ("NORM", *MI_CODES) if name in recorded and name in simulated]
    for name in both:
        yield f"- {name}: {_share(recorded[name]['any_mi'])} against {_share(simulated[name]['any_mi'])}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} s"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
