"""What a replica says of itself."""

from dataclasses import fields

from services.inference.monitor.pulse import Stage


def test_work_is_every_stage_but_reading() -> None:
    names = [field.name for field in fields(Stage)]
    assert Stage(**dict.fromkeys(names, 1.0)).work == len(names) - 1
    assert Stage(read=1.0).work == 0
