"""`selfmis bench windows`: what cutting windows costs, all shards of a ward on one core."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.report import json_argument, present
from services.inference.windows import Cutter, Rules, Ward, cut_together
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.frames import Frames, headers

_START_MS = 1_700_000_000_000


def roster(patients: int, rate_hz: int, shard: int) -> Frames:
    """The first second of each patient of a shard."""
    header = headers(patients)
    header["patient"] = [f"patient-{shard:02d}-{i:06d}".encode() for i in range(patients)]
    header["session"] = np.arange(patients) + 1
    header["session_start_us"] = _START_MS * 1000
    header["rate_mhz"] = rate_hz * 1000
    header["uv_per_lsb"] = 2.5
    samples = np.random.default_rng(shard).integers(-2000, 2000, (patients, rate_hz)).astype(np.int16)
    return Frames(header, samples)


def second(frames: Frames, index: int, loss: float, seed: int) -> Frames:
    """Second ``index`` of those patients, without the frames that get lost."""
    header = frames.headers.copy()
    header["first"] = index * frames.count
    kept = np.random.default_rng((seed, index)).random(len(header)) >= loss
    return Frames(header[kept], frames.samples[kept])


def main(argv: Sequence[str]) -> int:
    """Cut the windows of a ward that sends one frame a second and patient; print the cost of it."""
    parser = Parser(prog="selfmis bench windows", description=main.__doc__)
    parser.add_argument("--patients", type=int, default=20_000, help="patients in all (default %(default)s)")
    parser.add_argument("--shards", type=int, default=64, help="shards they are spread over (default %(default)s)")
    parser.add_argument("--rate", type=int, default=130, help="samples a second (default %(default)s)")
    parser.add_argument("--loss", type=float, default=0.0, help="share of frames lost (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=40, help="seconds of signal (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if not (
        1 <= arguments.shards <= arguments.patients and 50 <= arguments.rate <= 1000 and arguments.seconds > 15
    ):
        raise SelfmisError("bench windows: at least a patient a shard, 50 to 1000 Hz and 16 seconds")
    if not 0 <= arguments.loss < 1:
        raise SelfmisError("bench windows: --loss is a share, from 0 to below 1")
    sizes = [len(part) for part in np.array_split(np.arange(arguments.patients), arguments.shards)]
    rosters = [roster(size, arguments.rate, shard) for shard, size in enumerate(sizes)]
    ward = Ward(Rules())  # one for all shards, as in a replica
    cutters = [Cutter(Rules(), ward=ward) for _ in rosters]
    costs: list[tuple[float, int, int]] = []
    for index in range(arguments.seconds):
        batches = [second(each, index, arguments.loss, shard) for shard, each in enumerate(rosters)]
        entry = f"{_START_MS + 1000 * index}-0"
        begin = time.process_time()
        steps = cut_together([(c, [(entry, [b])]) for c, b in zip(cutters, batches, strict=True) if len(b)])
        windows = sum(len(step.rows) for step in steps)
        costs.append((time.process_time() - begin, windows, sum(map(len, batches))))
    # The first windows come with the growth of the rings. Then 5 s after 5 s: the best of them measures us,
    # the others what runs beside us.
    laps = [costs[i : i + 5] for i in range(10, len(costs) - 4, 5)]
    best = min(laps, key=lambda lap: sum(s for s, _, _ in lap) / sum(f for _, _, f in lap))
    seconds, windows, frames = (sum(column) for column in zip(*best, strict=True))
    if not windows:
        raise SelfmisError("bench windows: no window closed, too many frames were lost: lower --loss")
    figures = {
        "us_per_window": seconds / windows * 1e6,
        "frames_per_s": frames / seconds,
        "us_per_frame": seconds / frames * 1e6,
        "patients": arguments.patients,
        "shards": arguments.shards,
        "bytes_per_patient": ward.nbytes / arguments.patients,
    }
    present("cutting windows, one core", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
