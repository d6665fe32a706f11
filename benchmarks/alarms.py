"""`selfmis bench alarms`: what the alarm rules cost per window, and the state to commit.

Microseconds of CPU time, the best of several rounds over all patients.
"""

import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from benchmarks.report import json_argument, present
from services.inference.alarms import AlarmWard, Rules, Scored
from shared.command import DONE, Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES

STRIDE_US = 5_000_000
_START_US = 1_700_000_000_000_000
_WARM_UP = 6


def batches(patients: int, batch: int, step: int, sick: float, seed: int = 0) -> list[Scored]:
    """One window of every patient; the share ``sick`` (evenly spread) scores high, all others low."""
    rng = np.random.default_rng([seed, step])
    names = np.array([f"patient-{i:06d}".encode() for i in range(patients)], "S32")
    scores = rng.random((patients, len(SCORE_NAMES)), np.float32) * np.float32(0.2)
    ill = np.floor(np.arange(patients) * sick) != np.floor((np.arange(patients) + 1) * sick)
    scores[ill, 0] += np.float32(0.5)
    scores[ill, -1] += np.float32(0.55)
    ends = np.full(patients, _START_US + step * STRIDE_US)
    whole = Scored(
        names,
        np.ones(patients, np.uint64),
        np.full(patients, step),
        ends,
        np.zeros(patients, bool),
        np.ones(patients, bool),
        np.zeros(patients, np.uint16),
        np.ones(patients, np.float32),
        scores,
    )
    return [whole[at : at + batch] for at in range(0, patients, batch)]


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = Parser(prog="selfmis bench alarms", description=__doc__)
    parser.add_argument("--patients", type=int, default=20_000, help="patients (default %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="windows in a batch (default %(default)s)")
    parser.add_argument("--sick", type=float, default=0.005, help="share in alarm (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=20, help="windows of each patient (default %(default)s)")
    json_argument(parser)
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    patients, sick = arguments.patients, arguments.sick
    if patients < 1 or arguments.batch < 1 or arguments.repeats < 1 or not 0 <= sick <= 1:
        raise SelfmisError("bench alarms: counts must be above zero and --sick a share")
    ward = AlarmWard(Rules.of(settings_from(arguments).alarm))
    apply_us: list[float] = []
    state_us: list[float] = []
    state_bytes = alerts = 0
    for step in range(_WARM_UP + arguments.repeats):
        applied = packed = 0.0
        for scored in batches(patients, arguments.batch, step, sick):
            start = time.process_time()
            alerts += len(ward.apply(scored, "bench"))
            between = time.process_time()
            states = ward.changed()
            packed += time.process_time() - between
            applied += between - start
            state_bytes = max(state_bytes, *(len(state) for state in states.values()))
        if step >= _WARM_UP:  # alarms have begun
            apply_us.append(applied / patients * 1e6)
            state_us.append(packed / patients * 1e6)
    figures = {
        "us_per_window": min(apply_us),
        "us_per_window_median": median(apply_us),
        "state_us_per_window": min(state_us),
        "patients": patients,
        "in_alarm": sum(1 for _ in ward.alarms()),
        "batch": arguments.batch,
        "alerts": alerts,
        "largest_state_bytes": state_bytes,
    }
    present("alarm rules, one core", figures, arguments.json)
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
