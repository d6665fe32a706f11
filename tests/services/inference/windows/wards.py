"""Logs as a bad day makes them: lost, doubled, late and leaping frames, restarts, devices that vanish."""

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import strategies as st

from services.inference.windows import Rules
from shared.frames import Frames, headers
from shared.position import parse_id
from tests.services.inference.windows.reference import Entry, Frame

Traffic = tuple[str, list[Frames]]
NOW_MS = 1_700_000_000_000
RATES = (50_000, 50_100, 62_500, 124_900)
RULES = st.builds(
    Rules,
    stride_us=st.sampled_from([2_500_000, 5_000_000, 7_333_333, 10_000_000]),
    lateness_us=st.sampled_from([0, 2_000_000, 3_100_000]),
    park_after_ms=st.sampled_from([5_000, 20_000]),
    max_patients=st.sampled_from([2, 100]),
)


def device(random: Random, patient: bytes, seconds: int, second: int = 0) -> dict[int, list[Frame]]:
    """Frames of one patient by the second of log time in which they arrive, sessions and faults included."""
    arriving: dict[int, list[Frame]] = {}
    sick = random.random() < 0.7  # the others are fault-free: the fast path
    session, start_us, at, sample = random.randrange(2**64), (NOW_MS + second * 1000) * 1000, second, 0
    rate, gain, length = random.choice(RATES), random.choice([1.0, 2.5, 4.88]), random.choice([0.4, 1.0, 3.7, 5.1])
    while at < seconds:
        count = max(1, int(length * rate / 1000)) + random.choice([0, 0, 1])
        frame = Frame(
            patient,
            tuple(random.randrange(-32768, 32768) for _ in range(count)),
            sample,
            session,
            start_us,
            rate,
            gain,
        )
        sample += count
        at = second + sample * 1000 // rate
        arrivals = [at]
        if sick:
            fault = random.random()
            if fault < 0.08:
                arrivals = []
            elif fault < 0.16:
                arrivals = [at + random.randrange(5)]
            elif fault < 0.20:
                arrivals = [at, at + random.randrange(12)]
            elif fault < 0.22:  # sent again, and not the same
                other = replace(frame, samples=tuple(reversed(frame.samples)))
                arriving.setdefault(at + random.randrange(12), []).append(other)
            elif fault < 0.23:
                sample += random.randrange(100 * rate // 1000)  # the index leaps, the clock does not
            elif fault < 0.25:
                second += random.choice([8, 30])  # silence; then it goes on where it was
            elif fault < 0.26:
                gain = random.choice([1.0, 2.5, 1e-42])
            elif fault < 0.28:
                frame = spoilt(random, frame)
            elif fault < 0.30:
                session, sample, second = random.randrange(2**64), 0, at
                start_us += random.choice([0, 0, 10**6, 400 * 10**6])
                rate = random.choice(RATES)
        for arrival in arrivals:
            arriving.setdefault(arrival, []).append(frame)
    return arriving


def spoilt(random: Random, frame: Frame) -> Frame:
    """The frame with something wrong in its header."""
    rate, lead, first = frame.rate_mhz, frame.lead, frame.first
    kind = random.randrange(3)
    return Frame(
        frame.patient,
        frame.samples,
        max(0, first - 3000) if kind == 2 else first,
        frame.session,
        frame.start_us,
        130_000 if kind == 0 else rate,
        frame.gain,
        "II" if kind == 1 else lead,
    )


def logged(random: Random, frames: list[tuple[int, Frame]]) -> list[Entry]:
    """Frames with their second of arrival as entries of any size, each at its log time."""
    log: list[Entry] = []
    while frames:
        size = random.choice([1, 2, 5, 40])
        now, frames = frames[:size], frames[size:]
        milliseconds = NOW_MS + now[-1][0] * 1000 + random.randrange(1000)
        last = parse_id(log[-1][0]) if log else (0, 0)
        entry = (milliseconds, 0) if milliseconds > last[0] else (last[0], last[1] + 1)
        log.append((f"{entry[0]}-{entry[1]}", [frame for _, frame in now]))
    return log


@st.composite
def logs(draw: st.DrawFn, seconds: int = 60, patients: int = 4) -> tuple[Random, list[Entry]]:
    """A log of some patients, and the dice for the rest."""
    random = Random(draw(st.integers(0, 2**32)))
    arrived: list[tuple[int, Frame]] = []
    for i in range(draw(st.integers(1, patients))):
        by_second = device(random, f"p{i}".encode(), seconds)
        arrived += [(second, frame) for second, frames in by_second.items() for frame in frames]
    arrived.sort(key=lambda pair: pair[0])  # stable: a patient's frames of one second stay as they came
    return random, logged(random, arrived)


def divided(random: Random, log: list[Entry]) -> list[list[Entry]]:
    """The log in steps of any size."""
    steps = []
    while log:
        size = random.choice([1, 1, 2, 5, 50])
        steps.append(log[:size])
        log = log[size:]
    return steps


def rough(random: np.random.Generator, patients: int, seconds: int) -> list[Traffic]:
    """Entries that each carry many patients, as arrays: short and long frames, repeats, gaps, leaps, new sessions.

    Each patient keeps a rate; a leap takes them beyond everything that their buffer holds.
    """
    rate = random.choice([50, 100, 130, 250, 512], patients) * 1000
    session = np.ones(patients, np.uint64)
    start_us = np.full(patients, NOW_MS * 1000)
    reached = np.zeros(patients, np.int64)
    log: list[Traffic] = []
    for second in range(seconds):
        runs = []
        for length in (int(random.choice([1, 20, 100, 300])), 100):
            who = np.flatnonzero(random.random(patients) < 0.7)
            if random.random() < 0.05 and len(who):
                session[who[0]] += 1
                start_us[who[0]] += second * 1_000_000
                reached[who[0]] = 0
            back = np.where(random.random(len(who)) < 0.1, random.integers(0, 400, len(who)), 0)
            leap = np.where(random.random(len(who)) < 0.04, random.integers(0, 4000, len(who)), 0)
            found = headers(len(who))
            found["patient"] = [f"p{i}".encode() for i in who]
            found["session"], found["session_start_us"] = session[who], start_us[who]
            found["rate_mhz"], found["uv_per_lsb"] = rate[who], 2.5
            found["first"] = first = np.maximum(0, reached[who] - back + leap)
            reached[who] = np.maximum(reached[who], first + length)
            runs.append(Frames(found, random.integers(-2000, 2000, (len(who), length)).astype(np.int16)))
        log.append((f"{NOW_MS + second * 900}-0", runs))
    return log
