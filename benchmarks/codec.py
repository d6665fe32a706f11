"""`selfmis bench codec`: how many frames a second one core encodes and decodes."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.report import json_argument, present
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.frames import Frames, decode, encode, frame_bytes, headers


def ward(frames: int, count: int, seed: int = 0) -> Frames:
    """One frame of ``count`` noise samples from each of many patients."""
    header = headers(frames)
    header["patient"] = [f"patient-{i:06d}".encode() for i in range(frames)]
    header["session"] = np.arange(frames) + 1
    header["session_start_us"] = 1_700_000_000_000_000
    header["rate_mhz"] = 100_000
    header["uv_per_lsb"] = 2.5
    samples = np.random.default_rng(seed).integers(-2000, 2000, (frames, count)).astype(np.int16)
    return Frames(header, samples)


def per_second(work: Callable[[], object], items: int, seconds: float, repeats: int = 5) -> float:
    """Items a second of the best of ``repeats`` stretches that share ``seconds``: the rest measures neighbours."""
    best = 0.0
    for _ in range(repeats):
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds / repeats:
            work()
            done += items
        best = max(best, done / elapsed)
    return best


def main(argv: Sequence[str]) -> int:
    """Encode and decode record batches of equal frames, on one core, and print frames a second."""
    parser = Parser(prog="selfmis bench codec", description=main.__doc__)
    parser.add_argument("--frames", type=int, default=500, help="frames in a batch (default %(default)s)")
    parser.add_argument("--samples", type=int, default=100, help="samples in a frame (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long to measure (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.frames < 1 or arguments.samples < 1 or not arguments.seconds > 0:
        raise SelfmisError("bench codec: --frames, --samples and --seconds must be above zero")
    frames = ward(arguments.frames, arguments.samples)
    batch = encode(frames)
    figures = {
        "encode_frames_per_s": per_second(lambda: encode(frames), len(frames), arguments.seconds / 2),
        "decode_frames_per_s": per_second(lambda: decode(batch), len(frames), arguments.seconds / 2),
        "frames_per_batch": arguments.frames,
        "samples_per_frame": arguments.samples,
        "bytes_per_frame": frame_bytes(arguments.samples),
    }
    present("record-batch codec, one core", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
