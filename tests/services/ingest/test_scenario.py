"""Scenario files: what they may say, and one clear line for what they may not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.scenario import Scenario, ScenarioError, SimulatedGroup, parse, read

SCENARIOS = Path(__file__).resolve().parents[3] / "deploy" / "scenarios"
SMALLEST = "{name: a, patients: [{kind: NORM}]}"


@pytest.mark.parametrize(
    "path", sorted(set(SCENARIOS.glob("*.yaml")) - {SCENARIOS / "kustomization.yaml"}), ids=lambda path: path.name
)
def test_every_scenario_we_ship_is_valid(path: Path) -> None:
    assert read(path).patients


def test_there_is_a_scenario_to_look_at() -> None:
    assert (SCENARIOS / "ward.yaml").exists()


def test_two_lines_make_a_scenario() -> None:
    scenario = parse(SMALLEST, "x")
    assert scenario.patients == (SimulatedGroup(kind="NORM"),)
    assert scenario.pace == 1.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty or no mapping"),
        ("[1]", "is empty or no mapping"),
        ("a: [", "is not valid YAML at line 1"),
        ("\x00", "is not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "is not valid YAML"),
        ("{name: a}", "patients: Field required"),
        ("{name: A B, patients: [{kind: NORM}]}", "name: String should match"),
        ("{name: a, patients: []}", "patients: "),
        ("{name: a, patients: 3}", "patients: "),
        ("{name: a, patients: [7]}", "patients: group 1: "),
        ("{name: a, patients: [{kind: NORM}], colour: red}", "colour: unknown key"),
        ("{name: a, patients: [{kind: FLU}]}", "group 1: kind: kind 'FLU' is unknown: use one of NORM, IMI"),
        ("{name: a, patients: [{kind: NORM}, {kind: IMI, onset: 3}]}", "group 2: onset: unknown key"),
        ("{name: a, patients: [{kind: IMI, onset_s: [9, 3]}]}", "onset_s: the range must rise"),
        ("{name: a, patients: [{kind: IMI, onset_s: -3}]}", "group 1: onset_s"),
        ("{name: a, patients: [{kind: NORM, absent_s: [9, 9]}]}", "absent_s: it must end after it begins"),
        ("{name: a, patients: [{kind: NORM, count: 0}]}", "group 1: count"),
        ("{name: a, patients: [{crowd: 99999999}]}", "group 1: crowd"),
        ("{name: a, patients: [{kind: NORM, rates_hz: [20]}]}", "group 1: rates_hz.0"),
        ("{name: a, patients: [{kind: NORM, effects: [{type: sneeze}]}]}", "effects.0.type"),
        (
            "{name: a, patients: [{kind: NORM, effects: [{type: motion, start_s: 9, stop_s: 3}]}]}",
            "effects.0: stop_s must be after start_s",
        ),
        ("{name: a, patients: [{kind: NORM}], speed: 0}", "speed"),
        ("{name: a, patients: [{kind: NORM}], speed: .inf}", "speed"),
        ("{name: a, patients: [{kind: NORM}], duration_s: .nan}", "duration_s"),
        ("{name: a, patients: [{kind: NORM}], lead: V9}", "lead: lead 'V9' is unknown"),
        ("{name: a, patients: [{kind: NORM}], network: {loss: 2}}", "network.loss"),
        ("{name: a, patients: [{kind: NORM}], network: {los: 0.1}}", "network.los: unknown key"),
    ],
)
def test_a_wrong_scenario_is_one_line_that_names_the_place(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(text, "x.yaml")
    assert str(refused.value).startswith("scenario x.yaml")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no\.yaml cannot be read: No such file"):
        read(tmp_path / "no.yaml")


def test_a_file_too_large_to_be_a_scenario_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ScenarioError, match="larger than 1 MiB"):
        read(path)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_a_scenario_or_one_line(text: bytes | str) -> None:
    try:
        assert isinstance(parse(text, "x"), Scenario)
    except ScenarioError as refused:
        assert "\n" not in str(refused)  # noqa: PT017 - either outcome is right


def test_the_digest_tells_what_is_streamed_not_how_fast() -> None:
    plain = parse(SMALLEST, "x").digest()
    assert parse("{name: a, speed: 5, duration_s: 9, patients: [{kind: NORM}]}", "x").digest() == plain
    assert parse("{name: a, seed: 5, patients: [{kind: NORM}]}", "x").digest() != plain
