"""A scenario made real: its patients get names, rates and fates by lot, and become sources with a ground truth.

Names tell nothing: patients of all kinds are shuffled and numbered, so neither a model nor
a person watching can read the answer off the name.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from services.ingest.faults import Absences
from services.ingest.recordings.opening import open_recordings
from services.ingest.recordings.replay import replay_sources
from services.ingest.scenario import CrowdGroup, RecordedGroup, Scenario, SimulatedGroup, Span
from services.ingest.source import Roster, Source, SourceError
from services.ingest.synthetic import Bank, BankSpec, Episode, Patient, PatientSpec, case, quantised, truth
from shared.frames import Samples

log = logging.getLogger(__name__)

UV_PER_LSB = 2.5
# The truth about a replayed patient is in the recording's own annotations.
RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Admitted:
    """One patient of a ward and what is really the matter from when."""

    patient: str
    source: int
    kind: str
    rate_mhz: int
    episodes: tuple[Episode, ...]


@dataclass(frozen=True, slots=True)
class Ward:
    """The sources of a scenario and the truth about everyone in them. ``absences``: see `Network`."""

    sources: tuple[Source, ...]
    admitted: tuple[Admitted, ...]
    absences: Absences = field(default_factory=dict)


class Simulated:
    """Source: patients at full fidelity that share a rate."""

    def __init__(self, names: Iterable[str], specs: Iterable[PatientSpec], frame_samples: int) -> None:
        self._specs = tuple(specs)
        self._patients = [Patient(spec) for spec in self._specs]
        self.roster = Roster(
            patients=tuple(name.encode() for name in names),
            rate_mhz=self._specs[0].rate_mhz,
            lead=self._specs[0].lead,
            frame_samples=frame_samples,
            uv_per_lsb=np.full(len(self._specs), UV_PER_LSB, np.float32),
        )
        self.frames: int | None = None

    def frame(self, index: int) -> Samples:
        """Frame ``index`` of every patient."""
        if index < 0:
            raise IndexError(index)
        count = self.roster.frame_samples
        return np.stack([quantised(p.samples(index * count, count), UV_PER_LSB) for p in self._patients])

    def close(self) -> None:
        """Nothing is held open."""


class Crowd:
    """Source: a slice of a bank of patients."""

    def __init__(self, bank: Bank, names: tuple[bytes, ...], rows: slice, frame_samples: int) -> None:
        self._bank = bank
        self._rows = rows
        self.roster = Roster(
            patients=names,
            rate_mhz=bank.spec.rate_mhz,
            lead=bank.spec.lead,
            frame_samples=frame_samples,
            uv_per_lsb=np.full(len(names), bank.spec.uv_per_lsb, np.float32),
        )
        self.frames: int | None = None

    def frame(self, index: int) -> Samples:
        """Frame ``index`` of every patient of the slice."""
        if index < 0:
            raise IndexError(index)
        count = self.roster.frame_samples
        return self._bank.frames(index * count, count, self._rows)

    def close(self) -> None:
        """Nothing is held open."""


def frame_samples(frame_s: float, rate_mhz: int) -> int:
    """Samples in a frame of about ``frame_s`` at this rate, at least one."""
    return max(1, round(frame_s * rate_mhz / 1000))


def rate_mhz(rate_hz: float) -> int:
    """A rate as frames carry it."""
    return round(rate_hz * 1000)


def ward_of(scenario: Scenario, folder: Path) -> Ward:
    """Sources and truth of all groups; a path to recordings is relative to ``folder``, the scenario's own.

    Recordings that cannot be used are reported by a log line each, the other patients go on.
    """
    lots = np.random.default_rng((scenario.seed, 11))
    specs, absent = _specs(scenario, lots)
    order = lots.permutation(len(specs))
    named = [(f"{scenario.name}-{number:05d}", specs[place]) for number, place in enumerate(order.tolist(), 1)]
    absences = {
        name: away for (name, _), place in zip(named, order.tolist(), strict=True) if (away := absent[place])
    }
    sources: list[Source] = []
    admitted: list[Admitted] = []
    by_rate: Mapping[int, list[tuple[str, PatientSpec]]] = defaultdict(list)
    for name, spec in named:
        by_rate[spec.rate_mhz].append((name, spec))
    for rate, members in sorted(by_rate.items()):
        number = len(sources)
        names = [name for name, _ in members]
        sources.append(Simulated(names, (s for _, s in members), frame_samples(scenario.frame_s, rate)))
        admitted += [Admitted(name, number, s.kind, rate, _truth(s, absences.get(name))) for name, s in members]
    for place, group in enumerate(scenario.patients, start=1):
        if isinstance(group, CrowdGroup):
            _add_crowd(scenario, place, group, sources, admitted)
        elif isinstance(group, RecordedGroup):
            _add_recorded(scenario, place, group, folder, sources, admitted)
    twice = len(admitted) - len({one.patient for one in admitted})
    if twice:
        raise SourceError(f"scenario {scenario.name}: {twice} patients share a name with another")
    return Ward(tuple(sources), tuple(admitted), {name.encode(): away for name, away in absences.items()})


def _truth(spec: PatientSpec, away: Span | None) -> tuple[Episode, ...]:
    return (*truth(spec), *([Episode("effect:absent", *away)] if away else []))


def _specs(scenario: Scenario, lots: np.random.Generator) -> tuple[list[PatientSpec], list[Span | None]]:
    """Patients in the order of the file, and when their devices send nothing."""
    specs: list[PatientSpec] = []
    absent: list[Span | None] = []
    for group in scenario.patients:
        if not isinstance(group, SimulatedGroup):
            continue
        rates = group.rates_hz or scenario.rates_hz
        for member in range(group.count):
            rate = rate_mhz(rates[member % len(rates)])
            drawn = case(group.kind, scenario.seed, len(specs), rate_mhz=rate, lead=scenario.lead)
            specs.append(_fate(drawn, group, lots))
            absent.append(group.absent_s)
    return specs, absent


def _fate(drawn: PatientSpec, group: SimulatedGroup, lots: np.random.Generator) -> PatientSpec:
    spec = replace(drawn, speed=group.evolution, effects=tuple(part.effect() for part in group.effects))
    if group.severity is not None:
        spec = replace(spec, severity=group.severity)
    if group.noise is not None:
        spec = replace(spec, noise=group.noise)
    if isinstance(group.onset_s, tuple):
        spec = replace(spec, onset_s=float(lots.uniform(*group.onset_s)))
    elif group.onset_s is not None:
        spec = replace(spec, onset_s=group.onset_s)
    return spec


def _add_crowd(
    scenario: Scenario,
    place: int,
    group: CrowdGroup,
    sources: list[Source],
    admitted: list[Admitted],
) -> None:
    rates = [rate_mhz(rate) for rate in group.rates_hz or scenario.rates_hz]
    sizes = [len(part) for part in np.array_split(np.arange(group.crowd), len(rates))]
    done = 0
    for rate, size in zip(rates, sizes, strict=True):
        if not size:
            continue
        seed = (scenario.seed * 1_000_003 + place * 1_009 + rate) % 2**31
        bank = Bank(BankSpec(patients=size, rate_mhz=rate, lead=scenario.lead, seed=seed, uv_per_lsb=4.0))
        for low in range(0, size, group.together):
            rows = slice(low, min(low + group.together, size))
            names = [f"{scenario.name}-c{place}-{done + i:06d}" for i in range(rows.start, rows.stop)]
            source = len(sources)
            samples = frame_samples(scenario.frame_s, rate)
            sources.append(Crowd(bank, tuple(n.encode() for n in names), rows, samples))
            admitted += [
                Admitted(n, source, bank.kinds[i], rate, tuple(bank.truth(i)))
                for n, i in zip(names, range(rows.start, rows.stop), strict=True)
            ]
        done += size


def _add_recorded(
    scenario: Scenario,
    place: int,
    group: RecordedGroup,
    folder: Path,
    sources: list[Source],
    admitted: list[Admitted],
) -> None:
    opened = open_recordings(
        folder / group.wfdb, lead=group.lead or scenario.lead, stands_for=scenario.lead, kind="wfdb"
    )
    for problem in opened.problems:
        log.warning("left out: %s", problem)
    made = replay_sources(
        opened.recordings,
        patients=group.count,
        frame_seconds=scenario.frame_s,
        loop=group.loop,
        prefix=f"{scenario.name}-r{place}",
    )
    for source in made:
        names = [patient.decode() for patient in source.roster.patients]
        admitted += [Admitted(name, len(sources), RECORDED, source.roster.rate_mhz, ()) for name in names]
        sources.append(source)


def until(stop_s: float) -> float | None:
    """An episode's end for JSON, which knows no infinity."""
    return None if math.isinf(stop_s) else stop_s
