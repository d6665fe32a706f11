"""Times each stage from device samples to a judged window on one core; `benchmarks.signal` starts it that way."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from math import gcd

import numpy as np
import scipy.signal

from benchmarks.synthetic import ecg
from shared.command import DONE
from shared.quality import assess, clipped_share
from shared.signal import RATE_HZ, Windows, bandpass, normalise, resample

# Holter 125, 128, 250; Polar H10 130; bedside 256, 360, 500, 1000; KardiaMobile 300; Apple Watch 512.
RATES_HZ = (125, 128, 130, 250, 256, 300, 360, 500, 512, 1000)
_REFERENCE_WINDOWS = 16


def stages(windows: int, repeats: int, random: np.random.Generator) -> dict[str, float]:
    """Best CPU time of ``repeats`` for each stage, µs a window, over an equal mix of `RATES_HZ`.

    ``us_per_window`` is the best whole pass, not the sum of the stages' best. Each rate's windows are one batch.
    CPU time of the one thread, not wall-clock: on a core it has to itself they are the same.
    """
    device = {rate * 1000: ecg(windows, rate * 1000, random) for rate in RATES_HZ}
    spent: dict[str, list[float]] = {}
    for repeat in range(repeats + 1):  # the first designs the operators and is not counted
        took = dict.fromkeys(("resample_us", "bandpass_us", "normalise_us", "quality_us"), 0.0)
        for rate, samples in device.items():
            _pass(samples, rate, took)
        took["us_per_window"] = sum(took.values())
        if repeat:
            for stage, seconds in took.items():
                spent.setdefault(stage, []).append(seconds)
    total = windows * len(device)
    figures = {stage: min(times) / total * 1e6 for stage, times in spent.items()}
    figures["scipy_per_window_us"] = min(_reference(device) for _ in range(3))
    return figures


def _pass(samples: Windows, rate_mhz: int, took: dict[str, float]) -> None:
    begin = time.thread_time()
    at_100_hz = resample(samples, rate_mhz)
    resampled = time.thread_time()
    clean = bandpass(at_100_hz)
    filtered = time.thread_time()
    normalise(clean)
    normalised = time.thread_time()
    assess(at_100_hz, bandpassed=clean, clipped=clipped_share(samples))
    judged = time.thread_time()
    took["resample_us"] += resampled - begin
    took["bandpass_us"] += filtered - resampled
    took["normalise_us"] += normalised - filtered
    took["quality_us"] += judged - normalised


def _reference(device: dict[int, Windows]) -> float:
    """What a plain scipy call per window costs: polyphase resampling and a zero-phase Butterworth, µs."""
    sections = scipy.signal.butter(2, (0.5, 40), "bandpass", fs=RATE_HZ, output="sos")
    begin = time.thread_time()
    for rate_mhz, samples in device.items():
        rate = rate_mhz // 1000
        common = gcd(rate, RATE_HZ)
        for row in samples[:_REFERENCE_WINDOWS]:
            scipy.signal.sosfiltfilt(sections, scipy.signal.resample_poly(row, RATE_HZ // common, rate // common))
    return (time.thread_time() - begin) / (_REFERENCE_WINDOWS * len(device)) * 1e6


def main(argv: Sequence[str]) -> int:
    """Print the figures as JSON. Expects the number of threads to have been fixed by whoever started it."""
    parser = argparse.ArgumentParser(prog="benchmarks.signal_stages")
    parser.add_argument("--windows", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    arguments = parser.parse_args(argv)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    json.dump(stages(arguments.windows, arguments.repeats, np.random.default_rng(0)), sys.stdout)
    return DONE


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
