"""Every peer does the job for real and comes to what the log says; what is not installed says what to install."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.peers import command
from benchmarks.peers.command import main, one
from shared.errors import SelfmisError


def test_quix_says_in_its_own_words_why_it_cannot() -> None:
    pytest.importorskip("quixstreams", reason="quixstreams absent: pip install 'selfmis-monitor[bench]'")
    from benchmarks.peers.quix_peer import why_not

    assert "broker_address" in why_not()


def test_a_peer_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command.PACKAGES, "bytewax", "no_such_package")
    told = one("bytewax", None, None, 1, 1, 0)  # type: ignore[arg-type]  # nothing is run
    assert "selfmis-monitor[bench]" in str(told["why_not"])


@pytest.mark.parametrize(
    "wrong",
    [["--seconds", "1"], ["--limit", "0"], ["--least", "9", "--patients", "8"], ["--crash-patients", "-1"]],
)
def test_impossible_runs_are_refused(wrong: Sequence[str]) -> None:
    with pytest.raises(SelfmisError, match="bench peers"):
        main(wrong)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["ours", "bytewax", "serve_http", "serve_handle", "consumer_group"])
def test_a_peer_does_the_job_and_loses_no_window_without_a_word(name: str, tmp_path: Path) -> None:
    if name == "bytewax":
        pytest.importorskip("bytewax", reason="bytewax absent: pip install 'selfmis-monitor[bench]'")
    file = tmp_path / "peers.json"
    small = ["--patients", "40", "--least", "40", "--crash-patients", "40", "--seconds", "12", "--limit", "30"]
    assert main([*small, "--only", name, "--set", "stream.shards=8", "--json", str(file)]) == 0
    found = json.loads(file.read_text())[name]
    assert found["windows_per_s"] == pytest.approx(40 / 5, rel=0.6)
    assert found["overhead_us_per_window"] > 0
    assert found["due"] > 40
    assert found["strange"] == 0
    if name == "ours":
        assert (found["lost"], found["doubled"]) == (0, 0)
        assert (found["stopped_lost"], found["stopped_doubled"], found["stopped_strange"]) == (0, 0, 0)
    if name == "consumer_group":
        assert found["stopped_doubled"] > 0, "it has no lease: who was stopped writes on beside its successor"
