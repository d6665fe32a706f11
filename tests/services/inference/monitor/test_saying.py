"""What an alert carries of the window that raised it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.inference.alarms import Alert
from services.inference.engine import Scored
from services.inference.monitor.saying import bodies, plain

PLACES = {(b"p", 1, 7): 1}
ALERT = Alert(
    id="0" * 32, alarm="1" * 32, patient="p", kind="mi", transition="began", cause="evidence", phase="raised",
    priority="high", type="IMI", time_us=20_000_000, began_us=20_000_000, session=1, window=7, strip=True,
)  # fmt: skip


def said(window: Any, *, assessed: bool = True, alert: Alert = ALERT, lead: str = "I") -> dict[str, Any]:
    """Of an alert about the second of two windows, the first of which was never seen."""
    strips = np.stack([np.full(1000, np.nan), window]).astype(np.float32)
    scored = Scored(
        np.array([False, assessed]),
        np.full((2, 10), 0.5, np.float32),
        np.full(2, 0.9, np.float32),
        np.zeros(2, np.uint16),
        strips,
    )
    ((told,), silent) = bodies([[alert], []], [PLACES, {}], scored, lead)
    assert silent == []
    found: dict[str, Any] = json.loads(told)
    return found


@pytest.mark.parametrize("lead", ["I", "II"])
def test_an_alert_says_which_way_up_the_lead_was_in_its_strip(beating: Callable[..., Any], lead: str) -> None:
    assert said(beating(), lead=lead)["polarity"] == "upright"
    turned = said(-beating(), lead=lead)
    assert turned["polarity"] == "inverted"
    counts = np.frombuffer(base64.b64decode(turned["strip"]["int16"]), "<i2")
    np.testing.assert_allclose(counts / 1000, -beating(), atol=0.0006)


def test_nothing_is_said_of_what_the_gate_refused_of_another_lead_or_without_a_strip(
    beating: Callable[..., Any],
) -> None:
    assert said(-beating(), assessed=False)["polarity"] is None
    assert said(-beating(), lead="V2")["polarity"] is None
    unseen = said(np.full(1000, np.nan))
    assert (unseen["polarity"], unseen["strip"]) == (None, None)
    assert json.loads(plain(ALERT)).items() >= {"polarity": None, "strip": None}.items()
