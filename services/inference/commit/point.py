"""A point of a patient's trend: one window now and then, so small that each of many patients keeps hundreds."""

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.labels import SCORE_NAMES

# Ten-thousandths are finer than any calibration; the largest value says that there is none.
NONE = 65_535
STEPS = 10_000
POINT = np.dtype(
    [
        ("end_us", "<i8"),
        ("outcome", "u1"),  # as in a window, see `windows.Outcome`
        ("quality", "u1"),  # in 1/200; 255: not asked
        ("scores", "<u2", (len(SCORE_NAMES),)),  # in 1/10,000; `NONE` where the model was not asked
    ]
)
QUALITY_STEPS = 200
NO_QUALITY = 255
Points = npt.NDArray[np.void]


def points(
    end_us: npt.NDArray[np.int64],
    outcome: npt.NDArray[np.uint8],
    quality: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
) -> Points:
    """n windows as points; NaN where there is no quality or score."""
    made = np.zeros(len(end_us), POINT)
    made["end_us"], made["outcome"] = end_us, outcome
    made["quality"] = _whole(quality, QUALITY_STEPS, NO_QUALITY)
    made["scores"] = _whole(scores, STEPS, NONE)
    return made


def view(point: np.void) -> dict[str, Any]:
    """A point for JSON, but for the outcome's name."""
    scores, quality = point["scores"].tolist(), int(point["quality"])
    return {
        "end_us": int(point["end_us"]),
        "quality": None if quality == NO_QUALITY else quality / QUALITY_STEPS,
        "scores": None
        if scores[-1] == NONE
        else {name: score / STEPS for name, score in zip(SCORE_NAMES, scores, strict=True)},
    }


def _whole(values: npt.NDArray[np.float32], steps: int, none: int) -> npt.NDArray[np.float32]:
    whole: npt.NDArray[np.float32] = np.where(np.isfinite(values), np.rint(values * np.float32(steps)), none)
    return whole
