from hypothesis import given
from hypothesis import strategies as st

from services.ingest.recordings.patients import named_after, numbered
from shared.frames import patient_bytes


def test_patients_are_called_as_their_files_are() -> None:
    assert named_after(["records100/00000/00001_lr", "records100/01000/01002_lr"]) == ["00001_lr", "01002_lr"]


def test_files_of_the_same_name_keep_their_folders() -> None:
    assert named_after(["p1/ecg", "p2/ecg", "x"]) == ["p1/ecg", "p2/ecg", "x"]


def test_long_names_keep_their_end_and_differ() -> None:
    names = named_after([f"{folder}/{'long' * 20}-007" for folder in "ab"])
    assert len(set(names)) == 2
    assert all(name.endswith("-007") for name in names)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), min_size=1, unique=True)
)
def test_any_file_names_become_different_patients_that_a_frame_can_carry(recordings: list[str]) -> None:
    names = named_after(recordings)
    for name in names:
        patient_bytes(name)
    assert len(set(names)) == len(recordings)


def test_numbered_patients_sort_as_they_count() -> None:
    assert numbered(3) == ["replay-00000", "replay-00001", "replay-00002"]
    assert numbered(100_001, "ward")[-1] == "ward-100000"
