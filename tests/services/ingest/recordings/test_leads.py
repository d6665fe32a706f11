import pytest

from services.ingest.recordings.leads import choose, wanted
from shared.frames import LEADS
from shared.wfdb import RecordingError, standard


@pytest.mark.parametrize("lead", LEADS)
def test_each_lead_means_itself(lead: str) -> None:
    assert wanted(lead).lead == standard(lead.lower()) == lead


def test_the_very_name_wins_over_one_that_stands_for_the_lead() -> None:
    assert choose(["MLII", "II"], wanted("II")) == 1


def test_asking_for_a_standard_lead_finds_what_stands_for_it() -> None:
    assert choose(["V5", "MLII"], wanted("II")) == 1


def test_asking_for_a_position_never_finds_the_standard_lead() -> None:
    with pytest.raises(RecordingError, match="no lead MLII: it has II, V5"):
        choose(["II", "V5"], wanted("MLII"))


@pytest.mark.parametrize("name", ["ECG", "ecg", "", "Signal 1", "ECG_1"])
def test_the_only_signal_of_a_hand_held_device_is_whatever_was_asked_for(name: str) -> None:
    assert choose([name], wanted("I")) == 0


@pytest.mark.parametrize("names", [["V5"], ["ABP"], ["ECG", "ABP"], []])
def test_a_signal_that_says_it_is_something_else_is_not_taken(names: list[str]) -> None:
    with pytest.raises(RecordingError, match="no lead I"):
        choose(names, wanted("I"))


def test_a_lead_that_is_there_twice_is_refused() -> None:
    with pytest.raises(RecordingError, match="2 signals may be lead I"):
        choose(["I", "lead i"], wanted("I"))


def test_a_name_of_ones_own_needs_to_say_what_it_stands_for() -> None:
    with pytest.raises(RecordingError, match="stands for"):
        wanted("chest")
    assert choose(["arm", "chest"], wanted("chest", "V4")) == 1


def test_what_it_stands_for_must_be_a_lead() -> None:
    with pytest.raises(RecordingError, match="'V9' is not one of"):
        wanted("chest", "V9")
