"""The strip of an alert as a WFDB record: header with comments, signal, and an annotation that says what it is."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.inference.fhir.coding import RESEARCH_ONLY
from services.inference.fhir.communication import sentence
from services.inference.fhir.observation import strip_counts

ANNOTATOR: Final = "alarm"
_SHOWN: Final = ("patient", "alarm", "kind", "transition", "cause", "priority", "type", "quality", "model")
_INVALID = -(1 << 15)  # what format 16 means by it: no sample
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_record(folder: Path, alert: Mapping[str, Any], lead: str) -> bool:
    """Write the record named by the alert's id, over an older one; False, and nothing, where there is no strip.

    Its clock is that of the samples, in UTC. Costs about a millisecond.
    """
    import wfdb  # noqa: PLC0415 - takes half a second, and nobody else here needs it

    if not alert["strip"]:
        return False
    strip = alert["strip"]
    counts = np.maximum(strip_counts(strip), _INVALID + 1)
    end = _EPOCH + timedelta(microseconds=alert["time_us"])
    start = end - timedelta(seconds=len(counts) / strip["rate_hz"])
    comments = [f"{name}: {alert[name]}" for name in _SHOWN if alert[name] not in {"", None}]
    if alert.get("polarity"):  # what an older program committed has none
        comments.append(f"polarity: {alert['polarity']}")
    for name in ("scores", "evidence"):
        if alert[name]:
            listed = " ".join(f"{type_}={value:.4f}" for type_, value in alert[name].items())
            comments.append(f"{name}: {listed}")
    wfdb.wrsamp(
        alert["id"],
        fs=strip["rate_hz"],
        units=["mV"],
        sig_name=[lead],
        d_signal=counts.astype(np.int64)[:, None],
        fmt=["16"],
        adc_gain=[1000 / strip["uv_per_lsb"]],
        baseline=[0],
        comments=[*(" ".join(comment.split()) for comment in comments), RESEARCH_ONLY],
        base_time=start.time(),
        base_date=start.date(),
        write_dir=str(folder),
    )
    # At the end, which is when it was said; wfdb's reader takes a remark at the beginning for one about the file.
    remark = sentence(alert).encode("ascii", "replace").decode()
    wfdb.wrann(
        alert["id"], ANNOTATOR, np.array([len(counts) - 1]), ['"'], aux_note=[remark], write_dir=str(folder)
    )
    return True
