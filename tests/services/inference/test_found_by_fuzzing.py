"""Bad input of the services that once was not refused in one line; `selfmis bench fuzz` found it."""

import base64
import json

import pytest

from services.inference.alarms import Action, Command, CommandError
from services.inference.alarms.alert import Alert, AlertError
from services.inference.api.cursor import BadCursor, Cursor
from services.inference.serving.user_config import ConfigRefused, changed
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES


def test_a_cursor_cut_off_behind_its_rows_is_refused() -> None:
    raw = base64.urlsafe_b64decode(Cursor(64, {3: (1_767_225_600_000, 0)}).text() + "==")
    with pytest.raises(BadCursor):
        Cursor.parse(base64.urlsafe_b64encode(raw + b"\x80").decode().rstrip("="), 64)


def alert(**other: object) -> bytes:
    scores = (0.1,) * len(SCORE_NAMES)
    good = Alert(
        "0" * 32, "1" * 32, "p", "mi", "began", "evidence", "raised", "high", "IMI", 1, 1, 1, 7,
        scores=scores, evidence=scores, quality=0.9, model="m", strip=True,
    ).to_json()  # fmt: skip
    return json.dumps(json.loads(good) | other).encode()


def test_an_alert_of_numbers_and_depths_without_end_is_refused() -> None:
    Alert.from_json(alert())
    huge = dict.fromkeys(SCORE_NAMES, 10**400)
    for body in (alert(scores=huge), b"[" * 100_000):
        with pytest.raises(AlertError):
            Alert.from_json(body)


@pytest.mark.parametrize("name", ["x\n\x1b", "x" * 5000, "\ud800"])
def test_a_user_config_with_odd_names_is_refused_in_one_line(name: str) -> None:
    for config in ({name: 1}, {"alarm": {name: 1}}):
        with pytest.raises(SelfmisError) as refused:
            changed(config, ())
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) <= 300
    with pytest.raises(ConfigRefused):
        changed({"alarm": []}, ())


@pytest.mark.parametrize("field", ["who", "why", "patient", "alarm", "device"])
def test_a_command_with_half_a_character_is_refused_before_it_stops_its_shard(field: str) -> None:
    good = Command("1-1", Action.ADMIT, "p1", "somebody", "because", 1).to_json()
    assert Command.from_json("1-1", good).who == "somebody"
    with pytest.raises(CommandError):
        Command.from_json("1-1", json.dumps(json.loads(good) | {field: "\ud800"}).encode())
