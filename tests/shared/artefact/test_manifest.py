"""Whatever bytes a manifest holds, reading it gives a manifest or one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.artefact import ArtefactError, ScoreReference
from shared.artefact.manifest import _sealed, read_manifest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "name", "version", "lead", "thresholds", "calibration", "metrics", "data", "trained_on", "created", "revision",
    "reference", "alarm",
    "format", "labels", "rate_hz", "window_samples", "preprocessing_version", "encoder", "head", "files", "sha256",
)  # fmt: skip


def refusal(data: bytes) -> str:
    with pytest.raises(ArtefactError) as caught:
        read_manifest(data)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400
    return message


@pytest.fixture(scope="module")
def body(exported: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((exported / "manifest.json").read_text())
    del values["sha256"]
    return values


def test_a_manifest_goes_to_text_and_back(exported: Path) -> None:
    data = (exported / "manifest.json").read_bytes()
    assert read_manifest(data).to_text().encode() == data


def test_a_reference_goes_to_text_and_back_and_a_manifest_without_one_is_as_before(exported: Path) -> None:
    bare = read_manifest((exported / "manifest.json").read_bytes())
    assert "reference" not in json.loads(bare.to_text())
    reference = ScoreReference(counts=(7, *[0] * 18, 2), sum=2.25, on="9 records")
    told = bare.model_copy(update={"reference": reference})
    assert read_manifest(told.to_text().encode()).reference == reference
    assert told.sha256 != bare.sha256


@pytest.mark.parametrize("counts", [[], [0] * 20, [1] * 19, [-1, *[1] * 19], [0.5] * 20])
def test_a_reference_of_other_buckets_or_none_at_all_is_refused(body: dict[str, Any], counts: list[Any]) -> None:
    body = body | {"reference": {"counts": counts, "sum": 1.0, "on": "records"}}
    assert "reference" in refusal(_sealed(body).encode())


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    refusal(data)


@given(JSON)
def test_arbitrary_json_is_refused(value: Any) -> None:
    refusal(json.dumps(value).encode())


@given(key=st.sampled_from(KEYS), value=JSON)
@settings(max_examples=200)
def test_an_arbitrary_value_in_any_place_gives_a_manifest_or_one_line(
    body: dict[str, Any], key: str, value: Any
) -> None:
    data = _sealed(body | {key: value}).encode()
    try:
        read_manifest(data)
    except ArtefactError:
        refusal(data)


@given(st.data())
def test_a_truncated_manifest_is_refused(exported: Path, data: st.DataObject) -> None:
    whole = (exported / "manifest.json").read_bytes()
    refusal(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b'{"format":' * 100_000, "nested too deeply"),
        (b'{"format": 1, "a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested too deeply"),
        (b"[]", "not a JSON object"),
        (b'{"format": 1, "format": 1}', "occurs twice"),
        (b'{"format": NaN}', "NaN is no JSON number"),
        (b'{"format": 1e999}', "unknown format inf"),
        (b'{"format": ' + b"9" * 100_000 + b"}", "not valid JSON"),
        (b'{"format": "\\ud800\\u001b[2J"}', "unknown format"),
        (b'{"format": 1, "name": "\xc3\xa9"}', "not ASCII"),
        (b"\xff\xfe", "not ASCII"),
        (b"", "not valid JSON"),
        (b"{}", "unknown format missing"),
        (b'{"format": 1}', "changed after it was written"),
    ],
)
def test_hostile_text_is_refused_in_one_line(text: bytes, message: str) -> None:
    assert message in refusal(text)


def test_other_white_space_is_a_change(body: dict[str, Any]) -> None:
    assert "changed after it was written" in refusal(_sealed(body).replace("  ", "\t").encode())
