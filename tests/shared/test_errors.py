"""A refusal is one line, whatever a file or a stranger said."""

from hypothesis import given
from hypothesis import strategies as st

from shared.errors import LONGEST, SelfmisError, one_line


@given(st.text(max_size=2000) | st.text("ab \n\x1b\u2028é", max_size=2000))
def test_any_text_becomes_one_line_that_can_be_shown(text: str) -> None:
    line = str(SelfmisError(text))
    assert len(line) <= LONGEST
    assert line.isprintable()
    assert one_line(line) == line


def test_what_is_one_line_already_stays_as_it_is() -> None:
    line = "lead 'X' is unknown: use I or II"
    assert str(SelfmisError(line)) == line


def test_the_longest_word_is_what_is_shortened() -> None:
    line = str(SelfmisError(f"setting {'x' * 5000} is unknown: `selfmis config` lists all"))
    assert line.startswith("setting xxx")
    assert line.endswith("xxx is unknown: `selfmis config` lists all")


def test_the_words_as_they_were_given_are_kept() -> None:
    assert SelfmisError("a\nb").args == ("a\nb",)
