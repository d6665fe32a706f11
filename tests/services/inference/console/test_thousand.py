"""A thousand patients on one page, and how soon an alarm is seen: measured, and printed with `-s`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.inference.api.alert_log import AlertLog, Wanted
from tests.services.inference.console.bedside import SHARDS, House
from tests.waiting import until

pytestmark = pytest.mark.full
PATIENTS = 1000
SCROLL_S = 6
# While somebody scrolls from end to end: how long each frame took, in milliseconds.
SCROLL = """(seconds) => new Promise((resolve) => {
  const scroller = document.getElementById('scroller'), took = [];
  const begun = performance.now();
  let before = begun;
  const frame = (now) => {
    took.push(now - before);
    before = now;
    const way = ((now - begun) / (seconds * 1000)) % 1;
    scroller.scrollTop = (scroller.scrollHeight - scroller.clientHeight) * (way < 0.5 ? 2 * way : 2 - 2 * way);
    if (now - begun < seconds * 1000) requestAnimationFrame(frame); else resolve(took.slice(1));
  };
  requestAnimationFrame(frame);
})"""


def test_a_thousand_patients_scroll_and_only_those_in_sight_are_drawn(
    house: House, visit: Callable[..., Any]
) -> None:
    for number in range(PATIENTS):
        house.device(f"ward-{number:04d}")
    page = visit(house.start_api(), width=1600, height=1000)
    until(lambda: page.locator("#ready").get_attribute("data-patients") == str(PATIENTS), "everybody", 60)
    most = page.locator(".tile").count()
    still = page.evaluate(SCROLL.replace("scroller.scrollTop =", "const nowhere ="), SCROLL_S)
    took = page.evaluate(SCROLL, SCROLL_S)
    for name, frames in (("still", still), ("scrolling", took)):
        p50, p95, p99 = np.percentile(frames, [50, 95, 99])
        print(f"\n{name}: {len(frames)} frames, p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms", end="")
    page.keyboard.press("g")
    page.keyboard.press("End")
    last = page.evaluate("document.activeElement.getAttribute('aria-posinset')")
    assert last == str(PATIENTS)
    assert max(most, page.locator(".tile").count()) < 70


def test_alarms_are_seen_within_two_seconds_of_their_commit(house: House, visit: Callable[..., Any]) -> None:
    devices = [house.device(f"soon-{number}") for number in range(10)]
    page = visit(house.start_api())
    page.wait_for_selector('body[data-link="live"]')
    log, took = AlertLog(house.client, SHARDS), []
    for device in devices:
        device.send(5)
        wanted = Wanted(patient=device.patient, transition="began")
        until(lambda wanted=wanted: log.newest(wanted, 1), "the alarm is committed")
        found = page.locator(f'#happened li[data-patient="{device.patient}"]')
        found.wait_for(state="attached")
        key = f"{found.get_attribute('data-alert')}|began"
        took.append(page.evaluate("key => window.shownMs[key]", key) - int(found.get_attribute("data-committed")))
    print(f"\ncommit to page: median {np.median(took):.0f} ms, longest {max(took)} ms", end="")
    assert max(took) <= 2000
