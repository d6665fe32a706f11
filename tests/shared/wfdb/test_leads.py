import pytest

from shared.wfdb import standard


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("aVR", "AVR"), ("avr", "AVR"), ("i", "I"), ("Lead II", "II"), ("ECG lead v6", "V6"), ("ECG_aVF", "AVF"),
        ("MLII", "II"), ("mod.V1", "V1"), ("D3", "III"), ("MCL1", "V1"), ("v 2", "V2"),
    ],
)  # fmt: skip
def test_names_that_mean_a_lead_are_known(name: str, lead: str) -> None:
    assert standard(name) == lead


@pytest.mark.parametrize("name", ["", "ECG", "noise1", "ABP", "V7", "PLETH", "RESP", "lead"])
def test_other_names_mean_none(name: str) -> None:
    assert standard(name) is None
