"""The console's own modules, run in the browser: what a stream says, what a ward remembers, where samples lie."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

FOLDER = files("services.inference.console")
ALERT = {
    "id": "1", "alarm": "a", "patient": "p", "kind": "mi", "type": "IMI", "priority": "high", "phase": "raised",
    "transition": "began", "began_us": 5, "time_us": 5, "committed_ms": 7, "scores": None, "quality": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(chromium: Any) -> Callable[..., Any]:
    """Runs a function of a module's exports in a page that has nothing but the console's files."""
    page = chromium.new_context().new_page()

    def answer(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        kind = "text/javascript" if name.endswith(".js") else "text/html"
        body = FOLDER.joinpath(name).read_text(encoding="utf-8") if name else "<!doctype html>"
        route.fulfill(body=body, content_type=kind)

    page.route("**/*", answer)
    page.goto("http://console.test/")

    def run_in(module: str, code: str, argument: Any = None) -> Any:
        whole = f"async (given) => {{ const m = await import('/console/{module}.js'); {code} }}"
        return page.evaluate(whole, argument)

    return run_in


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_whole_however_the_bytes_come(run: Callable[..., Any], end: str, size: int) -> None:
    text = end.join([": hello", "event: alert", "id: 7", "data: {}", "", "data: a", "data: b", "", ""]) + end
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    found = run("events", "const p = new m.Parser(); return given.flatMap((piece) => p.take(piece));", pieces)
    assert found == [
        {"event": "alert", "id": "7", "data": "{}"},
        {"event": "message", "id": "7", "data": "a\nb"},
    ]


def test_an_alert_that_comes_twice_is_news_once(run: Callable[..., Any]) -> None:
    again = [ALERT, ALERT, ALERT | {"transition": "escalated"}]
    code = "const w = new m.Ward(); return [given.map((a) => w.hear(a)), w.alerts.length];"
    assert run("ward", code, again) == [[True, False, True], 2]


def test_a_list_asked_for_before_an_alert_came_does_not_take_the_alarm_back(run: Callable[..., Any]) -> None:
    code = """
      const w = new m.Ward(), asked = Date.now() - 50;
      const p = { patient: 'p', status: 'admitted', end_us: 1, alarms: [] };
      w.apply(given); w.replace([p], 1, asked); const kept = w.active().length;
      w.replace([p], 1, Date.now() + 1); return [kept, w.active().length];"""
    assert run("ward", code, ALERT) == [1, 0]


def test_an_alarm_of_a_whole_source_has_no_patient_and_goes_when_it_ends(run: Callable[..., Any]) -> None:
    silent = ALERT | {"patient": "", "kind": "system_silent", "priority": "medium", "session": "9"}
    code = """
      const w = new m.Ward(); w.apply(given[0]); const during = w.active().map((a) => [a.kind, a.patient]);
      w.apply(given[1]); return [during, w.active(), w.patients.size];"""
    ended = silent | {"phase": "refractory", "transition": "ended"}
    assert run("ward", code, [silent, ended]) == [[["system_silent", ""]], [], 0]


def test_alarms_of_sources_are_those_of_the_summary_but_for_what_was_heard_since_it_was_asked_for(
    run: Callable[..., Any],
) -> None:
    silent = ALERT | {"patient": "", "kind": "system_silent", "priority": "medium"}
    code = """
      const w = new m.Ward(), asked = Date.now() - 50, names = () => w.active().map((a) => a.alarm);
      w.replaceSystem([given[1]], asked); const first = names();
      w.apply(given[0]); w.replaceSystem([given[1]], asked); const heard = names().sort();
      w.replaceSystem([], Date.now() + 1); return [first, heard, names()];"""
    assert run("ward", code, [silent, silent | {"alarm": "b"}]) == [["b"], ["a", "b"], []]


def test_a_chart_that_is_left_open_for_days_stays_bounded(run: Callable[..., Any]) -> None:
    code = """
      const canvas = document.createElement('canvas');
      const box = document.body.appendChild(document.createElement('div'));
      box.append(canvas); box.style.width = '0px';
      const t = new m.Trend(canvas, document.createElement('p'), () => ({}));
      for (let i = 1; i <= 20000; i += 1) t.add({ end_us: i * 5e6, scores: null, quality: null });
      const times = t.points.map((p) => p.end_us);
      return [times.length <= 2000, times.at(-1), times.every((us, i) => !i || us > times[i - 1])];"""
    assert run("trend", code) == [True, 20000 * 5e6, True]


def test_what_sounds_is_the_alarm_or_the_lost_connection_and_a_browser_that_falls_silent_is_told(
    run: Callable[..., Any],
) -> None:
    code = """
      const started = [];
      const param = () => ({ setValueAtTime() {}, linearRampToValueAtTime() {}, value: 0 });
      const start = () => started.push(1), connect = (to) => to;
      const node = () => ({ gain: param(), frequency: param(), connect, start, stop() {} });
      class Context {
        state = 'running'; currentTime = 0; destination = {};
        resume() { return Promise.resolve(); }
        createGain() { return node(); }
        createOscillator() { return node(); }
      }
      window.AudioContext = Context;
      const s = new m.Sound();
      const heard = (what) => { started.length = 0; return [s.want(what), started.length > 0]; };
      const off = heard('high'); await s.toggle();
      const found = [off, heard(null), heard('lost'), heard('high'), heard('high')];
      s.context.state = 'suspended'; found.push(heard('high'));
      s.context.state = 'running'; found.push(heard('high'));
      return found;"""
    assert run("sound", code) == [
        [None, False], ["on", False], ["on", True], ["on", True], ["on", False], ["blocked", False], ["on", True],
    ]  # fmt: skip


def test_who_is_not_listed_any_more_goes_but_for_the_one_who_is_looked_at(run: Callable[..., Any]) -> None:
    code = """
      const w = new m.Ward(), p = (patient) => ({ patient, status: 'admitted', end_us: 1, alarms: [] });
      w.replace(['a', 'b', 'c'].map(p), 3, 1); w.replace([p('a')], 3, 2, 'c'); return [...w.patients.keys()];"""
    assert run("ward", code) == ["a", "c"]


def test_mi_alarms_come_first_then_technical_ones_then_the_highest_risk(run: Callable[..., Any]) -> None:
    def patient(name: str, any_mi: float, *alarms: dict[str, Any], status: str = "admitted") -> dict[str, Any]:
        return {"patient": name, "status": status, "any_mi": any_mi, "end_us": 1, "alarms": list(alarms)}

    low = ALERT | {"priority": "low"}
    off = low | {"kind": "lead_off"}
    ward = [
        patient("calm", 0.1), patient("risky", 0.6), patient("low", 0.9, low), patient("off", 0.0, off),
        patient("acked", 0.9, ALERT | {"phase": "acknowledged"}), patient("high", 0.5, ALERT),
        patient("away", 0.99, status="standby"),
    ]  # fmt: skip
    code = "const w = new m.Ward(); w.replace(given, 9, 0); return w.listed(() => true).map((p) => p.patient);"
    assert run("ward", code, ward) == ["high", "acked", "low", "off", "risky", "calm", "away"]


def test_samples_lie_where_their_time_says_and_repeats_change_nothing(run: Callable[..., Any]) -> None:
    def strip(first: int, samples: list[int | None]) -> dict[str, Any]:
        return {
            "session": "1",
            "rate_hz": 100,
            "uv_per_lsb": 1000,
            "start_us": 5_000_000 + first * 10_000,
            "samples": samples,
        }

    code = """
      const s = new m.Samples(); for (const strip of given) s.put(strip, 0);
      const all = Array.from({ length: s.end }, (_, k) => s.at(k));
      return [s.first, s.end, ...all.map((mv) => (Number.isNaN(mv) ? null : mv))];"""
    strips = [strip(0, [1, 2, None]), strip(1, [2, 3]), strip(5, [6, 7]), strip(0, [None, None])]
    assert run("samples", code, strips) == [0, 7, 1, 2, 3, None, None, 6, 7]
