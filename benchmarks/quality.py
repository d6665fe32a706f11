"""`selfmis bench quality`: does the gate tell noise from ECG, and does it leave infarctions alone?

CinC 2017: a recording's score is the mean of its windows' scores; AUROC of noisy (~) against normal (N). The
limits were set on even-numbered records, so `auroc_noisy` takes the odd ones.

PTB-XL: one lead of every record, as it is and with noise of nstdb added. The signal's power S is that of a sine
as tall as the QRS complex: p² / 8, p the peak-to-peak of a typical second after the band-pass; the noise's power N
is its mean square about the mean of each second (as in PhysioNet's nst). SNR = 10 log₁₀ (S / N). Record i gets
noise of kind i mod 3 (bw, em, ma), stretch after stretch. Pass rates are shares of all records.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.recordings import NSTDB_KINDS, Labelled, RecordingsError, cinc2017, nstdb, ptbxl
from benchmarks.report import json_argument, present
from shared.command import DONE, Parser, run
from shared.quality import assess, clipped_share, typical_height
from shared.signal import (
    RATE_HZ,
    WINDOW_SAMPLES,
    Windows,
    bandpass,
    interpolate_missing,
    missing_share,
    resample,
)

SNRS_DB = (24, 12, 6, 0, -6)
NOISY, CLEAN = "~", "N"
Figures = dict[str, float | int]
Vector = npt.NDArray[np.float64]


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = Parser(prog="selfmis bench quality", description=__doc__)
    for name in ("cinc2017", "ptbxl", "nstdb"):
        parser.add_argument(f"--{name}", metavar="DIR", type=Path, required=True, help=f"folder of {name}")
    parser.add_argument("--lead", default="I", choices=("I", "II"), help="the lead of PTB-XL to judge")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    figures = noisy_figures(cinc2017(arguments.cinc2017))
    figures |= pass_figures(ptbxl(arguments.ptbxl, arguments.lead), nstdb(arguments.nstdb))
    present("Quality gate", figures, arguments.json)
    return DONE


def noisy_figures(recordings: Iterable[Labelled]) -> Figures:
    """AUROC of noisy against normal recordings, and the share of each label's windows that passes."""
    scores, labels, odd, short = [], [], [], 0
    passed: dict[str, list[bool]] = {NOISY: [], CLEAN: [], "A": [], "O": []}
    for recording in recordings:
        if not len(recording.windows):
            short += 1
            continue
        quality = assess(resample(recording.windows, recording.rate_mhz), clipped=clipped_share(recording.windows))
        scores.append(float(quality.score.mean()))
        labels.append(recording.label)
        odd.append(int(recording.name[-1]) % 2 == 1)
        passed[recording.label] += quality.accept.tolist()
    score, label, held_out = np.array(scores), np.array(labels), np.array(odd, bool)
    figures: Figures = {
        "auroc_noisy": _auroc(score, label, held_out),
        "auroc_noisy_tuning": _auroc(score, label, ~held_out),
        "cinc2017_noisy": int((held_out & (label == NOISY)).sum()),
        "cinc2017_normal": int((held_out & (label == CLEAN)).sum()),
        "cinc2017_too_short": short,
    }
    names = {NOISY: "noisy", CLEAN: "normal", "A": "af", "O": "other"}
    return figures | {f"pass_rate_cinc2017_{names[k]}": float(np.mean(v)) for k, v in passed.items() if v}


def pass_figures(recordings: Iterable[Labelled], noise: Iterable[Labelled]) -> Figures:
    """Pass rates of PTB-XL by noise added and by diagnosis."""
    kinds = {n.name: resample(n.windows, n.rate_mhz) for n in noise}
    raw, labels, absent = [], [], []
    for recording in recordings:
        known = np.isfinite(recording.windows)
        raw.append(resample(interpolate_missing(recording.windows, known), recording.rate_mhz))
        absent.append(missing_share(known))
        labels += [recording.label] * len(recording.windows)
    if not labels:
        raise RecordingsError("the PTB-XL folder holds none of the 100 Hz records that its table names")
    windows, missing, label = np.concatenate(raw), np.concatenate(absent), np.array(labels)
    clean = assess(windows, missing=missing).accept
    figures: Figures = {"pass_rate_clean": float(clean.mean())}
    for snr in SNRS_DB:
        accepted = assess(with_noise(windows, kinds, snr), missing=missing).accept
        name = f"pass_rate_{'minus' if snr < 0 else ''}{abs(snr)}db"
        figures[name] = float(accepted.mean())
        for k, kind in enumerate(NSTDB_KINDS):
            figures[f"{name}_{kind}"] = float(accepted[k :: len(NSTDB_KINDS)].mean())
    for name in ("MI", "NORM"):
        if (label == name).any():
            figures[f"pass_rate_{name.lower()}"] = float(clean[label == name].mean())
            figures[f"ptbxl_{name.lower()}"] = int((label == name).sum())
    return figures | {"ptbxl_windows": len(windows)}


def with_noise(windows: Windows, kinds: dict[str, Windows], snr_db: float) -> Windows:
    """Windows with noise of the given SNR (see the module); window i gets kind i mod 3."""
    noise = np.empty_like(windows)
    for k, kind in enumerate(NSTDB_KINDS):
        share = noise[k :: len(NSTDB_KINDS)]
        share[:] = kinds[kind][np.arange(len(share)) % len(kinds[kind])]
    signal_power = typical_height(bandpass(windows)) ** 2 / 8
    noise_power = noise.reshape(-1, WINDOW_SAMPLES // RATE_HZ, RATE_HZ).var(axis=2).mean(axis=1)
    gain = np.sqrt(signal_power / noise_power / 10 ** (snr_db / 10))
    noisy: Windows = (windows + noise * gain[:, None]).astype(np.float32)
    return noisy


def _auroc(score: Vector, label: npt.NDArray[np.str_], among: npt.NDArray[np.bool_]) -> float:
    """How often a normal recording scores above a noisy one."""
    noisy, clean = score[among & (label == NOISY)], score[among & (label == CLEAN)]
    if not len(noisy) or not len(clean):
        raise RecordingsError("CinC 2017 needs both noisy (~) and normal (N) recordings, even and odd-numbered")
    _, place, count = np.unique(np.concatenate([clean, noisy]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place][: len(clean)]  # equal scores share their mean rank
    return float((ranks.sum() - len(clean) * (len(clean) + 1) / 2) / (len(clean) * len(noisy)))


if __name__ == "__main__":
    raise SystemExit(run(main))
