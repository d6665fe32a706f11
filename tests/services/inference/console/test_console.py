"""The console in a real browser before a real ward: what a person sees and does, from frame to alarm to answer."""

from collections.abc import Callable
from typing import Any

import pytest

from services.inference.api.alert_log import AlertLog, Wanted
from tests.services.inference.console.bedside import SHARDS, House
from tests.waiting import until

Visit = Callable[..., Any]
UPSIDE_DOWN = "seems to be worn upside down"
NASTY = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(2)</script>',
    "'-alert(3)-'/../a?b#c%2F",
    "مريض \u202e12 &amp;",
)


@pytest.fixture(scope="module")
def api(house: House) -> int:
    return house.start_api()


def tile(page: Any, patient: str) -> Any:
    return page.locator(f'.tile[data-patient="{patient}"]')


def live(page: Any) -> None:
    page.wait_for_selector('body[data-link="live"]')


def answered(page: Any, who: str, why: str = "") -> None:
    """Fill in the dialog that is open."""
    page.wait_for_selector("#ask[open]")
    page.fill("#ask-who", who)
    page.fill("#ask-why", why)
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask:not([open])", state="attached")


def test_an_alarm_shows_once_it_is_committed(house: House, api: int, visit: Visit) -> None:
    device = house.device("bed-1")
    page = visit(api)
    live(page)
    tile(page, "bed-1").wait_for()
    assert tile(page, "bed-1").get_attribute("data-priority") == "none"
    device.send(5)
    event = page.locator('#happened li[data-patient="bed-1"][data-transition="began"]')
    event.wait_for()
    committed, alert = (event.get_attribute(name) for name in ("data-committed", "data-alert"))
    shown = page.evaluate("key => window.shownMs[key]", f"{alert}|began")
    assert shown >= int(committed)
    page.wait_for_selector(
        '.tile[data-patient="bed-1"][data-priority="high"][data-sort="physiological"][data-open]'
    )
    assert page.locator('#active li[data-patient="bed-1"] .mark').inner_text() == "!!!"
    assert "bed-1" in page.locator("#assertive").inner_text(), "a screen reader hears it"


def test_an_alarm_acknowledged_by_keys_alone_is_acknowledged_on_every_screen(
    house: House, api: int, visit: Visit
) -> None:
    house.device("bed-2", 17)
    mine, other = visit(api), visit(api)
    for page in (mine, other):
        page.wait_for_selector('.tile[data-patient="bed-2"][data-open]')
    mine.keyboard.press("g")
    mine.fill("#search", "bed-2")
    mine.keyboard.press("Escape")
    assert mine.evaluate("document.activeElement.dataset.patient") == "bed-2"
    mine.keyboard.press("a")
    answered(mine, "Nurse Joy", "seen at the bed")
    for page in (mine, other):
        page.wait_for_selector('#active li[data-patient="bed-2"][data-phase="acknowledged"]')
        page.wait_for_selector('.tile[data-patient="bed-2"][data-phase="acknowledged"]:not([data-open])')
    said = AlertLog(house.client, SHARDS).newest(Wanted(patient="bed-2", transition="acknowledged"), 5)
    assert [b"Nurse Joy" in row.body and b"seen at the bed" in row.body for row in said] == [True]
    mine.keyboard.press("Enter")
    mine.wait_for_selector('body[data-route="patient"]')
    mine.wait_for_selector("#p-strip:not([hidden])")
    assert "Nurse Joy" in mine.locator("#p-audit").inner_text()
    mine.keyboard.press("Escape")
    mine.wait_for_selector('body[data-route="ward"]')
    assert mine.evaluate("sessionStorage.getItem('selfmis.who')") == "Nurse Joy"


def test_nothing_of_one_patient_stands_under_the_name_of_another(house: House, api: int, visit: Visit) -> None:
    house.device("known-1", 17)
    page = visit(api, "#/patient/known-1")
    page.wait_for_selector('#p-status[data-status="admitted"]')
    page.wait_for_selector("#p-alarms .card")
    until(lambda: "%" in page.locator("#p-bars").inner_text(), "scores")
    page.evaluate("location.hash = '#/patient/nobody'")
    until(lambda: page.locator("#p-name").inner_text() == "nobody", "another name")
    shown = {name: page.locator(f"#p-{name}").inner_text() for name in ("status", "bars", "facts", "alarms")}
    assert shown["status"] == ""
    assert "%" not in shown["bars"] + shown["facts"]
    assert "ago" not in shown["facts"]
    assert shown["alarms"] == ""  # of whom nothing is known, not that there is none either
    assert page.locator("#p-muted").is_hidden()
    assert all(
        page.locator(f"#p-{name}").is_hidden() for name in ("mute", "standby", "discharge", "admit", "device")
    )


def test_the_keys_are_told_and_arrows_move_over_tiles(house: House, api: int, visit: Visit) -> None:
    for name in ("keys-1", "keys-2"):
        house.device(name)
    page = visit(api)
    live(page)
    page.fill("#search", "keys-")
    until(lambda: page.locator(".tile").count() == 2, "only those who are searched for")
    page.keyboard.press("Escape")
    first = page.evaluate("document.activeElement.dataset.patient")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.dataset.patient")
    page.keyboard.press("ArrowLeft")
    assert {first, second} == {"keys-1", "keys-2"}
    assert page.evaluate("document.activeElement.dataset.patient") == first
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")


def test_sound_is_off_until_somebody_turns_it_on(api: int, visit: Visit) -> None:
    page = visit(api)
    live(page)
    assert page.locator("#sound").get_attribute("aria-pressed") == "false"
    page.keyboard.press("s")
    until(lambda: page.locator("#sound-word").inner_text() in {"Sound on", "Sound blocked"}, "an answer")
    on = page.locator("#sound").get_attribute("aria-pressed") == "true"
    assert on == (page.locator("#sound-word").inner_text() == "Sound on")


def test_strips_move_and_a_lead_that_is_off_looks_different_from_an_infarct(
    house: House, api: int, visit: Visit
) -> None:
    off = house.device("loose", 5)
    page = visit(api)
    live(page)
    off.send(35, flat=True)
    page.wait_for_selector('.tile[data-patient="loose"][data-sort="technical"][data-signal="lead_off"]')
    assert "LEAD OFF" in tile(page, "loose").inner_text()
    moving = house.device("moving", 12)
    page.fill("#search", "moving")
    page.wait_for_selector('.tile[data-patient="moving"]')
    trace = """() => {
      const c = document.querySelector('.tile[data-patient="moving"] canvas');
      const blank = Object.assign(document.createElement('canvas'), { width: c.width, height: c.height });
      return c.toDataURL() === blank.toDataURL() ? '' : c.toDataURL();
    }"""
    until(lambda: page.evaluate(trace), "a trace")
    before = page.evaluate(trace)
    moving.send(5)
    until(lambda: page.evaluate(trace) != before, "the sweep moves")


def test_what_is_done_to_a_patient_shows_with_who_did_it(house: House, api: int, visit: Visit) -> None:
    house.device("bed-7", 17)
    page = visit(api, "#/patient/bed-7")
    page.wait_for_selector("#p-alarms .card")
    for button, more, sign in (
        ("#p-mute", '#ask input[value="IMI"]', "#p-muted:not([hidden])"),
        ("#p-unmute", "", "#p-muted[hidden]"),
        ("#p-standby", "", '#p-status[data-status="standby"]'),
        ("#p-admit", "", '#p-status[data-status="admitted"]'),
    ):
        page.locator(button).click()
        if more:
            page.locator(more).check()
        answered(page, "Dr. Who", f"because of {button}")
        page.wait_for_selector(sign, state="attached")
        until(lambda button=button: f"because of {button}" in page.locator("#p-audit").inner_text(), "the audit")
    page.locator("#p-device").click()
    page.fill('#ask input[name="device"]', "H10-0007")
    answered(page, "Dr. Who", "a new one")
    until(lambda: "H10-0007" in page.locator("#p-facts").inner_text(), "the device")


def test_a_patients_page_says_which_way_up_the_lead_is_worn(house: House, api: int, visit: Visit) -> None:
    house.device("p-upright", 19)
    page = visit(api, "#/patient/p-upright")
    until(lambda: "upright" in page.locator("#p-facts").inner_text(), "the polarity", 30)


def test_an_alarm_of_a_lead_worn_upside_down_says_so_wherever_it_is_told(
    house: House, api: int, visit: Visit
) -> None:
    house.device("p-inverted", 19, upside_down=True)
    page = visit(api, "#/patient/p-inverted")
    for where in ("#p-caption", "#p-events", "#happened"):
        until(
            lambda where=where: UPSIDE_DOWN in (page.locator(where).text_content() or ""), f"{where} says it", 30
        )


def test_names_and_words_of_an_attacker_stay_text(house: House, api: int, visit: Visit) -> None:
    for name in NASTY:
        house.device(name, 17)
    page = visit(api)
    until(lambda: set(NASTY) <= set(page.locator("#active .name").all_text_contents()), "their alarms", 30)
    for name in NASTY:
        page.evaluate("name => { location.hash = `#/patient/${encodeURIComponent(name)}` }", name)
        until(lambda name=name: page.locator("#p-name").text_content() == name, "the patient's view")
        page.locator("#p-alarms button.acknowledge").click()
        answered(page, "<svg/onload=alert(4)>", "</script><script>alert(5)</script>")
        page.wait_for_selector('#p-alarms [data-phase="acknowledged"]')
        until(lambda: "<svg/onload=alert(4)>" in page.locator("#p-audit").inner_text(), "the audit")
    assert page.evaluate("document.querySelectorAll('img, iframe, object, script:not([src])').length") == 0


def test_after_the_api_was_killed_nothing_is_missing_and_nothing_twice(house: House, visit: Visit) -> None:
    port = house.start_api()
    device = house.device("bed-9")
    page = visit(port)
    live(page)
    house.kill_api(port)
    page.wait_for_selector('body[data-link="lost"]')
    assert page.locator("#lost").is_visible()
    device.send(5)
    log = AlertLog(house.client, SHARDS)
    wanted = Wanted(patient="bed-9", transition="began")
    until(lambda: log.newest(wanted, 1), "the alarm is committed")
    assert page.locator('#happened li[data-patient="bed-9"]').count() == 0
    house.start_api(port=port)
    live(page)
    page.wait_for_selector('#happened li[data-patient="bed-9"][data-transition="began"]')
    assert not page.locator("#lost").is_visible()
    listed = page.eval_on_selector_all("#happened li", "all => all.map(li => li.dataset.alert)")
    committed = [row.body.partition(b'"id":"')[2][:32].decode() for row in log.newest(Wanted(), 1000)]
    assert sorted(listed) == sorted(committed)


def test_who_may_only_look_finds_nothing_to_press(house: House, visit: Visit) -> None:
    house.device("bed-5", 17)
    view, act = "v" * 20, "a" * 20
    page = visit(house.start_api(f"api.view_token={view}", f"api.act_token={act}"))
    page.wait_for_selector("#signin[open]")
    page.fill("#token", "w" * 20)
    page.keyboard.press("Enter")
    until(lambda: page.locator("#signin-error").inner_text(), "a word about the wrong token")
    page.fill("#token", view)
    page.keyboard.press("Enter")
    page.wait_for_selector('#active li[data-patient="bed-5"]')
    assert page.locator("#role").inner_text() == "may look"
    assert page.locator(".needs-act:visible").count() == 0
    page.evaluate("location.hash = '#/patient/bed-5'")
    page.wait_for_selector("#p-alarms .card")
    assert page.locator(".needs-act:visible").count() == 0
    page.keyboard.press("a")
    page.wait_for_selector(".toast.bad")
    assert page.locator("#ask[open]").count() == 0


@pytest.mark.parametrize("place", ["", "#/alarms", "#/patient/bed-1"])
def test_on_a_phone_nothing_scrolls_sideways(house: House, api: int, visit: Visit, place: str) -> None:
    house.device("bed-1", 17)
    page = visit(api, place, width=360, height=740)
    live(page)
    page.wait_for_selector("#active li", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    wide = "all => all.filter(e => e.scrollWidth > 360).map(e => e.id)"
    assert page.eval_on_selector_all("main, #patient, aside, header, #tabs", wide) == []


def test_calipers_measure_in_milliseconds_and_millivolts(house: House, api: int, visit: Visit) -> None:
    house.device("calm", 17)
    page = visit(api, "#/patient/calm")
    page.wait_for_selector("#p-strip:not([hidden])")
    first = page.locator(".caliper.t").first
    first.focus()
    before = page.locator("#p-strip .readout").inner_text()
    page.keyboard.press("ArrowLeft")
    after = page.locator("#p-strip .readout").inner_text()
    ms = [int(text.split(" ms")[0].split()[-1]) for text in (before, after)]
    assert ms[1] - ms[0] == 10, "one sample at 100 Hz"
    assert "bpm" in after
    assert "mV" in after
