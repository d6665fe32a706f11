from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.prepare.listing import PrepareError
from training.prepare.tables import people, read_table, statements_of

CODES = st.sampled_from(["IMI", "NORM", "NST_", "SR", "(S)"])


@given(st.dictionaries(CODES, st.floats(0, 100)))
def test_what_ptbxl_writes_is_read_back(statements: dict[str, float]) -> None:
    assert statements_of(str(statements)) == statements


@pytest.mark.parametrize("text", ["IMI SR", "IMI;SR", " IMI , SR ", "IMI|SR"])
def test_codes_alone_have_an_unknown_likelihood(text: str) -> None:
    assert statements_of(text) == {"IMI": 0.0, "SR": 0.0}


@pytest.mark.parametrize("text", ["", "{}", " "])
def test_no_statement_is_no_statement(text: str) -> None:
    assert statements_of(text) == {}


@pytest.mark.parametrize("text", ["{'IMI': 100", "{'IMI'}", "{'IMI': 'much'}", "<IMI>", "{'I MI': 1}", "{f()}"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        statements_of(text)


def test_people_are_understood_and_blanks_are_unknown() -> None:
    table = pd.DataFrame(
        {"patient_id": ["17.0", ""], "age": ["300", "x"], "sex": ["female", "2"], "strat_fold": ["3", "0"]}
    )
    known = people(table, Path("t.csv"))
    assert known["patient"].tolist() == ["17", pytest.approx(np.nan, nan_ok=True)]
    assert known["age"].iloc[0] == 90
    assert known["sex"].iloc[0] == 1
    assert known["fold"].iloc[0] == 3
    assert pd.DataFrame(known).iloc[1].isna().all()


def test_a_table_in_which_no_row_has_a_fold_is_refused() -> None:
    with pytest.raises(PrepareError, match=r"t\.csv gives no record a fold"):
        people(pd.DataFrame({"strat_fold": ["", "1.5"]}), Path("t.csv"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a,c\n1,2\n", r"lacks column b: it has a, c"),
        (b"a,b\n", "has no row"),
        (b"", "is no readable CSV"),
        (b"a,b\n\xff\xfe,1\n", "is no readable CSV"),
        (b'a,b\n"1,2\n', "is no readable CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(tmp_path: Path, text: bytes, why: str) -> None:
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(PrepareError, match=rf"t\.csv {why}") as raised:
        read_table(tmp_path / "t.csv", ("a", "b"))
    assert "\n" not in str(raised.value)


def test_a_table_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="cannot be read: No such file"):
        read_table(tmp_path / "t.csv", ("a",))
